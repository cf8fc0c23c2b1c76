package cfn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one fault of a template, with the place it is about.
type Error struct {
	Pos     Pos
	Message string // AWS's text where AWS has one
	Hint    string // how to mend it, or ""
	Source  string // the source line, or ""
	Err     error  // the cause when a caller's function failed, or nil
}

// Error shows the place, the message, the hint and the source line with a caret.
func (e *Error) Error() string {
	var b strings.Builder
	if place := e.Pos.String(); place != "" {
		b.WriteString(place + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	if e.Source != "" {
		number := fmt.Sprintf("%5d | ", e.Pos.Line)
		fmt.Fprintf(&b, "\n%s%s\n%s^", number, e.Source, caretIndent(e, len(number)))
	}
	return b.String()
}

// caretIndent keeps the tabs of the source so that the caret stands under its column.
func caretIndent(e *Error, gutter int) string {
	before := e.Source[:min(max(e.Pos.Column-1, 0), len(e.Source))]
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	return strings.Repeat(" ", gutter) + indent
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all faults found, in file order.
type Errors []*Error

// Error joins the faults, one after another.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, fault := range e {
		texts[i] = fault.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives errors.Is and errors.As access to each fault.
func (e Errors) Unwrap() []error {
	faults := make([]error, len(e))
	for i, fault := range e {
		faults[i] = fault
	}
	return faults
}

// Message returns the text of err without positions and source lines, as a
// server answers it: the first fault of Errors, the message of an Error, or
// err's own text. Faults that differ only in the name in brackets are one, as
// AWS says them: "Unresolved resource dependencies [A, B] in …".
func Message(err error) string {
	var all Errors
	if errors.As(err, &all) && len(all) > 0 {
		return all.message()
	}
	var one *Error
	if errors.As(err, &one) {
		return one.Message
	}
	return err.Error()
}

func (e Errors) message() string {
	before, name, after, ok := bracketed(e[0].Message)
	if !ok {
		return e[0].Message
	}
	names := []string{name}
	for _, fault := range e[1:] {
		b, name, a, ok := bracketed(fault.Message)
		if ok && b == before && a == after && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return before + "[" + strings.Join(names, ", ") + "]" + after
}

func bracketed(text string) (before, name, after string, ok bool) {
	before, rest, opened := strings.Cut(text, "[")
	name, after, closed := strings.Cut(rest, "]")
	return before, name, after, opened && closed
}

// faults collects errors; its order is fixed by result.
type faults struct {
	lines     []string
	found     Errors
	suggested int
}

func (f *faults) add(pos Pos, format string, args ...any) *Error {
	fault := &Error{Pos: pos, Message: fmt.Sprintf(format, args...), Source: sourceLine(f.lines, pos)}
	f.found = append(f.found, fault)
	return fault
}

// keep adds an error that may already be a fault.
func (f *faults) keep(pos Pos, err error) {
	if err == nil {
		return
	}
	var all Errors
	if errors.As(err, &all) {
		f.found = append(f.found, all...)
		return
	}
	var one *Error
	if errors.As(err, &one) {
		f.found = append(f.found, one)
		return
	}
	f.add(pos, "%s", err.Error()).Err = err
}

// result returns the faults in file order, each once, or nil.
func (f *faults) result() error {
	if len(f.found) == 0 {
		return nil
	}
	slices.SortStableFunc(f.found, func(a, b *Error) int { return comparePos(a.Pos, b.Pos) })
	f.found = slices.CompactFunc(f.found, func(a, b *Error) bool { return a.Pos == b.Pos && a.Message == b.Message })
	return f.found
}

func comparePos(a, b Pos) int {
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return a.Column - b.Column
}

const longestSourceLine = 200

func sourceLine(lines []string, pos Pos) string {
	if pos.Line < 1 || pos.Line > len(lines) {
		return ""
	}
	line := strings.TrimRight(lines[pos.Line-1], "\r")
	if len(line) > longestSourceLine {
		return ""
	}
	return line
}
