package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SchemaID is the identifier of the JSON Schema of manifests.
const SchemaID = "https://slipway.dev/schema/manifest.json"

// schema is one JSON Schema object. encoding/json sorts its keys, so the
// published text is the same on every run.
type schema map[string]any

// anyReference matches text with an ${env:NAME} in it, whose value a schema
// cannot know.
const anyReference = `\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`

// Schema is the JSON Schema (draft 2020-12) of a manifest, for editors. It
// says what the tables of keys say: names, types, enumerations and bounds.
// Rules between keys, duplicate keys and YAML tags are beyond it. Keys that
// are not supported yet are in it with a description and allow no value.
func Schema() ([]byte, error) {
	root := schemaOf(fileKeys())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "Slipway manifest"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the manifest schema: %w", err)
	}
	return append(text, '\n'), nil
}

// schemaOf is the schema of a key of a mapping, which may also be null:
// a key with nothing after it is a key not given.
func schemaOf(k *key) schema {
	if k.state == later {
		return schema{"description": strings.TrimSpace("Not supported yet: " + k.about), "not": schema{}}
	}
	s := schemaOfValue(k).orNull()
	if k.about != "" {
		s["description"] = k.about
	}
	if preset := k.presetValue(); preset != nil {
		s["default"] = preset
	}
	return s
}

// orNull lets a null through besides.
func (s schema) orNull() schema {
	switch of := s["type"].(type) {
	case string:
		s["type"] = []any{of, "null"}
	case []any:
		s["type"] = append(of, "null")
	default:
		s["anyOf"] = append(s["anyOf"].([]any), schema{"type": "null"})
	}
	return s
}

// presetValue is the default with its JSON type, nil when there is none.
func (k *key) presetValue() any {
	switch {
	case k.preset == "":
		return nil
	case k.shape == numberShape:
		n, _ := strconv.Atoi(k.preset)
		return n
	case k.shape == flagShape:
		return k.preset == "true"
	default:
		return k.preset
	}
}

// schemaOfValue is the schema of a value that is there.
func schemaOfValue(k *key) schema {
	switch k.shape {
	case numberShape:
		return schemaOfNumber(k)
	case flagShape:
		return schemaOfFlag()
	case listShape:
		return schemaOfList(k)
	case mappingShape:
		return schemaOfMapping(k)
	case openShape:
		return schemaOfOpen(k)
	case patchShape:
		return schema{"type": "object"}
	case perEnvShape:
		scalar := schemaOfText(&key{})
		return schema{"anyOf": []any{scalar, schema{"type": "object", "additionalProperties": scalar}}}
	default:
		return schemaOfText(k)
	}
}

// schemaOfText takes scalars of any type, as far as their text would do.
func schemaOfText(k *key) schema {
	types := []any{"string"}
	if refused, _ := k.refuse("1"); refused == "" {
		types = append(types, "number")
	}
	if refused, _ := k.refuse("true"); refused == "" {
		types = append(types, "boolean")
	}
	s := schema{"type": types}
	if k.longest > 0 {
		s["maxLength"] = k.longest
	}
	pattern := k.textPattern()
	if pattern == "" {
		return s
	}
	if k.name != "" && !k.required {
		pattern += "|^$"
	}
	if values := k.supported(); len(values) > 0 && !k.anyCase {
		s["examples"] = values
	}
	s["pattern"] = pattern
	return schema{"anyOf": []any{s, schema{"type": "string", "pattern": anyReference}}}
}

// textPattern is the pattern of a text; choices are a pattern too, so that
// they can hold in any case.
func (k *key) textPattern() string {
	values := k.supported()
	if len(values) == 0 {
		if strings.Contains(k.pattern, `\p{`) {
			return "" // classes of Unicode are not part of every validator's regular expressions
		}
		return k.pattern
	}
	for i, v := range values {
		if k.anyCase {
			values[i] = foldedPattern(v)
		}
	}
	return "^(" + strings.Join(values, "|") + ")$"
}

func foldedPattern(word string) string {
	var b strings.Builder
	for _, r := range word {
		b.WriteString("[" + strings.ToUpper(string(r)) + strings.ToLower(string(r)) + "]")
	}
	return b.String()
}

func schemaOfNumber(k *key) schema {
	s := schema{"type": "integer", "minimum": k.least}
	if k.most > 0 {
		s["maximum"] = k.most
	}
	return schema{"anyOf": []any{s, schema{"type": "string", "pattern": "^" + anyReference + "$"}}}
}

func schemaOfFlag() schema {
	var words []string
	for _, word := range slices.Concat(trueWords, falseWords) {
		words = append(words, foldedPattern(word))
	}
	return schema{"anyOf": []any{
		schema{"type": "boolean"},
		schema{"type": "string", "pattern": "^(" + strings.Join(words, "|") + ")$"},
		schema{"type": "string", "pattern": "^" + anyReference + "$"},
	}}
}

func schemaOfList(k *key) schema {
	s := schema{"type": "array", "items": schemaOfValue(k.each)}
	if k.longest > 0 {
		s["maxItems"] = k.longest
	}
	return s
}

func schemaOfMapping(k *key) schema {
	properties := schema{}
	var required []string
	for i := range k.keys {
		child := &k.keys[i]
		properties[child.name] = schemaOf(child)
		for _, alias := range child.aliases {
			properties[alias] = schemaOf(child)
		}
		if child.required {
			properties[child.name] = schemaOfValue(child)
			required = append(required, child.name)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		s["required"] = required
	}
	return s
}

func schemaOfOpen(k *key) schema {
	s := schema{"type": "object", "additionalProperties": schemaOfValue(k.each)}
	if k.longest > 0 {
		s["maxProperties"] = k.longest
	}
	if names := schemaOfText(k.eachName); names["type"] == nil || names["maxLength"] != nil {
		s["propertyNames"] = names
	}
	return s
}
