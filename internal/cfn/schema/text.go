package schema

import (
	"slices"
	"strings"
)

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Closest returns the known word nearest to a mistyped one, at most a third of
// its length of edits away, or "".
func Closest(word string, known []string) string {
	best, bestDistance := "", len(word)/3+1
	if len(word) > 100 {
		return ""
	}
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// didYouMean is a hint that names the closest known word, or "".
func didYouMean(word string, known []string) string {
	if best := Closest(word, known); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}

// oneOf names the likely value, or all of them when they are few.
func oneOf(word string, values []string) string {
	if hint := didYouMean(word, values); hint != "" {
		return hint
	}
	if len(values) > 10 {
		return ""
	}
	return "one of " + strings.Join(values, ", ")
}
