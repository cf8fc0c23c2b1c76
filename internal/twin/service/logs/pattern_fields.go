package logs

import (
	"strconv"
	"strings"
)

// lineField is one field of a space-delimited pattern. rest is the … that stands for any number of fields.
type lineField struct {
	name  string
	rest  bool
	holds condition
}

// fieldPattern reads [a, b = "x*", …, c > 10 && c < 20].
func (p *parser) fieldPattern() (Pattern, error) {
	p.take("[")
	var fields []lineField
	for {
		f, err := p.lineField()
		if err != nil {
			return Pattern{}, err
		}
		fields = append(fields, f)
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return Pattern{}, p.errorf("a comma or the closing ]")
		}
	}
	rest := 0
	for _, f := range fields {
		if f.rest {
			rest++
		}
	}
	if !p.done() || rest > 1 {
		return Pattern{}, p.errorf("one ... and nothing after the closing ]")
	}
	return Pattern{
		match: func(message string) bool { _, ok := assignFields(fields, splitLine(message)); return ok },
		extract: func(message string) map[string]string {
			found, _ := assignFields(fields, splitLine(message))
			return found
		},
	}, nil
}

func (p *parser) lineField() (f lineField, err error) {
	if p.take("...") {
		return lineField{rest: true}, nil
	}
	p.space()
	if f.name = p.fieldName(); f.name == "" {
		if next := strings.IndexAny(p.text[p.at:], ",]"); next == 0 {
			return f, nil // an unnamed field
		}
		return f, p.errorf("the name of a field")
	}
	p.space()
	if p.at < len(p.text) && strings.IndexByte("=!<>", p.text[p.at]) >= 0 {
		f.holds, err = p.eitherCondition(f.name)
	}
	return f, err
}

func (p *parser) fieldName() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] != '*' && bare(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

// eitherCondition reads comparisons of one field joined with || and &&; the field's name may be said again.
func (p *parser) eitherCondition(name string) (condition, error) {
	left, err := p.bothConditions(name)
	for err == nil && p.take("||") {
		var right condition
		before := left
		p.word(name)
		right, err = p.bothConditions(name)
		left = func(v string) bool { return before(v) || right(v) }
	}
	return left, err
}

func (p *parser) bothConditions(name string) (condition, error) {
	left, err := p.comparison()
	for err == nil && p.take("&&") {
		var right condition
		before := left
		p.word(name)
		right, err = p.comparison()
		left = func(v string) bool { return before(v) && right(v) }
	}
	return left, err
}

// assignFields lays the fields over the values of a line and checks their conditions.
func assignFields(fields []lineField, values []string) (map[string]string, bool) {
	spare := len(values) - len(fields)
	found := map[string]string{}
	at := 0
	for i, f := range fields {
		if f.rest {
			at += max(0, spare+1)
			spare = -1
			continue
		}
		if at >= len(values) || f.holds != nil && !f.holds(values[at]) {
			return nil, false
		}
		if f.name == "" {
			f.name = strconv.Itoa(i + 1)
		}
		found["$"+f.name] = values[at]
		at++
	}
	return found, at == len(values)
}

// splitLine cuts a line at spaces; what is in [brackets] or "quotes" is one value.
func splitLine(line string) (values []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " \t") {
		closing := byte(0)
		switch line[0] {
		case '"':
			closing = '"'
		case '[':
			closing = ']'
		}
		if end := strings.IndexByte(line[1:], closing); closing != 0 && end >= 0 {
			values = append(values, line[1:1+end])
			line = line[end+2:]
			continue
		}
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		values = append(values, line[:end])
		line = line[end:]
	}
	return values
}
