package ui

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table writes rows under upper-cased headers, columns aligned.
func Table(w io.Writer, headers []string, rows [][]string) {
	widths := make([]int, len(headers))
	all := append([][]string{upper(headers)}, rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

func upper(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ToUpper(w)
	}
	return out
}
