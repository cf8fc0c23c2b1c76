package cfn

import (
	"slices"
	"strings"
)

// Limits of a template (User Guide, "CloudFormation quotas").
const (
	MostResources      = 500
	MostParameters     = 200
	MostOutputs        = 200
	MostMappings       = 200
	longestDescription = 1024
)

// Validate checks everything that needs no parameter values: limits, names
// that are referred to, the shape of function calls, cycles among resources and
// among conditions, defaults of parameters. All faults are reported together,
// as Errors. While transforms are pending, what they may add is not missed:
// Fn::ForEach is expanded with the parameters' defaults if that is possible.
func (t *Template) Validate() error {
	report := &faults{lines: t.lines}
	v := &validator{t: t, report: report, complete: true}
	v.limits()
	v.defaults()
	if t.pending() {
		v.expand()
	}
	v.calls()
	v.twice()
	if v.complete {
		v.names()
	}
	return report.result()
}

type validator struct {
	t        *Template
	report   *faults
	complete bool // nothing is missing that a transform will add
}

func (v *validator) limits() {
	v.limit("resources", len(v.t.Resources), MostResources)
	v.limit("parameters", len(v.t.Parameters), MostParameters)
	v.limit("outputs", len(v.t.Outputs), MostOutputs)
	v.limit("mappings", len(v.t.Mappings), MostMappings)
	root := v.t.Root
	if len(v.t.Description) > longestDescription {
		v.report.add(root.Get("Description").Pos, "Template format error: 'Description' length is greater than %d.", longestDescription)
	}
	references := 0
	for n := range root.Walk() {
		if n.Kind == String && strings.Contains(n.Text, "{{resolve:") {
			references += len(DynamicReferences(n.Text))
		}
	}
	if references > MostDynamicReferences {
		v.report.add(root.Pos, "Template format error: the template has %d dynamic references, the most is %d", references, MostDynamicReferences)
	}
}

// twice reports what is a parameter and a resource: nothing that refers to the name could tell which.
func (v *validator) twice() {
	for _, r := range v.t.Resources {
		if p := v.t.Parameter(r.LogicalID); p != nil {
			v.report.add(r.Pos, "Template format error: %s is declared as a parameter and as a resource; a logical ID stands for one thing", r.LogicalID)
		}
	}
}

func (v *validator) limit(what string, count, most int) {
	if count > most {
		v.report.add(v.t.Root.Pos, "Template format error: Number of %s, %d, is greater than maximum allowed, %d", what, count, most)
	}
}

func (v *validator) defaults() {
	for _, p := range v.t.Parameters {
		if p.Default == nil {
			continue
		}
		if err := p.check(*p.Default); err != nil {
			v.report.add(p.Pos, "Template format error: the default of a parameter does not satisfy its own rules: %s", err.Error())
		}
	}
}

// expand replaces the template by its expansion, or notes that it is incomplete.
func (v *validator) expand() {
	for _, transform := range v.t.Transforms {
		v.complete = v.complete && transform.Name == LanguageExtensions
	}
	for _, loop := range v.t.Loops {
		if !v.t.HasTransform(LanguageExtensions) {
			v.report.add(loop.Pos, "Template format error: Fn::ForEach::%s needs Transform: %s", loop.Name, LanguageExtensions)
		}
	}
	if !v.complete || !v.t.HasTransform(LanguageExtensions) {
		v.complete = false
		return
	}
	e := &Evaluator{Template: v.t, Parameters: v.defaultValues()}
	expanded, err := e.Expand()
	if err == nil {
		v.t = expanded
		return
	}
	v.complete = false
	if len(e.Parameters) == len(v.t.Parameters) {
		v.report.keep(v.t.Root.Pos, err)
	}
}

func (v *validator) defaultValues() map[string]ParamValue {
	values := map[string]ParamValue{}
	for _, p := range v.t.Parameters {
		value, ok := p.choose(nil, nil)
		if ok && value.convert(p, nil) == nil {
			values[p.Name] = value
		}
	}
	return values
}

