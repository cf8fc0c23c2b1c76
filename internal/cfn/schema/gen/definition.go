package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

// source is a definition as the registry writes it, with cfn-lint's additions.
type source struct {
	Type                 json.RawMessage            `json:"type"`
	Ref                  string                     `json:"$ref"`
	Properties           map[string]json.RawMessage `json:"properties"`
	PatternProperties    map[string]json.RawMessage `json:"patternProperties"`
	AdditionalProperties json.RawMessage            `json:"additionalProperties"`
	Required             []string                   `json:"required"`
	Items                json.RawMessage            `json:"items"`
	Enum                 []any                      `json:"enum"`
	EnumCaseInsensitive  []any                      `json:"enumCaseInsensitive"`
	Const                any                        `json:"const"`
	Pattern              string                     `json:"pattern"`
	MinLength            *int                       `json:"minLength"`
	MaxLength            *int                       `json:"maxLength"`
	MinItems             *int                       `json:"minItems"`
	MaxItems             *int                       `json:"maxItems"`
	Minimum              *float64                   `json:"minimum"`
	Maximum              *float64                   `json:"maximum"`
	UniqueItems          bool                       `json:"uniqueItems"`
	InsertionOrder       *bool                      `json:"insertionOrder"`
	AnyOf                []json.RawMessage          `json:"anyOf"`
	OneOf                []json.RawMessage          `json:"oneOf"`
	AllOf                []json.RawMessage          `json:"allOf"`
	RequiredXor          json.RawMessage            `json:"requiredXor"`
	RequiredOr           json.RawMessage            `json:"requiredOr"`
	DependentRequired    map[string][]string        `json:"dependentRequired"`
	DependentExcluded    map[string][]string        `json:"dependentExcluded"`
}

func definition(raw json.RawMessage) (*schema.Definition, error) {
	var s source
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	d := &schema.Definition{
		Required: s.Required, Enum: texts(s.Enum), EnumFold: texts(s.EnumCaseInsensitive), Pattern: s.Pattern,
		MinLength: s.MinLength, MaxLength: s.MaxLength, MinItems: s.MinItems, MaxItems: s.MaxItems,
		Minimum: s.Minimum, Maximum: s.Maximum, Unique: s.UniqueItems,
		Unordered: s.InsertionOrder != nil && !*s.InsertionOrder, Needs: s.DependentRequired, Excludes: s.DependentExcluded,
	}
	if s.Const != nil {
		d.Enum = texts([]any{s.Const})
	}
	var err error
	if d.Ref, err = reference(s.Ref); err != nil {
		return nil, err
	}
	if d.Types, err = typeLetters(s.Type); err != nil {
		return nil, err
	}
	if d.Exactly, err = groups(s.RequiredXor); err != nil {
		return nil, err
	}
	if d.AtLeast, err = groups(s.RequiredOr); err != nil {
		return nil, err
	}
	return d, children(d, s)
}

func children(d *schema.Definition, s source) error {
	var err error
	if d.Properties, err = named(s.Properties); err != nil {
		return err
	}
	if d.PatternProperties, err = named(s.PatternProperties); err != nil {
		return err
	}
	if d.AnyOf, err = listed(s.AnyOf); err != nil {
		return err
	}
	if d.OneOf, err = listed(s.OneOf); err != nil {
		return err
	}
	if d.AllOf, err = listed(s.AllOf); err != nil {
		return err
	}
	if vacuous(d.AnyOf) {
		d.AnyOf = nil
	}
	if vacuous(d.OneOf) {
		d.OneOf = nil
	}
	if len(s.Items) > 0 && s.Items[0] == '{' {
		if d.Items, err = definition(s.Items); err != nil {
			return err
		}
	}
	return openness(d, s)
}

// openness: an object is closed when it says so; one that lists no properties takes any.
func openness(d *schema.Definition, s source) error {
	object := strings.Contains(d.Types, "o") || len(d.Properties) > 0
	switch additional := strings.TrimSpace(string(s.AdditionalProperties)); {
	case strings.HasPrefix(additional, "{"):
		var err error
		d.Open = true
		d.Additional, err = definition(s.AdditionalProperties)
		return err
	case additional == "false":
		d.Open = object && len(d.Properties) == 0 && len(d.PatternProperties) == 0
	default:
		d.Open = object
	}
	return nil
}

func named(raw map[string]json.RawMessage) (map[string]*schema.Definition, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	out := map[string]*schema.Definition{}
	for name, text := range raw {
		if len(text) == 0 || text[0] != '{' {
			continue // "true" allows anything: nothing to say
		}
		d, err := definition(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = d
	}
	return out, nil
}

func listed(raw []json.RawMessage) ([]*schema.Definition, error) {
	var out []*schema.Definition
	for _, text := range raw {
		d, err := definition(text)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// vacuous tells a choice that only names formats, which we do not keep.
func vacuous(choices []*schema.Definition) bool {
	return slices.ContainsFunc(choices, func(d *schema.Definition) bool {
		text, _ := json.Marshal(d)
		return string(text) == "{}" || string(text) == `{"o":true}`
	})
}

func reference(ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(ref, "#/definitions/"); ok {
		return strings.NewReplacer("/items/properties/", "/*/", "/properties/", "/", "/items", "/*").Replace(name), nil
	}
	if strings.HasPrefix(ref, "#/properties/") {
		return path(strings.TrimPrefix(ref, "#")), nil
	}
	return "", fmt.Errorf("reference %s is not understood", ref)
}

var letters = map[string]string{"string": "s", "integer": "i", "number": "n", "boolean": "b", "object": "o", "array": "a", "null": ""}

func typeLetters(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var names []string
	if raw[0] == '"' {
		names = []string{strings.Trim(string(raw), `"`)}
	} else if err := json.Unmarshal(raw, &names); err != nil {
		return "", err
	}
	out := ""
	for _, name := range names {
		letter, ok := letters[name]
		if !ok {
			return "", fmt.Errorf("type %s is not understood", name)
		}
		out += letter
	}
	return out, nil
}

// groups reads a list of names, or a list of such lists.
func groups(raw json.RawMessage) ([][]string, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var many [][]string
	if json.Unmarshal(raw, &many) == nil {
		return many, nil
	}
	var one []string
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, err
	}
	return [][]string{one}, nil
}

func texts(values []any) []string {
	var out []string
	for _, value := range values {
		if number, ok := value.(float64); ok {
			value = strconv.FormatFloat(number, 'f', -1, 64)
		}
		out = append(out, fmt.Sprint(value))
	}
	return out
}

// dropUnused removes definitions that nothing refers to.
func dropUnused(t *schema.Type) {
	used := map[string]bool{}
	var visit func(d *schema.Definition)
	visit = func(d *schema.Definition) {
		if d == nil {
			return
		}
		if name, _, _ := strings.Cut(d.Ref, "/"); name != "" && !used[name] {
			used[name] = true
			visit(t.Definitions[name])
		}
		visit(d.Items)
		visit(d.Additional)
		for _, children := range []map[string]*schema.Definition{d.Properties, d.PatternProperties} {
			for _, child := range children {
				visit(child)
			}
		}
		for _, choice := range slices.Concat(d.AnyOf, d.OneOf, d.AllOf) {
			visit(choice)
		}
	}
	visit(&t.Root)
	for name := range t.Definitions {
		if !used[name] {
			delete(t.Definitions, name)
		}
	}
}
