// Package schema holds the schemas of CloudFormation's resource types: which
// properties there are, of what type, which are required, which replace the
// resource when they change, which it returns.
//
// The data are the registry schemas AWS publishes, with the corrections that
// cfn-lint ships (MIT-0), reduced by the program in gen and embedded
// compressed: each type on its own, so that starting costs nothing and looking
// up a type costs well under a millisecond.
package schema

import (
	"slices"
	"strings"
)

//go:generate go run ./gen -cfnlint $CFNLINT -o schemas.bin

// Type is the schema of a resource type. Paths are property paths like
// "/Tags/*/Key", where * stands for any element of a list.
type Type struct {
	Name        string                 `json:"-"`
	Root        Definition             `json:"R"`
	Definitions map[string]*Definition `json:"D,omitempty"`
	// PrimaryIdentifier is what makes up the physical id, in order; Ref returns
	// it joined by "|" for types that have no rule of their own.
	PrimaryIdentifier []string `json:"I,omitempty"`
	// CreateOnly properties replace the resource when they change;
	// ConditionalCreateOnly may.
	CreateOnly            []string `json:"C,omitempty"`
	ConditionalCreateOnly []string `json:"CC,omitempty"`
	// ReadOnly properties are set by AWS and are what Fn::GetAtt returns.
	ReadOnly []string `json:"O,omitempty"`
	// WriteOnly properties are never returned: passwords and the like.
	WriteOnly  []string `json:"W,omitempty"`
	Deprecated []string `json:"X,omitempty"`
	// TagProperty is the path of the tags, "" when the type has none.
	TagProperty string `json:"T,omitempty"`
	// DeleteFirst tells that a replacement deletes the old resource before it
	// creates the new one.
	DeleteFirst bool `json:"F,omitempty"`
	// AllAttributes tells that Fn::GetAtt returns every property; Attributes
	// are further names it knows.
	AllAttributes bool     `json:"AA,omitempty"`
	Attributes    []string `json:"A,omitempty"`
}

// Definition is the schema of one value, a subset of JSON Schema.
type Definition struct {
	// Types are letters: s string, i integer, n number, b boolean, o object,
	// a array; "" is any.
	Types string `json:"t,omitempty"`
	// Ref names a definition of the type, or is a path ("/Tags") from its root.
	Ref        string                 `json:"R,omitempty"`
	Properties map[string]*Definition `json:"p,omitempty"`
	Required   []string               `json:"r,omitempty"`
	// Open tells that an object takes properties that are not listed, of the
	// form Additional if there is one.
	Open              bool                   `json:"o,omitempty"`
	Additional        *Definition            `json:"O,omitempty"`
	PatternProperties map[string]*Definition `json:"y,omitempty"`
	Items             *Definition            `json:"i,omitempty"`
	Enum              []string               `json:"e,omitempty"`
	// EnumFold are enumerated values that compare without regard to case.
	EnumFold  []string `json:"ef,omitempty"`
	Pattern   string   `json:"x,omitempty"`
	MinLength *int     `json:"l,omitempty"`
	MaxLength *int     `json:"L,omitempty"`
	MinItems  *int     `json:"m,omitempty"`
	MaxItems  *int     `json:"M,omitempty"`
	Minimum   *float64 `json:"n,omitempty"`
	Maximum   *float64 `json:"N,omitempty"`
	Unique    bool     `json:"u,omitempty"`
	// Unordered lists are the same in any order.
	Unordered bool          `json:"U,omitempty"`
	AnyOf     []*Definition `json:"or,omitempty"`
	OneOf     []*Definition `json:"xr,omitempty"`
	AllOf     []*Definition `json:"ar,omitempty"`
	// Exactly and AtLeast list properties of which one must be there;
	// Needs and Excludes what a property requires and rules out.
	Exactly  [][]string          `json:"1,omitempty"`
	AtLeast  [][]string          `json:"2,omitempty"`
	Needs    map[string][]string `json:"3,omitempty"`
	Excludes map[string][]string `json:"4,omitempty"`
}

// resolve follows references; nil when one leads nowhere.
func (t *Type) resolve(d *Definition) *Definition {
	for range 20 {
		if d == nil || d.Ref == "" {
			return d
		}
		d = t.target(d.Ref)
	}
	return nil
}

func (t *Type) target(ref string) *Definition {
	if path, ok := strings.CutPrefix(ref, "/"); ok {
		return t.at(&t.Root, strings.Split(path, "/"))
	}
	name, path, nested := strings.Cut(ref, "/")
	if !nested {
		return t.Definitions[name]
	}
	return t.at(t.Definitions[name], strings.Split(path, "/"))
}

func (t *Type) at(d *Definition, path []string) *Definition {
	for _, step := range path {
		if d = t.resolve(d); d == nil {
			return nil
		}
		if step == "*" {
			d = d.Items
			continue
		}
		d = d.Properties[step]
	}
	return d
}

// Property returns the definition at a path like "Tags/*/Key", references
// followed, or nil.
func (t *Type) Property(path string) *Definition {
	return t.resolve(t.at(&t.Root, strings.Split(strings.TrimPrefix(path, "/"), "/")))
}

// HasAttribute reports whether Fn::GetAtt knows the attribute ("Arn",
// "Endpoint.Address").
func (t *Type) HasAttribute(attribute string) bool {
	path := "/" + strings.ReplaceAll(attribute, ".", "/")
	if slices.Contains(t.ReadOnly, path) || slices.Contains(t.Attributes, attribute) {
		return true
	}
	for _, open := range t.ReadOnly {
		if strings.HasPrefix(path, open+"/") {
			return t.Property(path) != nil || t.isOpen(open)
		}
	}
	return t.AllAttributes && t.Property(path) != nil
}

func (t *Type) isOpen(path string) bool {
	d := t.Property(path)
	return d == nil || d.Open || len(d.PatternProperties) > 0 || len(d.Properties) == 0
}

// AttributeNames lists what Fn::GetAtt returns, sorted; names within an open
// object (the outputs of a stack) are not among them.
func (t *Type) AttributeNames() []string {
	names := slices.Clone(t.Attributes)
	for _, path := range t.ReadOnly {
		names = append(names, strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "."))
	}
	if t.AllAttributes {
		for name := range t.Root.Properties {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