// names checks references between the parts of the template.
func (v *validator) names() {
	v.resourceNames()
	v.conditionNames()
	v.parameterOnly()
	for _, o := range v.t.Outputs {
		v.useCondition(o.Condition, o.Pos)
		v.exportName(o)
	}
	if _, err := v.t.Graph(nil); err != nil {
		v.report.keep(v.t.Root.Pos, err)
	}
}

func (v *validator) resourceNames() {
	var ids []string
	for _, r := range v.t.Resources {
		ids = append(ids, r.LogicalID)
	}
	for _, r := range v.t.Resources {
		v.useCondition(r.Condition, r.Pos)
		for _, id := range r.DependsOn {
			if v.t.resources[id] == nil {
				pos := v.t.Root.Get("Resources").Get(r.LogicalID).KeyPos("DependsOn")
				v.report.add(pos, "Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", id).
					Hint = v.report.suggestion(id, ids)
			}
		}
		for _, part := range r.parts() {
			references(part, nil, v.attributeOfResource)
		}
	}
	for _, o := range v.t.Outputs {
		references(o.Value, nil, v.attributeOfResource)
	}
}

// attributeOfResource refuses GetAtt of what is not a resource.
func (v *validator) attributeOfResource(ref reference) {
	if ref.attribute == "" || v.t.resources[ref.id] != nil || v.t.parameters[ref.id] == nil && !isPseudo(ref.id) {
		return
	}
	v.report.add(ref.pos, "Template error: instance of Fn::GetAtt references undefined resource %s", ref.id)
}

func (v *validator) useCondition(name string, pos Pos) {
	if name == "" || v.t.conditions[name] != nil {
		return
	}
	var known []string
	for _, c := range v.t.Conditions {
		known = append(known, c.Name)
	}
	v.report.add(pos, "Template format error: Unrecognized conditions: [%s]", name).Hint = v.report.suggestion(name, known)
}

// conditionNames checks Fn::If, the references between conditions, and cycles.
func (v *validator) conditionNames() {
	for n := range v.t.Root.Walk() {
		if a, ok := args(n, 3, 3); ok && n.Is("Fn::If") && a[0].IsScalar() {
			v.useCondition(a[0].label(), a[0].Pos)
		}
	}
	var names []string
	needs := map[string][]string{}
	for _, c := range v.t.Conditions {
		names = append(names, c.Name)
		for n := range c.Expr.Walk() {
			if name, ok := conditionName(n); ok {
				v.useCondition(name, n.Pos)
				needs[c.Name] = append(needs[c.Name], name)
			}
		}
	}
	if path := cycle(names, needs); path != nil {
		closed := append(slices.Clone(path), path[0])
		v.report.add(v.t.conditions[path[0]].Pos, "Template format error: Circular dependency between conditions: %s", strings.Join(closed, " → "))
	}
}

// parameterOnly checks the sections that may not refer to resources.
func (v *validator) parameterOnly() {
	refuse := func(block string) func(reference) {
		return func(ref reference) {
			if v.t.parameters[ref.id] == nil && !isPseudo(ref.id) || ref.attribute != "" {
				v.report.add(ref.pos, "Template format error: Unresolved dependencies [%s]. Cannot reference resources in the %s block of the template", ref.id, block)
			}
		}
	}
	for _, c := range v.t.Conditions {
		references(c.Expr, nil, refuse("Conditions"))
	}
	for _, rule := range v.t.Rules {
		references(rule.Condition, nil, refuse("Rules"))
		for _, assertion := range rule.Assertions {
			references(assertion.Assert, nil, refuse("Rules"))
		}
	}
}

// exportName refuses names that are not known before the stack exists.
func (v *validator) exportName(o *Output) {
	for n := range o.Export.Walk() {
		if n.Is("Fn::ImportValue") || n.Is("Fn::GetAZs") {
			v.exportFault(o, n.Pos)
		}
	}
	references(o.Export, nil, func(ref reference) {
		if v.t.resources[ref.id] != nil {
			v.exportFault(o, ref.pos)
		}
	})
}

func (v *validator) exportFault(o *Output, pos Pos) {
	v.report.add(pos, "Template format error: Output %s is malformed. The Name field of every Export member must not depend on any resources, imported values, or Fn::GetAZs.", o.Name)
}
