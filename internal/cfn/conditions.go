package cfn

import (
	"slices"
	"strings"

	"slipway.dev/internal/cfn/schema"
)

func isBooleanFunction(name string) bool {
	switch name {
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Condition", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn":
		return true
	}
	return false
}

// Conditions evaluates every condition of the template and keeps the values
// for Fn::If. The map must not be changed.
func (e *Evaluator) Conditions() (map[string]bool, error) {
	e.conditions, e.evaluating = map[string]bool{}, nil
	report := &faults{lines: e.lines()}
	for _, condition := range e.Template.Conditions {
		if _, err := e.condition(condition.Expr, condition.Name); err != nil {
			report.keep(condition.Pos, err)
		}
	}
	if err := report.result(); err != nil {
		return nil, err
	}
	return e.conditions, nil
}

// condition is the value of a named condition; n is the expression that asks.
func (e *Evaluator) condition(n *Node, name string) (bool, error) {
	if value, ok := e.conditions[name]; ok {
		return value, nil
	}
	var declared *Condition
	if e.Template != nil {
		declared = e.Template.Condition(name)
	}
	if declared == nil {
		return false, e.fault(n, "Template format error: Unresolved condition dependency %s in the Conditions block of the template", name)
	}
	if start := slices.Index(e.evaluating, name); start >= 0 {
		return false, e.fault(n, "Template format error: Circular dependency between conditions: %s", strings.Join(append(slices.Clone(e.evaluating[start:]), name), " → "))
	}
	e.evaluating = append(e.evaluating, name)
	value, err := e.truth(declared.Expr)
	e.evaluating = e.evaluating[:len(e.evaluating)-1]
	if err != nil {
		return false, err
	}
	if e.conditions == nil {
		e.conditions = map[string]bool{}
	}
	e.conditions[name] = value
	return value, nil
}

// conditionName returns X of {Condition: X}, which is a call where a condition is expected.
func conditionName(n *Node) (string, bool) {
	arg := n.Arg
	if n.Kind == Map && len(n.Entries) == 1 && n.Entries[0].Key == "Condition" {
		arg = n.Entries[0].Value
	} else if !n.Is("Condition") {
		return "", false
	}
	if arg == nil || !arg.IsScalar() {
		return "", false
	}
	return arg.label(), true
}

// truth evaluates a condition expression.
func (e *Evaluator) truth(n *Node) (bool, error) {
	if n == nil {
		return false, nil
	}
	if name, ok := conditionName(n); ok {
		return e.condition(n, name)
	}
	if n.Kind == Func {
		switch n.Name {
		case "Fn::And", "Fn::Or":
			return e.andOr(n)
		case "Fn::Not":
			return e.not(n)
		case "Fn::Equals":
			return e.equals(n)
		case "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn":
			return e.ruleTruth(n)
		}
	}
	if n.IsScalar() && (n.Text == "true" || n.Text == "false") {
		return n.Text == "true", nil
	}
	return false, e.fault(n, "Template format error: Every Condition member must be a string or a condition function")
}

func (e *Evaluator) andOr(n *Node) (bool, error) {
	a, ok := args(n, 2, 10)
	if !ok {
		return false, e.fault(n, "%s", misuse(n.Name))
	}
	result := n.Name == "Fn::And"
	for _, arg := range a {
		value, err := e.truth(arg)
		if err != nil {
			return false, err
		}
		if n.Name == "Fn::And" {
			result = result && value
		} else {
			result = result || value
		}
	}
	return result, nil
}

func (e *Evaluator) not(n *Node) (bool, error) {
	a, ok := args(n, 1, 1)
	if !ok {
		return false, e.fault(n, "%s", misuse(n.Name))
	}
	value, err := e.truth(a[0])
	return !value, err
}

func (e *Evaluator) equals(n *Node) (bool, error) {
	a, ok := args(n, 2, 2)
	if !ok {
		return false, e.fault(n, "%s", misuse(n.Name))
	}
	left, err := e.Resolve(a[0])
	if err != nil {
		return false, err
	}
	right, err := e.Resolve(a[1])
	if err != nil {
		return false, err
	}
	if containsUnknown(left) || containsUnknown(right) {
		return false, e.fault(n, "Template error: Fn::Equals cannot compare a value that is known only after the resources exist")
	}
	return schema.Same(left, right), nil
}

func (e *Evaluator) ifElse(n *Node) (any, error) {
	a, ok := args(n, 3, 3)
	if !ok || !a[0].IsScalar() {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	holds, err := e.condition(n, a[0].label())
	if err != nil {
		return nil, err
	}
	if holds {
		return e.eval(a[1])
	}
	return e.eval(a[2])
}
