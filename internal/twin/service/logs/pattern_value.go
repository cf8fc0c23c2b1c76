package logs

import (
	"regexp"
	"strconv"
	"strings"
)

// condition compares the text of a value, which is a number where the message has one.
type condition func(value string) bool

var comparisons = []string{"!=", "<=", ">=", "=", "<", ">"}

// comparison reads an operator and what stands on its right: "a string", a word or number with * for anything, or %a regex%.
func (p *parser) comparison() (condition, error) {
	operator := ""
	for _, o := range comparisons {
		if p.take(o) {
			operator = o
			break
		}
	}
	if operator == "" {
		return nil, p.errorf("one of = != < <= > >=")
	}
	return p.operand(operator)
}

func (p *parser) operand(operator string) (condition, error) {
	p.space()
	start := p.at
	equals, number, err := p.value()
	if err != nil {
		return nil, err
	}
	switch operator {
	case "=":
		return equals, nil
	case "!=":
		return func(v string) bool { return !equals(v) }, nil
	}
	if number == nil {
		p.at = start
		return nil, p.errorf("a number after " + operator)
	}
	return ordered(operator, *number), nil
}

func ordered(operator string, want float64) condition {
	return func(v string) bool {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return false
		}
		switch operator {
		case "<":
			return n < want
		case "<=":
			return n <= want
		case ">":
			return n > want
		}
		return n >= want
	}
}

// value reads the right side. number is set where it is one.
func (p *parser) value() (equals condition, number *float64, err error) {
	if p.at == len(p.text) {
		return nil, nil, p.errorf("a value")
	}
	switch p.text[p.at] {
	case '"':
		text, err := p.quoted()
		return wildcard(text), nil, err
	case '%':
		re, err := p.regex()
		if err != nil {
			return nil, nil, err
		}
		return re.MatchString, nil, nil
	}
	word := p.bareWord()
	if word == "" {
		return nil, nil, p.errorf("a value")
	}
	if n, err := strconv.ParseFloat(word, 64); err == nil {
		return func(v string) bool {
			is, err := strconv.ParseFloat(v, 64)
			return v == word || err == nil && is == n
		}, &n, nil
	}
	return wildcard(word), nil, nil
}

// wildcard matches text in which * stands for anything.
func wildcard(text string) condition {
	if !strings.Contains(text, "*") {
		return func(v string) bool { return v == text }
	}
	parts := strings.Split(text, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	re := regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
	return re.MatchString
}
