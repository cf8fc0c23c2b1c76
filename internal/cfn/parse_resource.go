package cfn

import (
	"slices"
	"strconv"
)

var resourceAttributes = []string{
	"Type", "Properties", "DependsOn", "Condition", "CreationPolicy", "UpdatePolicy", "DeletionPolicy",
	"UpdateReplacePolicy", "Metadata", "Connectors", "IgnoreGlobals", "Version",
}

func (b *builder) resource(name string, pos Pos, n *Node) {
	if !b.member(name, pos, n, "Resource") {
		return
	}
	b.known(n, resourceAttributes, "Invalid template resource property or properties")
	r := &Resource{LogicalID: name, Pos: pos, TypePos: pos}
	if typ := n.Get("Type"); typ != nil {
		r.Type, r.TypePos = b.text(typ, "Type"), typ.Pos
	}
	if r.Type == "" {
		b.report.add(r.TypePos, "Template format error: [/Resources/%s] Every Resources object must contain a Type member.", name)
	}
	r.Properties = b.object(n.Get("Properties"), "Properties")
	r.DependsOn = b.dependsOn(n.Get("DependsOn"))
	r.Condition = b.label(n.Get("Condition"))
	r.CreationPolicy = b.object(n.Get("CreationPolicy"), "CreationPolicy")
	r.UpdatePolicy = b.object(n.Get("UpdatePolicy"), "UpdatePolicy")
	r.Metadata = b.object(n.Get("Metadata"), "Metadata")
	r.DeletionPolicyNode, r.DeletionPolicy = b.policy(n, "DeletionPolicy")
	r.UpdateReplacePolicyNode, r.UpdateReplacePolicy = b.policy(n, "UpdateReplacePolicy")
	b.t.Resources = append(b.t.Resources, r)
	b.t.resources[name] = r
}

func (b *builder) dependsOn(n *Node) []string {
	if n == nil || n.Kind == Null {
		return nil
	}
	items := []*Node{n}
	if n.Kind == List {
		items = n.Items
	}
	var names []string
	for _, item := range items {
		if item.Kind != String {
			b.report.add(item.Pos, "Template format error: Every DependsOn value must be a string.")
			continue
		}
		if !slices.Contains(names, item.Text) {
			names = append(names, item.Text)
		}
	}
	return names
}

// deletionPolicies are the values of DeletionPolicy; UpdateReplacePolicy has no
// RetainExceptOnCreate (aws-attribute-updatereplacepolicy).
var deletionPolicies = []string{"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"}

func policyValues(attribute string) []string {
	if attribute == "UpdateReplacePolicy" {
		return deletionPolicies[:3]
	}
	return deletionPolicies
}

func (b *builder) policy(resource *Node, attribute string) (*Node, string) {
	n := resource.Get(attribute)
	if n == nil {
		return nil, ""
	}
	if n.Kind == Func && b.t.HasTransform(LanguageExtensions) {
		return n, ""
	}
	if n.Kind != String {
		b.report.add(n.Pos, "Template format error: Every %s member must be a string.", attribute)
		return nil, ""
	}
	if values := policyValues(attribute); !slices.Contains(values, n.Text) {
		b.report.add(n.Pos, "Template error: Unrecognized %s %s", attribute, n.Text).Hint = choices(values)
	}
	return n, n.Text
}

func choices(values []string) string {
	text := "one of "
	for i, value := range values {
		if i > 0 {
			text += ", "
		}
		text += value
	}
	return text
}

var parameterAttributes = []string{
	"Type", "Default", "AllowedValues", "AllowedPattern", "ConstraintDescription", "Description", "MaxLength",
	"MinLength", "MaxValue", "MinValue", "NoEcho",
}

func (b *builder) parameter(name string, pos Pos, n *Node) {
	if !b.member(name, pos, n, "Parameter") {
		return
	}
	b.known(n, parameterAttributes, "Invalid template parameter property or properties")
	p := &Parameter{Name: name, Pos: pos}
	p.Type = b.text(n.Get("Type"), "Type")
	switch {
	case p.Type == "":
		b.report.add(pos, "Template format error: Every Parameters object must contain a Type member.")
	case !knownParameterType(p.Type):
		b.report.add(n.Get("Type").Pos, "Template format error: Unrecognized parameter type: %s", p.Type).
			Hint = b.report.suggestion(p.Type, parameterTypeNames())
	}
	p.Description = b.text(n.Get("Description"), "Description")
	p.AllowedPattern = b.text(n.Get("AllowedPattern"), "AllowedPattern")
	p.ConstraintDescription = b.text(n.Get("ConstraintDescription"), "ConstraintDescription")
	p.Default = b.defaultValue(n.Get("Default"))
	p.AllowedValues = b.allowedValues(n.Get("AllowedValues"))
	p.MinLength, p.MaxLength = b.integer(n.Get("MinLength"), "MinLength"), b.integer(n.Get("MaxLength"), "MaxLength")
	p.MinValue, p.MaxValue = b.number(n.Get("MinValue"), "MinValue"), b.number(n.Get("MaxValue"), "MaxValue")
	p.NoEcho = b.boolean(n.Get("NoEcho"), "NoEcho")
	b.patterns(p, n)
	b.t.Parameters = append(b.t.Parameters, p)
	b.t.parameters[name] = p
}

func (b *builder) patterns(p *Parameter, n *Node) {
	if p.AllowedPattern == "" {
		return
	}
	if _, err := compilePattern(p.AllowedPattern); err != nil {
		b.report.add(n.Get("AllowedPattern").Pos, "Template format error: AllowedPattern of parameter %s is no regular expression we can read: %v", p.Name, err)
	}
}

func (b *builder) defaultValue(n *Node) *string {
	if n == nil || n.Kind == Null {
		return nil
	}
	if !n.IsScalar() {
		b.report.add(n.Pos, "Template format error: Every Default member must be a string.")
		return nil
	}
	return new(n.Text)
}

func (b *builder) allowedValues(n *Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind != List {
		b.report.add(n.Pos, "Template format error: AllowedValues must be a list")
		return nil
	}
	values := []string{}
	for _, item := range n.Items {
		values = append(values, b.text(item, "AllowedValues"))
	}
	return values
}

func (b *builder) integer(n *Node, what string) *int {
	if n == nil {
		return nil
	}
	value, err := strconv.Atoi(n.Text)
	if err != nil || !n.IsScalar() {
		b.report.add(n.Pos, "Template format error: %s must be a whole number", what)
		return nil
	}
	return new(value)
}

func (b *builder) number(n *Node, what string) *float64 {
	if n == nil {
		return nil
	}
	value, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || !n.IsScalar() {
		b.report.add(n.Pos, "Template format error: %s must be a number", what)
		return nil
	}
	return new(value)
}

func (b *builder) boolean(n *Node, what string) bool {
	if n == nil {
		return false
	}
	if !n.IsScalar() || n.Text != "true" && n.Text != "false" {
		b.report.add(n.Pos, "Template format error: %s must be true or false", what)
	}
	return n.Text == "true"
}
