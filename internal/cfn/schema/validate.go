package schema

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is one way in which properties do not fit their schema. Message is
// worded as CloudFormation words it after "Properties validation failed for
// resource X with message:".
type Problem struct {
	Path    string // "/Tags/0/Key"; "" is the properties themselves
	Keyword string // what was violated: type, required, unknown, readOnly, enum, pattern, …
	Message string
	Hint    string
	Origin  any // of the Value the problem is about
}

func (p Problem) String() string {
	if p.Hint == "" {
		return p.Message
	}
	return p.Message + " (" + p.Hint + ")"
}

// Validate checks resolved properties, as encoding/json decodes them.
func (t *Type) Validate(properties map[string]any) []Problem {
	return t.ValidateValue(ValueOf(properties))
}

// ValidateValue checks properties that may hold expressions: what is not known
// is not complained about.
func (t *Type) ValidateValue(properties *Value) []Problem {
	c := &check{t: t}
	c.value("", properties, &t.Root)
	return c.problems
}

type check struct {
	t        *Type
	problems []Problem
	depth    int
}

func (c *check) report(path string, v *Value, keyword, format string, args ...any) *Problem {
	message := "#" + path + ": " + fmt.Sprintf(format, args...)
	c.problems = append(c.problems, Problem{Path: path, Keyword: keyword, Message: message, Origin: v.Origin})
	return &c.problems[len(c.problems)-1]
}

// deepest stops definitions that contain themselves from being followed for ever.
const deepest = 200

func (c *check) value(path string, v *Value, d *Definition) {
	c.depth++
	defer func() { c.depth-- }()
	if d = c.t.resolve(d); d == nil || c.depth > deepest {
		return
	}
	switch v.Kind {
	case Opaque, Absent:
		return
	case Choice:
		for _, item := range v.Items {
			c.value(path, item, d)
		}
		return
	}
	if !c.kind(path, v, d) {
		return
	}
	switch v.Kind {
	case Map:
		c.object(path, v, d)
	case List:
		c.list(path, v, d)
	default:
		c.scalar(path, v, d)
	}
	c.combinations(path, v, d)
}

var typeNames = map[rune]string{'s': "String", 'i': "Integer", 'n': "Number", 'b': "Boolean", 'o': "JSONObject", 'a': "JSONArray"}
var kindNames = map[Kind]string{Null: "Null", Bool: "Boolean", Number: "Number", String: "String", List: "JSONArray", Map: "JSONObject"}

// kind checks the type, with CloudFormation's leniency between scalars.
func (c *check) kind(path string, v *Value, d *Definition) bool {
	if d.Types == "" {
		return true
	}
	var expected []string
	for _, letter := range d.Types {
		if v.fits(letter) {
			return true
		}
		expected = append(expected, typeNames[letter])
	}
	problem := c.report(path, v, "type", "expected type: %s, found: %s", strings.Join(expected, " or "), kindNames[v.Kind])
	if v.Kind == Null {
		problem.Hint = "a property without a value must be left out"
	}
	return false
}

// fits tells whether a value is of a type or turns into it: "80" is a number,
// 80 a string; a JSON document given as a string is an object.
func (v *Value) fits(letter rune) bool {
	switch letter {
	case 's':
		return v.Kind == String || v.Kind == Number || v.Kind == Bool
	case 'o':
		return v.Kind == Map || v.Kind == String && strings.HasPrefix(strings.TrimSpace(v.Text), "{")
	case 'a':
		return v.Kind == List
	case 'b':
		return v.Kind == Bool || v.Kind == String && (strings.EqualFold(v.Text, "true") || strings.EqualFold(v.Text, "false"))
	}
	if v.Kind != Number && v.Kind != String {
		return false
	}
	number, err := strconv.ParseFloat(v.Text, 64)
	return err == nil && (letter == 'n' || number == math.Trunc(number))
}

