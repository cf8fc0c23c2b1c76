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

// distance is how many edits lie between two words, in bytes: insert, delete,
// replace, or swap two neighbours (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
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
