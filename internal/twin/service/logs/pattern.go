package logs

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"slipway.dev/internal/twin/wire"
)

// Pattern decides which messages a filter pattern selects.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
type Pattern struct {
	match   func(message string) bool
	extract func(message string) map[string]string
}

// Match reports whether the pattern selects the message.
func (p Pattern) Match(message string) bool { return p.match == nil || p.match(message) }

// Extract returns the fields the pattern names with their values in a message that it selects.
func (p Pattern) Extract(message string) map[string]string {
	if p.extract == nil {
		return map[string]string{}
	}
	return p.extract(message)
}

// ParsePattern reads a filter pattern: terms (word "a phrase" ?either -without %regex%), a JSON condition { $.a = "b" && … }, or
// the fields of a line [ip, user, …, status = 4*]. The empty pattern selects everything.
func ParsePattern(text string) (Pattern, error) {
	p := &parser{text: strings.TrimSpace(text)}
	var out Pattern
	var err error
	switch {
	case p.text == "":
	case p.text[0] == '{':
		out, err = p.jsonPattern()
	case p.text[0] == '[':
		out, err = p.fieldPattern()
	default:
		out, err = p.termPattern()
	}
	if err != nil {
		return Pattern{}, wire.Errorf("InvalidParameterException", "Invalid filter pattern: %v", err)
	}
	return out, nil
}

// parser reads a pattern from left to right. What is wrong with it is an error that names the place.
type parser struct {
	text  string
	at    int
	depth int
}

func (p *parser) errorf(expected string) error {
	found := "the end"
	if p.at < len(p.text) {
		found = "\"" + p.text[p.at:] + "\""
	}
	return fmt.Errorf("expected %s at character %d, found %s", expected, p.at+1, found)
}

func (p *parser) space() {
	for p.at < len(p.text) && unicode.IsSpace(rune(p.text[p.at])) {
		p.at++
	}
}

func (p *parser) done() bool { p.space(); return p.at == len(p.text) }

// take consumes a literal where it is next.
func (p *parser) take(literal string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], literal) {
		return false
	}
	p.at += len(literal)
	return true
}

// word consumes letters of a keyword, whole and in any case.
func (p *parser) word(keyword string) bool {
	p.space()
	rest := p.text[p.at:]
	if len(rest) < len(keyword) || !strings.EqualFold(rest[:len(keyword)], keyword) {
		return false
	}
	if len(rest) > len(keyword) && bare(rest[len(keyword)]) {
		return false
	}
	p.at += len(keyword)
	return true
}

// quoted reads a string in double quotes; \" and \\ stand for themselves.
func (p *parser) quoted() (string, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c == '\\' && p.at+1 < len(p.text) && (p.text[p.at+1] == '"' || p.text[p.at+1] == '\\'):
			p.at++
			b.WriteByte(p.text[p.at])
		default:
			b.WriteByte(c)
		}
	}
	p.at = start
	return "", p.errorf("a string with its closing quote")
}

// regex reads a regular expression between percent signs.
func (p *parser) regex() (*regexp.Regexp, error) {
	end := strings.IndexByte(p.text[p.at+1:], '%')
	if end < 0 {
		return nil, p.errorf("a regular expression with its closing %")
	}
	re, err := regexp.Compile(p.text[p.at+1 : p.at+1+end])
	if err != nil {
		return nil, p.errorf("a regular expression")
	}
	p.at += end + 2
	return re, nil
}

// bare reports whether c may stand in a word without quotes.
func bare(c byte) bool {
	return c >= 0x80 || c == '_' || c == '-' || c == '.' || c == '*' || c == ':' || c == '/' || c == '+' || c == '@' || c == '#' ||
		c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) bareWord() string {
	start := p.at
	for p.at < len(p.text) && bare(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

// termPattern reads terms. AWS ignores ?terms beside terms that are required or excluded.
func (p *parser) termPattern() (Pattern, error) {
	var all, none, any []func(string) bool
	for !p.done() {
		into := &all
		switch p.text[p.at] {
		case '?':
			p.at++
			into = &any
		case '-':
			p.at++
			into = &none
		}
		term, err := p.term()
		if err != nil {
			return Pattern{}, err
		}
		*into = append(*into, term)
	}
	return Pattern{match: func(message string) bool {
		for _, t := range all {
			if !t(message) {
				return false
			}
		}
		for _, t := range none {
			if t(message) {
				return false
			}
		}
		if len(all)+len(none) > 0 {
			return true
		}
		for _, t := range any {
			if t(message) {
				return true
			}
		}
		return false
	}}, nil
}

func (p *parser) term() (func(string) bool, error) {
	if p.at == len(p.text) {
		return nil, p.errorf("a term")
	}
	text := ""
	switch p.text[p.at] {
	case '"':
		var err error
		if text, err = p.quoted(); err != nil {
			return nil, err
		}
	case '%':
		re, err := p.regex()
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	default:
		if text = p.bareWord(); text == "" {
			return nil, p.errorf("a word, a \"phrase in quotes\" or a %regular expression%")
		}
	}
	return func(message string) bool { return strings.Contains(message, text) }, nil
}
