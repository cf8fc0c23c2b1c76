package schema

import (
	"strconv"
	"strings"
)

// Replacement tells whether a change replaces the resource, in the words of a
// change set.
type Replacement string

// What a change does to the physical resource.
const (
	Never       Replacement = "False"
	Conditional Replacement = "Conditional"
	Always      Replacement = "True"
)

// Replacement compares two sets of resolved properties: Always when a
// create-only property differs, Conditional when one that may replace differs
// or the new value of a create-only one is not known yet.
func (t *Type) Replacement(before, after map[string]any) Replacement {
	result, _ := t.Replacing(before, after)
	return result
}

// Replacing is Replacement with the paths of the properties that cause it.
func (t *Type) Replacing(before, after map[string]any) (Replacement, []string) {
	result := Never
	var causes []string
	for _, path := range t.CreateOnly {
		switch old, now := pick(before, path), pick(after, path); {
		case unknown(now):
			causes = append(causes, path)
			result = later(result, Conditional)
		case !Same(old, now):
			causes = append(causes, path)
			result = later(result, Always)
		}
	}
	for _, path := range t.ConditionalCreateOnly {
		if !Same(pick(before, path), pick(after, path)) {
			causes = append(causes, path)
			result = later(result, Conditional)
		}
	}
	return result, causes
}

func later(a, b Replacement) Replacement {
	if a == Always || b == Always {
		return Always
	}
	if a == Conditional || b == Conditional {
		return Conditional
	}
	return Never
}

// RequiresRecreation is what the change of one property ("Tags" or a path such
// as "/Code/S3Key") does.
func (t *Type) RequiresRecreation(property string) Replacement {
	path := "/" + strings.TrimPrefix(property, "/")
	result := Never
	for _, createOnly := range t.CreateOnly {
		if touches(createOnly, path) {
			result = Always
		}
	}
	for _, conditional := range t.ConditionalCreateOnly {
		if touches(conditional, path) {
			result = later(result, Conditional)
		}
	}
	return result
}

// touches tells whether two paths are the same, or one is above the other.
func touches(rule, path string) bool {
	a, b := strings.Split(rule, "/"), strings.Split(path, "/")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && !(a[i] == "*" && isIndex(b[i])) {
			return false
		}
	}
	return true
}

func isIndex(step string) bool {
	_, err := strconv.Atoi(step)
	return err == nil
}

// pick returns what stands at a path; "*" makes a list of every element's.
func pick(value any, path string) any {
	step, rest, more := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if unknown(value) {
		return value
	}
	var next any
	switch v := value.(type) {
	case map[string]any:
		next = v[step]
	case []any:
		if step != "*" {
			return nil
		}
		picked := make([]any, len(v))
		for i, item := range v {
			picked[i] = item
			if more {
				picked[i] = pick(item, rest)
			}
		}
		return picked
	}
	if !more || next == nil {
		return next
	}
	return pick(next, rest)
}

// unknown tells values that are none of JSON's: expressions not evaluated yet.
func unknown(value any) bool {
	switch v := value.(type) {
	case nil, map[string]any:
		return false
	case []any:
		for _, item := range v {
			if unknown(item) {
				return true
			}
		}
		return false
	}
	_, scalar := Text(value)
	return !scalar
}
