package manifest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxError gives the YAML library's error a place. The library's own line
// numbers are those of the surrounding block, or one off, and it has no
// columns; so the place is found by trying.
func syntaxError(text *source, err error) *Error {
	said := yamlError.FindStringSubmatch(err.Error())
	message := yamlError.ReplaceAllString(err.Error(), "")
	at, found := text.breaks()
	if line, err := strconv.Atoi(strings.Join(said[min(1, len(said)):], "")); !found && err == nil {
		at = Position{text.file, min(max(line, 1), len(text.lines)), 1}
	}
	return text.report(at, KindSyntax, "", "not YAML: "+message, syntaxHint(message, text.line(at.Line)))
}

// Bounds of the search for the place of an error: a quote opened in the
// first line of a very long file is not looked for to the end.
const (
	maxTries    = 500
	maxTryBytes = 4 << 20
)

// breaks finds where the text stops being YAML: after the longest beginning
// of the file, in lines and then in characters, that is. When that takes too
// long to find, found is false.
func (s *source) breaks() (at Position, found bool) {
	size := len(strings.Join(s.lines, "\n")) + 1
	tries := min(maxTries, maxTryBytes/size)
	line, found := longest(len(s.lines), tries, func(n int) bool {
		return isYAML(strings.Join(s.lines[:n], "\n") + "\n")
	})
	if !found {
		return Position{s.file, 1, 1}, false
	}
	before := strings.Join(append(s.lines[:line:line], ""), "\n")
	broken := []rune(s.lines[line])
	column, _ := longest(len(broken), tries, func(n int) bool { return isYAML(before + string(broken[:n])) })
	return Position{s.file, line + 1, column + 1}, true
}

// longest is the largest n below limit that passes. Nothing at all, 0, does.
func longest(limit, tries int, passes func(n int) bool) (n int, found bool) {
	for n = limit - 1; n > 0; n-- {
		if tries--; tries < 0 {
			return 0, false
		}
		if passes(n) {
			return n, true
		}
	}
	return 0, true
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
