package logs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deeply conditions may be nested.
const maxDepth = 100

// test decides about a parsed JSON message.
type test func(document any) bool

// jsonPattern reads { condition }. A message that is no JSON object or array is not selected.
func (p *parser) jsonPattern() (Pattern, error) {
	p.take("{")
	selectors := map[string]selector{}
	decide, err := p.either(selectors)
	if err != nil {
		return Pattern{}, err
	}
	if !p.take("}") || !p.done() {
		return Pattern{}, p.errorf("&&, || or the closing }")
	}
	return Pattern{
		match: func(message string) bool {
			doc, ok := parseMessage(message)
			return ok && decide(doc)
		},
		extract: func(message string) map[string]string { return extractJSON(message, selectors) },
	}, nil
}

func extractJSON(message string, selectors map[string]selector) map[string]string {
	found := map[string]string{}
	doc, _ := parseMessage(message)
	for name, s := range selectors {
		for _, v := range s.find(doc) {
			if text, ok := scalar(v); ok {
				found[name] = text
			}
		}
	}
	return found
}

func parseMessage(message string) (doc any, ok bool) {
	text := strings.TrimSpace(message)
	if text == "" || text[0] != '{' && text[0] != '[' {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return doc, d.Decode(&doc) == nil
}

func (p *parser) either(seen map[string]selector) (test, error) {
	left, err := p.both(seen)
	for err == nil && p.take("||") {
		var right test
		before := left
		right, err = p.both(seen)
		left = func(doc any) bool { return before(doc) || right(doc) }
	}
	return left, err
}

func (p *parser) both(seen map[string]selector) (test, error) {
	left, err := p.single(seen)
	for err == nil && p.take("&&") {
		var right test
		before := left
		right, err = p.single(seen)
		left = func(doc any) bool { return before(doc) && right(doc) }
	}
	return left, err
}

func (p *parser) single(seen map[string]selector) (test, error) {
	if !p.take("(") {
		return p.jsonTest(seen)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf("fewer parentheses")
	}
	inner, err := p.either(seen)
	if err != nil {
		return nil, err
	}
	if p.depth--; !p.take(")") {
		return nil, p.errorf("&&, || or the closing )")
	}
	return inner, nil
}

// jsonTest reads selector operator value, selector IS NULL|TRUE|FALSE, or selector NOT EXISTS.
func (p *parser) jsonTest(seen map[string]selector) (test, error) {
	p.space()
	start := p.at
	s, err := p.selector()
	if err != nil {
		return nil, err
	}
	seen[strings.TrimSpace(p.text[start:p.at])] = s
	switch {
	case p.word("NOT"):
		if !p.word("EXISTS") {
			return nil, p.errorf("EXISTS")
		}
		return func(doc any) bool { return len(s.find(doc)) == 0 }, nil
	case p.word("IS"):
		return p.isTest(s)
	}
	holds, err := p.comparison()
	if err != nil {
		return nil, err
	}
	return func(doc any) bool {
		return s.some(doc, func(v any) bool { text, ok := scalar(v); return ok && holds(text) })
	}, nil
}

func (p *parser) isTest(s selector) (test, error) {
	for word, want := range map[string]any{"NULL": nil, "TRUE": true, "FALSE": false} {
		if p.word(word) {
			return func(doc any) bool { return s.some(doc, func(v any) bool { return v == want }) }, nil
		}
	}
	return nil, p.errorf("NULL, TRUE or FALSE")
}

// scalar is the text of a value that can be compared.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// selector is a path into a document: names, indexes, and -1 for every element.
type selector []any

// selector reads $.a.b[0]['c d'][*].
func (p *parser) selector() (selector, error) {
	if !p.take("$") {
		return nil, p.errorf("a selector such as $.field")
	}
	var s selector
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case '.':
			p.at++
			if p.at < len(p.text) && p.text[p.at] == '[' {
				continue
			}
			name := p.name()
			if name == "" {
				return nil, p.errorf("a field's name")
			}
			s = append(s, name)
		case '[':
			step, err := p.index()
			if err != nil {
				return nil, err
			}
			s = append(s, step)
		default:
			if len(s) == 0 {
				return nil, p.errorf("a selector such as $.field")
			}
			return s, nil
		}
	}
	return nil, p.errorf("an operator")
}

// name is a field's name without quotes.
func (p *parser) name() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] != '.' && p.text[p.at] != '*' && bare(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) index() (any, error) {
	end := strings.IndexByte(p.text[p.at:], ']')
	if end < 0 {
		return nil, p.errorf("an index with its closing ]")
	}
	inner := strings.TrimSpace(p.text[p.at+1 : p.at+end])
	if n := len(inner); n > 1 && (inner[0] == '\'' || inner[0] == '"') && inner[n-1] == inner[0] {
		p.at += end + 1
		return inner[1 : n-1], nil
	}
	if inner == "*" {
		p.at += end + 1
		return -1, nil
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	if err != nil {
		return nil, p.errorf(fmt.Sprintf("an index such as [0], ['name'] or [*], not [%s]", inner))
	}
	p.at += end + 1
	return int(n), nil
}

// find returns the values that the path leads to.
func (s selector) find(doc any) []any {
	at := []any{doc}
	for _, step := range s {
		var next []any
		for _, v := range at {
			next = append(next, walk(v, step)...)
		}
		at = next
	}
	return at
}

func walk(v, step any) []any {
	switch step := step.(type) {
	case string:
		if m, ok := v.(map[string]any); ok {
			if inner, ok := m[step]; ok {
				return []any{inner}
			}
		}
	case int:
		list, _ := v.([]any)
		if step < 0 {
			return list
		}
		if step < len(list) {
			return list[step : step+1]
		}
	}
	return nil
}

func (s selector) some(doc any, holds func(any) bool) bool {
	for _, v := range s.find(doc) {
		if holds(v) {
			return true
		}
	}
	return false
}
