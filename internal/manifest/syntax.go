package manifest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlError = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// syntaxError gives the YAML library's error a place. The library's own line
// numbers are those of the surrounding block, or one off, and it has no
// columns; so the place is found by trying.
func syntaxError(text *source, err error) *Error {
	message := yamlError.ReplaceAllString(err.Error(), "")
	at := text.breaks()
	return text.report(at, KindSyntax, "", "not YAML: "+message, syntaxHint(message, text.line(at.Line)))
}

// maxTries bounds the search for the place of an error, in a file whose
// first line opens a quote and whose last is far away.
const maxTries = 500

// breaks finds where the text stops being YAML: after the longest beginning
// of the file, in lines and then in characters, that is.
func (s *source) breaks() Position {
	line := longest(len(s.lines), func(n int) bool {
		return isYAML(strings.Join(s.lines[:n], "\n") + "\n")
	})
	if line >= len(s.lines) {
		return Position{s.file, len(s.lines), 1}
	}
	before := strings.Join(append(s.lines[:line:line], ""), "\n")
	broken := []rune(s.lines[line])
	column := longest(len(broken), func(n int) bool { return isYAML(before + string(broken[:n])) })
	return Position{s.file, line + 1, min(column, max(len(broken)-1, 0)) + 1}
}

// longest is the largest n below limit that passes, or 0.
func longest(limit int, passes func(n int) bool) int {
	for n := limit - 1; n > max(0, limit-1-maxTries); n-- {
		if passes(n) {
			return n
		}
	}
	return 0
}

func isYAML(text string) bool {
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// syntaxHint explains the errors that most often have a plain cause.
func syntaxHint(message, line string) string {
	switch {
	case strings.Contains(message, "tab"), strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		return "indent with spaces; YAML allows no tabs there"
	case strings.Contains(message, "mapping values are not allowed"):
		return "text with a colon and a space in it needs quotes; or the line is indented differently from the one above"
	case strings.Contains(message, "cannot start any token"):
		return "text that begins with @, `, % or * needs quotes"
	case strings.Contains(message, "unexpected end of stream"):
		return "the quote that opens here is never closed"
	}
	return ""
}
