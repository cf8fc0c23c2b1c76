package manifest

import "strings"

// closest is the name nearest to a misspelt one, or "" when none is near
// enough to be what was meant. Case, dashes and underscores count for
// nothing: health_endpoint is healthEndpoint.
func closest(wrong string, names []string) string {
	best, bound := "", 1+len(wrong)/4
	for _, name := range names {
		if d := distance(plain(wrong), plain(name)); d <= bound {
			best, bound = name, d-1
		}
	}
	return best
}

func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(name))
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			rows[i][j] = step(rows, s, t, i, j)
		}
	}
	return rows[len(s)][len(t)]
}

func step(rows [][]int, s, t []rune, i, j int) int {
	cost := 1
	if s[i-1] == t[j-1] {
		cost = 0
	}
	d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
	if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
		d = min(d, rows[i-2][j-2]+1)
	}
	return d
}
