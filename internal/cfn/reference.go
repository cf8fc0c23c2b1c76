package cfn

import (
	"slices"
	"strings"
)

// reference is one use of a name: a Ref (attribute "") or a GetAtt.
type reference struct {
	id, attribute string
	pos           Pos
}

// references calls yield for every Ref, Fn::GetAtt and ${…} below n. With
// conditions, only the branch of Fn::If that is taken counts.
func references(n *Node, conditions map[string]bool, yield func(reference)) {
	if n == nil {
		return
	}
	switch {
	case n.Is("Ref"):
		if n.Arg.IsScalar() {
			yield(reference{n.Arg.label(), "", n.Pos})
		}
		return
	case n.Is("Fn::GetAtt"):
		if id, attribute, ok := getAttParts(n.Arg); ok {
			yield(reference{id, attribute, n.Pos})
			return
		}
		if a, ok := args(n, 2, 9); ok && a[0].IsScalar() {
			yield(reference{a[0].label(), "", n.Pos})
		}
	case n.Is("Fn::Sub"):
		subReferences(n, conditions, yield)
		return
	case n.Is("Fn::If") && conditions != nil:
		if a, ok := args(n, 3, 3); ok {
			if holds, known := conditions[a[0].label()]; known {
				references(a[map[bool]int{true: 1, false: 2}[holds]], conditions, yield)
				return
			}
		}
	}
	references(n.Arg, conditions, yield)
	for _, item := range n.Items {
		references(item, conditions, yield)
	}
	for i := range n.Entries {
		references(n.Entries[i].Value, conditions, yield)
	}
}

func subReferences(n *Node, conditions map[string]bool, yield func(reference)) {
	text, vars, ok := subArguments(n)
	if !ok {
		return
	}
	references(vars, conditions, yield)
	parts, err := subParts(text.Text)
	if err != nil {
		return
	}
	for _, part := range parts {
		if !part.reference || vars.Get(part.text) != nil {
			continue
		}
		id, attribute, _ := strings.Cut(part.text, ".")
		yield(reference{id, attribute, text.Pos})
	}
}

// parts are the members of a resource whose references make it depend on others.
func (r *Resource) parts() []*Node {
	return []*Node{r.Properties, r.Metadata, r.CreationPolicy, r.UpdatePolicy, r.DeletionPolicyNode, r.UpdateReplacePolicyNode}
}

// active reports whether something with this condition is part of the stack.
func active(condition string, conditions map[string]bool) bool {
	return condition == "" || conditions == nil || conditions[condition]
}

// ActiveResources returns the resources whose condition holds, in file order.
// With nil conditions all are active.
func (t *Template) ActiveResources(conditions map[string]bool) []*Resource {
	return slices.DeleteFunc(slices.Clone(t.Resources), func(r *Resource) bool { return !active(r.Condition, conditions) })
}

// ActiveOutputs returns the outputs whose condition holds, in file order.
func (t *Template) ActiveOutputs(conditions map[string]bool) []*Output {
	return slices.DeleteFunc(slices.Clone(t.Outputs), func(o *Output) bool { return !active(o.Condition, conditions) })
}
