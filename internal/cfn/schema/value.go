package schema

import (
	"encoding/json"
	"strconv"
)

// Kind tells what a Value is.
type Kind int

// Kinds of value. Opaque is an expression whose value is not known; Choice
// may be any of its Items; Absent is AWS::NoValue.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Map
	Opaque
	Choice
	Absent
)

// Value is what a schema validates. Origin is the caller's, and comes back in
// problems, so that they can be shown where they are.
type Value struct {
	Kind    Kind
	Text    string // of a scalar
	Items   []*Value
	Members []Member
	Origin  any
}

// Member is one member of a Map; Origin stands for its key.
type Member struct {
	Key    string
	Value  *Value
	Origin any
}

func (v *Value) get(key string) *Value {
	for i := range v.Members {
		if v.Members[i].Key == key {
			return v.Members[i].Value
		}
	}
	return nil
}

// ValueOf makes a Value of plain Go values; anything else is Opaque.
func ValueOf(plain any) *Value {
	if plain == nil {
		return &Value{Kind: Null}
	}
	switch v := plain.(type) {
	case []any:
		out := &Value{Kind: List}
		for _, item := range v {
			out.Items = append(out.Items, ValueOf(item))
		}
		return out
	case map[string]any:
		out := &Value{Kind: Map}
		for _, key := range sortedKeys(v) {
			out.Members = append(out.Members, Member{Key: key, Value: ValueOf(v[key])})
		}
		return out
	}
	text, ok := Text(plain)
	if !ok {
		return &Value{Kind: Opaque}
	}
	return &Value{Kind: scalarKind(plain), Text: text}
}

func scalarKind(plain any) Kind {
	switch plain.(type) {
	case string:
		return String
	case bool:
		return Bool
	}
	return Number
}

// Text is the text CloudFormation makes of a scalar; ok is false for null,
// lists, objects and whatever else is no scalar.
func Text(plain any) (text string, ok bool) {
	switch v := plain.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// Same compares as CloudFormation does: scalars by their text. Values that are
// none of ours, such as unknown ones, are the same as nothing.
func Same(a, b any) bool {
	left, leftScalar := Text(a)
	right, rightScalar := Text(b)
	if leftScalar || rightScalar {
		return leftScalar && rightScalar && left == right
	}
	switch a := a.(type) {
	case []any:
		other, ok := b.([]any)
		return ok && sameList(a, other)
	case map[string]any:
		other, ok := b.(map[string]any)
		return ok && sameMap(a, other)
	}
	return a == nil && b == nil
}

func sameList(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Same(a[i], b[i]) {
			return false
		}
	}
	return true
}

func sameMap(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		other, ok := b[key]
		if !ok || !Same(value, other) {
			return false
		}
	}
	return true
}
