package cfn

import (
	"slices"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

// ValidateTypes checks the parts of resources that are known before anything
// runs against the schemas of their types: names and types of properties,
// required ones, enumerations, patterns, and the attributes of Fn::GetAtt.
// Expressions are taken as right, except that both branches of Fn::If are
// checked. Types of one's own (Custom::…) and what a pending transform
// declares (AWS::Serverless::…) are left alone. All faults are reported, as
// Errors.
func (t *Template) ValidateTypes() error {
	report := &faults{lines: t.lines}
	types := map[string]*schema.Type{}
	for _, r := range t.Resources {
		if t.foreign(r.Type) {
			continue
		}
		typ, ok := schema.Lookup(r.Type)
		if !ok {
			report.add(r.TypePos, "Template format error: Unrecognized resource types: [%s]", r.Type).
				Hint = report.suggestion(r.Type, schema.Types())
			continue
		}
		types[r.LogicalID] = typ
		t.checkProperties(r, typ, report)
	}
	t.checkAttributes(types, report)
	return report.result()
}

// foreign tells types that no schema describes.
func (t *Template) foreign(typ string) bool {
	if strings.HasPrefix(typ, "Custom::") || strings.HasSuffix(typ, "::MODULE") {
		return true
	}
	return strings.HasPrefix(typ, "AWS::Serverless::") && len(t.Transforms) > 0
}

func (t *Template) checkProperties(r *Resource, typ *schema.Type, report *faults) {
	properties := &schema.Value{Kind: schema.Map, Origin: r.Pos}
	if r.Properties != nil {
		properties = schemaValue(r.Properties)
	}
	for _, problem := range typ.ValidateValue(properties) {
		pos, _ := problem.Origin.(Pos)
		if !pos.IsValid() {
			pos = r.Pos
		}
		report.add(pos, "Properties validation failed for resource %s with message: %s", r.LogicalID, problem.Message).Hint = problem.Hint
	}
}

// schemaValue is the tree as a schema sees it. Loops and transforms that are
// still to run make an object opaque.
func schemaValue(n *Node) *schema.Value {
	out := &schema.Value{Origin: n.Pos, Text: n.Text}
	switch n.Kind {
	case Null:
		out.Kind = schema.Null
	case Bool:
		out.Kind = schema.Bool
	case Number:
		out.Kind = schema.Number
	case String:
		out.Kind = schema.String
	case List:
		out.Kind = schema.List
		for _, item := range n.Items {
			out.Items = append(out.Items, schemaValue(item))
		}
	case Map:
		schemaObject(n, out)
	case Func:
		schemaCall(n, out)
	}
	return out
}

func schemaObject(n *Node, out *schema.Value) {
	out.Kind = schema.Map
	for _, entry := range n.Entries {
		if strings.HasPrefix(entry.Key, "Fn::") {
			out.Kind, out.Members = schema.Opaque, nil
			return
		}
		out.Members = append(out.Members, schema.Member{Key: entry.Key, Value: schemaValue(entry.Value), Origin: entry.KeyPos})
	}
}

func schemaCall(n *Node, out *schema.Value) {
	out.Kind = schema.Opaque
	if n.Is("Ref") && n.Arg.IsScalar() && n.Arg.Text == NoValue {
		out.Kind = schema.Absent
	}
	if a, ok := args(n, 3, 3); ok && n.Is("Fn::If") {
		out.Kind = schema.Choice
		out.Items = []*schema.Value{schemaValue(a[1]), schemaValue(a[2])}
	}
}

// checkAttributes refuses Fn::GetAtt of what a type does not return.
func (t *Template) checkAttributes(types map[string]*schema.Type, report *faults) {
	check := func(ref reference) {
		typ := types[ref.id]
		if ref.attribute == "" || typ == nil || openAttributes(typ, ref.attribute) || typ.HasAttribute(ref.attribute) {
			return
		}
		names := typ.AttributeNames()
		fault := report.add(ref.pos, "Template error: resource %s does not support attribute type %s in Fn::GetAtt", ref.id, ref.attribute)
		if fault.Hint = report.suggestion(ref.attribute, names); fault.Hint == "" && len(names) <= 12 && len(names) > 0 {
			fault.Hint = "it has " + strings.Join(names, ", ")
		}
	}
	for _, r := range t.Resources {
		for _, part := range r.parts() {
			references(part, nil, check)
		}
	}
	for _, o := range t.Outputs {
		references(o.Value, nil, check)
	}
}

// openAttributes tells attributes that no schema lists: the outputs of nested
// stacks and products, and what a custom resource answers.
func openAttributes(typ *schema.Type, attribute string) bool {
	if typ.Name == "AWS::CloudFormation::CustomResource" {
		return true
	}
	nesting := []string{"AWS::CloudFormation::Stack", "AWS::ServiceCatalog::CloudFormationProvisionedProduct"}
	return slices.Contains(nesting, typ.Name) && strings.HasPrefix(attribute, "Outputs.")
}
