package cfn

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForEach(t *testing.T) {
	t.Parallel()
	template := parse(t, `
Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList, Default: "alpha,10.0.0.0/8"}
  Keep: {Type: String, Default: Retain}
  Id: {Type: String, Default: X}
Conditions:
  Fn::ForEach::Flags:
    - Flag
    - [One, Two]
    - Is${Flag}: !Equals [!Ref Flag, One]
Resources:
  Fn::ForEach::Topics:
    - Topic
    - !Ref Names
    - Topic&{Topic}:
        Type: AWS::SNS::Topic
        DeletionPolicy: !Ref Keep
        Properties:
          TopicName: !Ref Topic
          DisplayName: !Sub "${Topic}-${AWS::Region}"
          Count: !Length {Ref: Names}
  Fn::ForEach::Outer:
    - X
    - [a, b]
    - Fn::ForEach::Inner:
        - Y
        - ["1", "2"]
        - Queue${X}${Y}:
            Type: AWS::SQS::Queue
            DependsOn: Topicalpha
            Properties:
              Fn::ForEach::Props:
                - P
                - [QueueName]
                - ${P}: ${X}${Y}
  Fn::ForEach::Rows:
    - [!Ref Id, Port]
    - [[a, 80], [b, 81]]
    - Row${X}: {Type: T, Properties: {Port: !Ref Port}}
  Fn::ForEach::Pairs:
    - [Name, Port]
    - {Web: 443, Ssh: 22}
    - Pair${Name}: {Type: T, Properties: {Port: !Ref Port, Again: "${Name}:${Port}"}}
Outputs:
  Fn::ForEach::Out:
    - Attribute
    - [Arn, Name]
    - Topic${Attribute}:
        Value: !GetAtt [Topicalpha, !Ref Attribute]
`)
	if err := template.Validate(); err != nil {
		t.Fatalf("validate: %v", err)
	}
	e := evaluatorBare(t, template)
	expanded, err := e.Expand()
	if err != nil {
		t.Fatal(err)
	}
	got, err := expanded.Root.YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "foreach.golden.yml", got)
	if diff := cmp.Diff("Retain", expanded.Resource("Topicalpha").DeletionPolicy); diff != "" {
		t.Error(diff)
	}
}

func evaluatorBare(t *testing.T, template *Template) *Evaluator {
	t.Helper()
	parameters, err := template.ResolveParameters(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Evaluator{Template: template, Parameters: parameters, Pseudo: Pseudo{Region: "us-east-1"}}
}

func TestForEachFaults(t *testing.T) {
	t.Parallel()
	const head = "Transform: AWS::LanguageExtensions\nResources:\n  "
	tests := []struct{ src, want string }{
		{"Fn::ForEach::L: [X, [a, a], {\"R${X}\": {Type: T}}]", "Fn::ForEach makes the key Ra twice"},
		{"Fn::ForEach::L: [X, a, {\"R${X}\": {Type: T}}]", "requires a list of three elements"},
		{"Fn::ForEach::L: [X, [a]]", "requires a list of three elements"},
		{"Fn::ForEach::L: [X, [{a: b}], {\"R${X}\": {Type: T}}]", "requires a list of three elements"},
	}
	for _, test := range tests {
		t.Run(test.src, func(t *testing.T) {
			t.Parallel()
			_, err := evaluatorBare(t, parse(t, head+test.src)).Expand()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// Loops that multiply must end with an error, not with the machine's memory.
func TestForEachIsBounded(t *testing.T) {
	t.Parallel()
	values := "[" + strings.Repeat("a,", 99) + "a]"
	src := "Transform: AWS::LanguageExtensions\nResources: {A: {Type: T}, "
	for _, name := range []string{"A", "B", "C", "D"} {
		src += "Fn::ForEach::" + name + ": [" + name + ", " + values + ", {"
	}
	src += "R: {Type: T, Metadata: [" + strings.Repeat("x,", 100) + "]}" + strings.Repeat("}]", 4) + "}"
	_, err := evaluatorBare(t, parse(t, src)).Expand()
	if err == nil {
		t.Fatal("accepted")
	}
}

func TestMacros(t *testing.T) {
	t.Parallel()
	template := parse(t, `
Transform: [Mine]
Parameters: {P: {Type: String, Default: v}}
Resources:
  A:
    Type: T
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: !Ref P}}
      Own: 1
`)
	e := evaluatorBare(t, template)
	e.Macro = func(name string, parameters map[string]any, fragment any) (any, error) {
		switch name {
		case "AWS::Include":
			return map[string]any{"Included": parameters["Location"], "F": map[string]any{"Ref": "B"}}, nil
		case "Mine":
			resources := fragment.(map[string]any)["Resources"].(map[string]any)
			resources["B"] = map[string]any{"Type": "Added"}
			return fragment, nil
		}
		return nil, errors.New("unknown macro " + name)
	}
	expanded, err := e.Expand()
	if err != nil {
		t.Fatal(err)
	}
	if err := expanded.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := expanded.Root.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "macro.golden.json", got)
	e = evaluatorBare(t, template)
	if _, err := e.Expand(); err == nil || Message(err) != "No transform named AWS::Include found." {
		t.Errorf("got %v", err)
	}
}
