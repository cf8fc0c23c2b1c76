package blueprint_test

import (
	"fmt"
	"testing"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/cfn"
)

// evaluated is what CloudFormation would make of stacks: the properties of
// the resources that exist, by stack and logical id, and the exports.
type evaluated struct {
	resources map[string]map[string]any
	exports   map[string]string
}

// evaluate resolves stacks in their order; each can import what the earlier
// ones export. Ids and attributes of resources are made up from their names.
func evaluate(t *testing.T, stacks []blueprint.Stack) evaluated {
	t.Helper()
	all := evaluated{map[string]map[string]any{}, map[string]string{}}
	for _, s := range stacks {
		all.add(t, s)
	}
	return all
}

func (all evaluated) add(t *testing.T, s blueprint.Stack) {
	t.Helper()
	e := evaluator(t, s, all.exports)
	conditions, err := e.Conditions()
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	for _, r := range e.Template.Resources {
		if r.Condition != "" && !conditions[r.Condition] {
			continue
		}
		properties, err := e.ResolveProperties(r)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		all.resources[s.Name+"/"+r.LogicalID] = properties
	}
	for _, o := range e.Template.Outputs {
		if o.Condition != "" && !conditions[o.Condition] {
			continue
		}
		out, err := e.ResolveOutput(o)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		all.exports[out.ExportName] = out.Value
	}
}

func evaluator(t *testing.T, s blueprint.Stack, exports map[string]string) *cfn.Evaluator {
	t.Helper()
	template, err := cfn.Parse(s.Name, s.Template)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, p := range s.Parameters {
		given[p.Key] = p.Value
	}
	image := func(name string) (string, error) { return "ami-of:" + name, nil }
	parameters, err := template.ResolveParameters(given, nil, image)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return &cfn.Evaluator{
		Template:   template,
		Parameters: parameters,
		Pseudo:     cfn.Pseudo{AccountID: "123456789012", Region: "eu-west-1", StackName: s.Name},
		Ref:        func(id string) (any, error) { return id, nil },
		GetAtt:     func(id, attribute string) (any, error) { return id + "." + attribute, nil },
		Import: func(name string) (string, error) {
			value, ok := exports[name]
			if !ok {
				return "", fmt.Errorf("no stack before %s exports %s", s.Name, name)
			}
			return value, nil
		},
		AZs: func(region string) ([]string, error) { return []string{region + "a", region + "b", region + "c"}, nil },
	}
}