func (c *check) object(path string, v *Value, d *Definition) {
	for _, member := range v.Members {
		c.member(path, member, v, d)
	}
	for _, name := range d.Required {
		if v.get(name) == nil && !c.readOnly(path+"/"+name) {
			c.report(path, v, "required", "required key [%s] not found", name)
		}
	}
	c.groups(path, v, d)
}

func (c *check) member(path string, member Member, v *Value, d *Definition) {
	at := path + "/" + member.Key
	if definition := d.Properties[member.Key]; definition != nil {
		if c.readOnly(at) && member.Value.Kind != Absent {
			c.report(at, &Value{Origin: member.Origin}, "readOnly", "Encountered unsupported property %s", member.Key).Hint = "AWS sets it: read it with Fn::GetAtt"
			return
		}
		c.value(at, member.Value, definition)
		return
	}
	for _, pattern := range slices.Sorted(maps.Keys(d.PatternProperties)) {
		if matches(pattern, member.Key) {
			c.value(at, member.Value, d.PatternProperties[pattern])
			return
		}
	}
	if d.Additional != nil {
		c.value(at, member.Value, d.Additional)
		return
	}
	if d.Open || len(d.Properties) == 0 && len(d.PatternProperties) == 0 {
		return
	}
	c.report(path, &Value{Origin: member.Origin}, "unknown", "extraneous key [%s] is not permitted", member.Key).
		Hint = didYouMean(member.Key, slices.Sorted(maps.Keys(d.Properties)))
}

// readOnly tells properties that AWS alone sets. A path under a read-only one
// is read-only too.
func (c *check) readOnly(path string) bool {
	return slices.Contains(c.t.ReadOnly, path) && !slices.Contains(c.t.CreateOnly, path)
}

