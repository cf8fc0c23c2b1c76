package schema

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Coerce returns a copy of resolved properties in which scalars have the type
// of the schema, as CloudFormation hands them to a resource's handler: "80"
// becomes a number where one is wanted, 80 a string, "true" a boolean, and a
// JSON text an object. What does not convert stays as it is.
func (t *Type) Coerce(properties map[string]any) map[string]any {
	out, _ := t.coerce(properties, &t.Root, 0).(map[string]any)
	return out
}

func (t *Type) coerce(value any, d *Definition, depth int) any {
	if d = t.resolve(d); d == nil || depth > deepest {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			out[key] = t.coerce(member, t.memberDefinition(d, key), depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = t.coerce(item, d.Items, depth+1)
		}
		return out
	}
	text, ok := Text(value)
	if !ok || d.Types == "" {
		return value
	}
	return scalarAs(value, text, d.Types)
}

func (t *Type) memberDefinition(d *Definition, key string) *Definition {
	if found := d.Properties[key]; found != nil {
		return found
	}
	for pattern, definition := range d.PatternProperties {
		if matches(pattern, key) {
			return definition
		}
	}
	if d.Additional != nil {
		return d.Additional
	}
	for _, branches := range [][]*Definition{d.OneOf, d.AnyOf, d.AllOf} {
		for _, branch := range branches {
			if branch = t.resolve(branch); branch != nil && branch.Properties[key] != nil {
				return branch.Properties[key]
			}
		}
	}
	return nil
}

// scalarAs converts unless the value already is of one of the types.
func scalarAs(value any, text, types string) any {
	kind := scalarKind(value)
	if kind == String && strings.Contains(types, "s") || kind == Bool && strings.Contains(types, "b") ||
		kind == Number && strings.ContainsAny(types, "in") {
		return value
	}
	for _, letter := range types {
		if converted, ok := convert(text, letter); ok {
			return converted
		}
	}
	return value
}

func convert(text string, letter rune) (any, bool) {
	switch letter {
	case 's':
		return text, true
	case 'b':
		truth, err := strconv.ParseBool(strings.ToLower(text))
		return truth, err == nil && len(text) > 1
	case 'i', 'n':
		if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
			return nil, false
		}
		return json.Number(text), true
	case 'o':
		var object map[string]any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		return object, decoder.Decode(&object) == nil && object != nil
	}
	return nil, false
}
