package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is the text of the file, kept for error messages.
type source struct {
	file  string
	lines []string
}

func newSource(file string, text []byte) *source {
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return &source{file: file, lines: lines}
}

// line is the text of a line, counted from 1; empty beyond the end.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

func (s *source) at(n *yaml.Node) Position {
	return Position{File: s.file, Line: n.Line, Column: n.Column}
}

// within finds a piece of a scalar's text, so that an error points at the
// piece and not at the start of a block of fifty lines.
func (s *source) within(n *yaml.Node, piece string) Position {
	skip := n.Column - 1
	for number := n.Line; number <= len(s.lines); number++ {
		line := []rune(s.line(number))
		rest := string(line[min(skip, len(line)):])
		if i := strings.Index(rest, piece); i >= 0 {
			return Position{s.file, number, min(skip, len(line)) + len([]rune(rest[:i])) + 1}
		}
		skip = 0
	}
	return s.at(n)
}

// report makes an Error at a position, with the line it stands on.
func (s *source) report(at Position, kind Kind, path, message, hint string) *Error {
	return &Error{
		File: s.file, Line: at.Line, Column: at.Column, Source: s.line(at.Line),
		Path: path, Kind: kind, Message: message, Hint: hint,
	}
}