func (c *check) groups(path string, v *Value, d *Definition) {
	for _, names := range d.Exactly {
		if n := v.count(names); n != 1 && !v.uncertain(names) {
			c.report(path, v, "required", "exactly one of [%s] must be specified, found %d", strings.Join(names, ", "), n)
		}
	}
	for _, names := range d.AtLeast {
		if v.count(names) == 0 && !v.uncertain(names) {
			c.report(path, v, "required", "at least one of [%s] must be specified", strings.Join(names, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Needs)) {
		for _, needed := range d.Needs[name] {
			if v.count([]string{name}) == 1 && v.get(needed) == nil {
				c.report(path, v, "required", "required key [%s] not found: it goes with [%s]", needed, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Excludes)) {
		for _, other := range d.Excludes[name] {
			if v.count([]string{name, other}) == 2 && !v.uncertain([]string{name, other}) {
				c.report(path, v, "excluded", "[%s] cannot be specified together with [%s]", other, name)
			}
		}
	}
}

// count is how many of the members are there.
func (v *Value) count(names []string) int {
	n := 0
	for _, name := range names {
		if member := v.get(name); member != nil && member.Kind != Absent {
			n++
		}
	}
	return n
}

// uncertain tells members that may or may not be there.
func (v *Value) uncertain(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		member := v.get(name)
		return member != nil && (member.Kind == Choice || member.Kind == Absent)
	})
}

func (c *check) list(path string, v *Value, d *Definition) {
	certain := !slices.ContainsFunc(v.Items, func(item *Value) bool {
		return item.Kind == Opaque || item.Kind == Choice || item.Kind == Absent
	})
	if d.MinItems != nil && certain && len(v.Items) < *d.MinItems {
		c.report(path, v, "minItems", "expected minimum item count: %d, found: %d", *d.MinItems, len(v.Items))
	}
	if d.MaxItems != nil && certain && len(v.Items) > *d.MaxItems {
		c.report(path, v, "maxItems", "expected maximum item count: %d, found: %d", *d.MaxItems, len(v.Items))
	}
	if d.Unique {
		c.unique(path, v)
	}
	if d.Items == nil {
		return
	}
	for i, item := range v.Items {
		c.value(path+"/"+strconv.Itoa(i), item, d.Items)
	}
}

func (c *check) unique(path string, v *Value) {
	seen := map[string]bool{}
	for _, item := range v.Items {
		if item.Kind > String || item.Kind == Null {
			continue
		}
		if seen[item.Text] {
			c.report(path, item, "uniqueItems", "array items are not unique: %s", item.Text)
		}
		seen[item.Text] = true
	}
}

func (c *check) scalar(path string, v *Value, d *Definition) {
	if len(d.Enum) > 0 && !slices.Contains(d.Enum, v.Text) {
		c.report(path, v, "enum", "%s is not a valid enum value", v.Text).Hint = oneOf(v.Text, d.Enum)
	}
	if len(d.EnumFold) > 0 && !slices.ContainsFunc(d.EnumFold, func(s string) bool { return strings.EqualFold(s, v.Text) }) {
		c.report(path, v, "enum", "%s is not a valid enum value", v.Text).Hint = oneOf(v.Text, d.EnumFold)
	}
	if strings.Contains(v.Text, "{{resolve:") {
		return // a dynamic reference: the value is not here
	}
	c.text(path, v, d)
	if number, err := strconv.ParseFloat(v.Text, 64); err == nil && !strings.Contains(d.Types, "s") {
		c.number(path, v, d, number)
	}
}

func (c *check) text(path string, v *Value, d *Definition) {
	if !strings.Contains(d.Types, "s") {
		return
	}
	length := utf8.RuneCountInString(v.Text)
	if d.MinLength != nil && length < *d.MinLength {
		c.report(path, v, "minLength", "expected minLength: %d, actual: %d", *d.MinLength, length)
	}
	if d.MaxLength != nil && length > *d.MaxLength {
		c.report(path, v, "maxLength", "expected maxLength: %d, actual: %d", *d.MaxLength, length)
	}
	if d.Pattern != "" && !matches(d.Pattern, v.Text) {
		c.report(path, v, "pattern", "failed validation constraint for keyword [pattern]").Hint = "must match " + d.Pattern
	}
}

func (c *check) number(path string, v *Value, d *Definition, number float64) {
	if d.Minimum != nil && number < *d.Minimum {
		c.report(path, v, "minimum", "%s is not greater or equal to %s", v.Text, formatNumber(*d.Minimum))
	}
	if d.Maximum != nil && number > *d.Maximum {
		c.report(path, v, "maximum", "%s is not less or equal to %s", v.Text, formatNumber(*d.Maximum))
	}
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// combinations checks anyOf, oneOf and allOf. One branch must fit; where the
// value holds expressions, the branches cannot be told apart.
func (c *check) combinations(path string, v *Value, d *Definition) {
	for _, branch := range d.AllOf {
		c.value(path, v, branch)
	}
	for _, branches := range [][]*Definition{d.AnyOf, d.OneOf} {
		if len(branches) == 0 || c.fitsAny(path, v, branches) || v.containsUnknown() {
			continue
		}
		c.report(path, v, "combination", "#: no subschema matched out of the total %d subschemas", len(branches)).Hint = alternatives(branches)
	}
}

func (c *check) fitsAny(path string, v *Value, branches []*Definition) bool {
	return slices.ContainsFunc(branches, func(branch *Definition) bool {
		trial := &check{t: c.t, depth: c.depth}
		trial.value(path, v, branch)
		return len(trial.problems) == 0
	})
}

func (v *Value) containsUnknown() bool {
	if v.Kind == Opaque || v.Kind == Choice || v.Kind == Absent {
		return true
	}
	if slices.ContainsFunc(v.Items, (*Value).containsUnknown) {
		return true
	}
	return slices.ContainsFunc(v.Members, func(m Member) bool { return m.Value.containsUnknown() })
}

// alternatives says which properties the branches ask for.
func alternatives(branches []*Definition) string {
	var parts []string
	for _, branch := range branches {
		if len(branch.Required) > 0 {
			parts = append(parts, strings.Join(branch.Required, " and "))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "give " + strings.Join(parts, ", or ")
}
