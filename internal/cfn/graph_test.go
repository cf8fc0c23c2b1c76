package cfn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const graphTemplate = `
Conditions: {On: !Equals [a, a], Off: !Equals [a, b]}
Resources:
  Web:
    Type: T
    DependsOn: [Role, Extra]
    Properties:
      Subnet: !GetAtt Subnet.Id
      Name: !Sub "${Cluster}-${Var}"
      Choice: !If [Off, !Ref Extra, x]
  Subnet: {Type: T, Properties: {Vpc: !Ref Vpc}}
  Vpc: {Type: T}
  Role: {Type: T}
  Cluster: {Type: T, Condition: On}
  Var: {Type: T, Properties: {T: !Sub ["${Role}", {Role: x}]}}
  Extra: {Type: T, Condition: Off}
Outputs:
  Gone: {Value: !Ref Extra, Condition: Off}
`

func TestGraph(t *testing.T) {
	t.Parallel()
	template := parse(t, graphTemplate)
	e := &Evaluator{Template: template}
	conditions, err := e.Conditions()
	if err != nil {
		t.Fatal(err)
	}
	g, err := template.Graph(conditions)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"Vpc", "Role", "Cluster", "Var"}, {"Subnet"}, {"Web"}}
	if diff := cmp.Diff(want, g.Order()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Cluster", "Role", "Subnet", "Var"}, g.DependsOn("Web")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Subnet"}, g.Dependents("Vpc")); diff != "" {
		t.Error(diff)
	}
	all, err := template.Graph(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Cluster", "Extra", "Role", "Subnet", "Var"}, all.DependsOn("Web")); diff != "" {
		t.Error(diff)
	}
}

func TestGraphInactiveReference(t *testing.T) {
	t.Parallel()
	template := parse(t, `
Conditions: {Off: !Equals [a, b]}
Resources:
  A: {Type: T, Properties: {P: !Ref B}}
  B: {Type: T, Condition: Off}
`)
	_, err := template.Graph(map[string]bool{"Off": false})
	if err == nil || Message(err) != "Template format error: Unresolved resource dependencies [B] in the Resources block of the template" {
		t.Errorf("got %v", err)
	}
}

func TestDiffProperties(t *testing.T) {
	t.Parallel()
	before := map[string]any{"A": "80", "B": []any{"x", "y"}, "C": map[string]any{"k": "v", "a/b": 1}, "Gone": true, "U": "x"}
	after := map[string]any{"A": 80, "B": []any{"x"}, "C": map[string]any{"k": "w", "a/b": 2}, "New": "n", "U": Unknown{}}
	want := []PropertyChange{
		{"/B/1", "B", Remove, "y", nil},
		{"/C/a~1b", "C", Modify, 1, 2},
		{"/C/k", "C", Modify, "v", "w"},
		{"/Gone", "Gone", Remove, true, nil},
		{"/New", "New", Add, nil, "n"},
		{"/U", "U", Modify, "x", Unknown{}},
	}
	if diff := cmp.Diff(want, DiffProperties(before, after)); diff != "" {
		t.Error(diff)
	}
	if changes := DiffProperties(before, before); changes != nil {
		t.Errorf("the same properties differ: %v", changes)
	}
}
