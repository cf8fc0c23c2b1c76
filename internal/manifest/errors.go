package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind sorts errors by what is wrong, for programs that read them.
type Kind string

// The kinds of Error.
const (
	KindSyntax      Kind = "syntax"        // not YAML, or YAML this file may not use
	KindUnknownKey  Kind = "unknown-key"   // a key that means nothing where it stands
	KindDuplicate   Kind = "duplicate-key" // a key given twice
	KindType        Kind = "type"          // text where a list belongs, and so on
	KindValue       Kind = "value"         // the right type, a value out of bounds
	KindUnsupported Kind = "unsupported"   // known, and not supported yet
	KindUnset       Kind = "unset"         // ${env:NAME} without a value
	KindConflict    Kind = "conflict"      // values that do not go together
)

// Error is one thing wrong with the file.
type Error struct {
	// File, Line and Column are the place; Line is 0 when the mistake is
	// not in the file (a bad --namespace).
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path is the key's full path, as in service.environment.DB_URL.
	Path string `json:"path,omitempty"`
	Kind Kind   `json:"kind"`
	// Message says what is wrong and what was expected, Hint how to mend it.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Source is the offending line as it stands in the file.
	Source string `json:"source,omitempty"`
}

// Error renders the mistake on several lines: the place and the message,
// the line of the file with a caret under the place, and the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(Position{File: e.File, Line: e.Line, Column: e.Column}.String())
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	b.WriteString(": " + e.Message)
	if e.Line > 0 {
		margin := fmt.Sprintf("%5d | ", e.Line)
		line, column := excerpt(e.Source, e.Column)
		b.WriteString("\n" + margin + printable(line))
		b.WriteString("\n" + strings.Repeat(" ", len(margin)-2) + "| " + indentTo(line, column) + "^")
	}
	if e.Hint != "" {
		b.WriteString("\n        " + e.Hint)
	}
	return b.String()
}

// excerptWidth is how much of a line is shown, in characters.
const excerptWidth = 160

// excerpt cuts a very long line down to what surrounds a column.
func excerpt(line string, column int) (string, int) {
	all := []rune(line)
	if len(all) <= excerptWidth {
		return line, column
	}
	from := max(0, min(column-excerptWidth/2, len(all)-excerptWidth))
	part := string(all[from : from+excerptWidth])
	if from+excerptWidth < len(all) {
		part += "…"
	}
	if from > 0 {
		return "…" + part, column - from + 1
	}
	return part, column
}

// indentTo is white space as wide as the text before the column. Tabs stay
// tabs so that the caret lines up on a terminal.
func indentTo(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// printable keeps control characters of a broken file off the terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\t') || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, line)
}

// Errors is everything wrong with a file, in file order. It is what Load and
// Parse return for a file that can be read and is not right.
type Errors []*Error

// Error renders every mistake and, when there are several, their number.
func (es Errors) Error() string {
	texts := make([]string, len(es), len(es)+1)
	for i, e := range es {
		texts[i] = e.Error()
	}
	if len(es) > 1 {
		texts = append(texts, fmt.Sprintf("%d errors", len(es)))
	}
	return strings.Join(texts, "\n")
}

// Unwrap lets errors.As find a single *Error.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// sorted puts errors in file order and drops repetitions, which an anchor
// used twice produces.
func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(es, func(a, b *Error) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Line > 0 && a.Message == b.Message
	})
}
