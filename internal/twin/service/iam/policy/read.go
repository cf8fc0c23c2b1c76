package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// reader reads a document of one kind. Its methods after the first return false where the grammar is broken.
type reader struct{ kind Kind }

func (r reader) syntax() error {
	if r.kind == Trust {
		return &Error{"This policy contains invalid Json"}
	}
	return &Error{"Syntax errors in policy."}
}

func (r reader) document(text string) (*Document, error) {
	m, ok := object(text)
	if !ok {
		return nil, r.syntax()
	}
	if !only(m, "Version", "Id", "Statement") {
		return nil, &Error{"Syntax errors in policy."}
	}
	d := &Document{}
	if d.Version, ok = word(m, "Version"); !ok {
		return nil, &Error{"Syntax errors in policy."}
	}
	if d.ID, ok = word(m, "Id"); !ok {
		return nil, &Error{"Syntax errors in policy."}
	}
	for _, item := range list(m["Statement"]) {
		s, ok := statement(item)
		if !ok {
			return nil, &Error{"Syntax errors in policy."}
		}
		d.Statements = append(d.Statements, s)
	}
	if len(d.Statements) == 0 {
		return nil, &Error{"Syntax errors in policy."}
	}
	return d, nil
}

func object(text string) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var m map[string]any
	if d.Decode(&m) != nil || m == nil {
		return nil, false
	}
	_, err := d.Token()
	return m, err == io.EOF
}

func only(m map[string]any, names ...string) bool {
	for name := range m {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

func word(m map[string]any, name string) (string, bool) {
	v, there := m[name]
	if !there {
		return "", true
	}
	text, ok := v.(string)
	return text, ok
}

// list is v itself where it is a list, else v alone.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func words(m map[string]any, name string) ([]string, bool) {
	v, there := m[name]
	if !there {
		return nil, true
	}
	out := []string{}
	for _, item := range list(v) {
		text, ok := item.(string)
		if !ok {
			return nil, false
		}
		out = append(out, text)
	}
	return out, len(out) > 0
}

func statement(item any) (s Statement, ok bool) {
	m, ok := item.(map[string]any)
	if !ok || !only(m, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition") {
		return s, false
	}
	oks := make([]bool, 9)
	s.Sid, oks[0] = word(m, "Sid")
	s.Effect, oks[1] = word(m, "Effect")
	s.Action, oks[2] = words(m, "Action")
	s.NotAction, oks[3] = words(m, "NotAction")
	s.Resource, oks[4] = words(m, "Resource")
	s.NotResource, oks[5] = words(m, "NotResource")
	s.Principal, oks[6] = principal(m, "Principal")
	s.NotPrincipal, oks[7] = principal(m, "NotPrincipal")
	s.Condition, oks[8] = conditions(m["Condition"])
	both := s.Action != nil && s.NotAction != nil || s.Resource != nil && s.NotResource != nil || s.Principal != nil && s.NotPrincipal != nil
	return s, !slices.Contains(oks, false) && !both && (s.Effect == "Allow" || s.Effect == "Deny")
}

func principal(m map[string]any, name string) (*Principal, bool) {
	v, there := m[name]
	if !there {
		return nil, true
	}
	if v == "*" {
		return &Principal{Any: true}, true
	}
	kinds, ok := v.(map[string]any)
	if !ok || len(kinds) == 0 || !only(kinds, "AWS", "Service", "Federated", "CanonicalUser") {
		return nil, false
	}
	oks := make([]bool, 4)
	p := &Principal{}
	p.AWS, oks[0] = words(kinds, "AWS")
	p.Service, oks[1] = words(kinds, "Service")
	p.Federated, oks[2] = words(kinds, "Federated")
	p.CanonicalUser, oks[3] = words(kinds, "CanonicalUser")
	p.Any = slices.Contains(p.AWS, "*")
	return p, !slices.Contains(oks, false)
}

var operators = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null",
}

// known: "ForAnyValue:StringLike", "StringEqualsIfExists". Null has no IfExists.
func known(operator string) bool {
	if set, rest, ok := strings.Cut(operator, ":"); ok {
		if set != "ForAnyValue" && set != "ForAllValues" {
			return false
		}
		operator = rest
	}
	plain := strings.TrimSuffix(operator, "IfExists")
	return slices.Contains(operators, plain) && (plain == operator || plain != "Null")
}

func conditions(v any) (map[string]map[string][]string, bool) {
	if v == nil {
		return nil, true
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := map[string]map[string][]string{}
	for operator, inner := range m {
		keys, ok := inner.(map[string]any)
		if !ok || !known(operator) {
			return nil, false
		}
		out[operator] = map[string][]string{}
		for key, values := range keys {
			if out[operator][key], ok = scalars(values); !ok {
				return nil, false
			}
		}
	}
	return out, true
}

// scalars are the values of a condition key; numbers and booleans may stand without quotes.
func scalars(v any) ([]string, bool) {
	out := []string{}
	for _, item := range list(v) {
		switch item := item.(type) {
		case string:
			out = append(out, item)
		case json.Number:
			out = append(out, item.String())
		case bool:
			out = append(out, map[bool]string{true: "true", false: "false"}[item])
		default:
			return nil, false
		}
	}
	return out, true
}
