package cfn

import (
	"slices"
	"strings"
)

func isRuleFunction(name string) bool {
	return name == "Fn::RefAll" || name == "Fn::ValueOf" || name == "Fn::ValueOfAll"
}

// CheckRules evaluates the Rules section: every assertion of every rule whose
// RuleCondition holds. Failed assertions are reported together as Errors.
func (e *Evaluator) CheckRules() error {
	report := &faults{lines: e.lines()}
	for _, rule := range e.Template.Rules {
		applies := true
		var err error
		if rule.Condition != nil {
			applies, err = e.truth(rule.Condition)
		}
		if err != nil {
			report.keep(rule.Pos, err)
			continue
		}
		if applies {
			e.assert(rule, report)
		}
	}
	return report.result()
}

func (e *Evaluator) assert(rule *Rule, report *faults) {
	for _, assertion := range rule.Assertions {
		holds, err := e.truth(assertion.Assert)
		switch {
		case err != nil:
			report.keep(assertion.Assert.Pos, err)
		case !holds && assertion.Description != "":
			report.add(assertion.Assert.Pos, "Template validation error: Rule %s: %s", rule.Name, assertion.Description)
		case !holds:
			report.add(assertion.Assert.Pos, "Template validation error: Rule %s: an assertion failed", rule.Name)
		}
	}
}

func (e *Evaluator) ruleTruth(n *Node) (bool, error) {
	a, ok := args(n, 2, 2)
	if !ok {
		return false, e.fault(n, "%s", misuse(n.Name))
	}
	left, err := e.strings(a[0])
	if err != nil {
		return false, err
	}
	if n.Name == "Fn::EachMemberIn" {
		right, err := e.strings(a[1])
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(left, func(s string) bool { return !slices.Contains(right, s) }), nil
	}
	value, _, err := e.text(a[1], n.Name)
	if err != nil {
		return false, err
	}
	if n.Name == "Fn::Contains" {
		return slices.Contains(left, value), nil
	}
	return !slices.ContainsFunc(left, func(s string) bool { return s != value }), nil
}

// strings evaluates an argument to a list of strings.
func (e *Evaluator) strings(n *Node) ([]string, error) {
	const usage = "Template error: a rule function requires a list of strings"
	list, _, err := e.evalList(n, usage)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, item := range list {
		if nested, ok := item.([]any); ok {
			for _, inner := range nested {
				text, _ := scalarText(inner)
				out = append(out, text)
			}
			continue
		}
		text, ok := scalarText(item)
		if !ok {
			return nil, e.fault(n, usage)
		}
		out = append(out, text)
	}
	return out, nil
}

func (e *Evaluator) ruleFunction(n *Node) (any, error) {
	switch n.Name {
	case "Fn::RefAll":
		typ, _, err := e.text(n.Arg, n.Name)
		return e.refAll(typ), err
	case "Fn::ValueOf":
		a, ok := args(n, 2, 2)
		if !ok || !a[0].IsScalar() || !a[1].IsScalar() {
			return nil, e.fault(n, "%s", misuse(n.Name))
		}
		return e.valuesOf(n, a[0].Text, a[1].Text)
	}
	a, ok := args(n, 2, 2)
	if !ok || !a[0].IsScalar() || !a[1].IsScalar() {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	return e.valueOfAll(n, a[0].Text, a[1].Text)
}

// refAll lists the values of all parameters of a type; a list parameter is one list.
func (e *Evaluator) refAll(typ string) any {
	out := []any{}
	for _, p := range e.Template.Parameters {
		if value, ok := e.Parameters[p.Name]; ok && p.Type == typ {
			out = append(out, value.Value)
		}
	}
	return out
}

func (e *Evaluator) valueOfAll(n *Node, typ, attribute string) (any, error) {
	out := []any{}
	for _, p := range e.Template.Parameters {
		if listElement(p.Type) != listElement(typ) {
			continue
		}
		value, err := e.valuesOf(n, p.Name, attribute)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// valuesOf is the attribute of what a parameter names: a string, or a list for a list parameter.
func (e *Evaluator) valuesOf(n *Node, name, attribute string) (any, error) {
	value, ok := e.Parameters[name]
	if !ok {
		return nil, e.fault(n, "Template error: Fn::ValueOf names an unknown parameter %s", name)
	}
	if e.ParameterAttribute == nil {
		return nil, e.fault(n, "attributes of the values of parameters are not known here: %s.%s", name, attribute)
	}
	list, isList := value.Value.([]any)
	if !isList {
		list = []any{value.Value}
	}
	out := make([]any, len(list))
	for i, item := range list {
		text, _ := scalarText(item)
		found, err := e.ParameterAttribute(strings.TrimSuffix(listElement(value.Type), ">"), text, attribute)
		if err != nil {
			return nil, e.wrap(n, err)
		}
		out[i] = found
	}
	if !isList {
		return out[0], nil
	}
	return out, nil
}
