package schema

import (
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/dlclark/regexp2"
)

// Pattern is a regular expression of a template or a schema. AWS writes them
// for Java and ECMAScript, whose look-around Go's own expressions lack: those
// run on a backtracking engine, within patternTime.
type Pattern struct {
	linear       *regexp.Regexp
	backtracking *regexp2.Regexp
}

// patternTime is how long one match may take; beyond it there is no match.
const patternTime = 100 * time.Millisecond

var compiled sync.Map // pattern text → compilation

type compilation struct {
	pattern *Pattern
	err     error
}

// CompilePattern reads a pattern; results are kept.
func CompilePattern(text string) (*Pattern, error) {
	cached, ok := compiled.Load(text)
	if !ok {
		pattern, err := compile(text)
		cached, _ = compiled.LoadOrStore(text, compilation{pattern, err})
	}
	c := cached.(compilation)
	return c.pattern, c.err
}

func compile(text string) (*Pattern, error) {
	if re, err := regexp.Compile(text); err == nil {
		return &Pattern{linear: re}, nil
	}
	re, err := regexp2.Compile(text, regexp2.None)
	if err != nil {
		if re, err = regexp2.Compile(text, regexp2.ECMAScript); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", text, err)
		}
	}
	re.MatchTimeout = patternTime
	return &Pattern{backtracking: re}, nil
}

// Match reports whether the pattern is found in the text.
func (p *Pattern) Match(text string) bool {
	if p.linear != nil {
		return p.linear.MatchString(text)
	}
	found, err := p.backtracking.MatchString(text)
	return found && err == nil
}

// matches applies a schema's pattern, which is not anchored. A pattern that
// nothing can read constrains nothing; the tests name the few there are.
func matches(pattern, text string) bool {
	p, err := CompilePattern(pattern)
	return err != nil || p.Match(text)
}
