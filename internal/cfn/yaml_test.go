package cfn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestScalars(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		kind Kind
		want string
	}{
		{"12", Number, "12"}, {"-1.5e+3", Number, "-1.5e+3"}, {"0", Number, "0"}, {"0.10", Number, "0.10"},
		{"012", String, "012"}, {"0x1f", String, "0x1f"}, {"1_000", String, "1_000"}, {"1.", String, "1."}, {".5", String, ".5"},
		{"2012-10-17", String, "2012-10-17"}, {"22:22", String, "22:22"}, {".inf", String, ".inf"}, {"1e", String, "1e"}, {"-", String, "-"},
		{"yes", Bool, "true"}, {"Off", Bool, "false"}, {"true", Bool, "true"}, {"~", Null, ""}, {"", Null, ""}, {"y", String, "y"},
	}
	for _, test := range tests {
		if kind, text := plainScalar(test.text); kind != test.kind || text != test.want {
			t.Errorf("%q is %s %q", test.text, kind, text)
		}
	}
}

func TestParseYAMLNode(t *testing.T) {
	t.Parallel()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte("Resources:\n  A:\n    Type: T\n    Properties: {P: !Sub 'x', Q: !GetAtt A.B.C}\n"), &document); err != nil {
		t.Fatal(err)
	}
	template, err := ParseYAMLNode("n.yml", &document)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"P": map[string]any{"Fn::Sub": "x"}, "Q": map[string]any{"Fn::GetAtt": []any{"A", "B.C"}}}
	if diff := cmp.Diff(want, template.Resource("A").Properties.Plain()); diff != "" {
		t.Error(diff)
	}
	if got := template.Resource("A").Properties.Get("Q").Pos.String(); got != "n.yml:4:34" {
		t.Errorf("position %s", got)
	}
	made := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "Resources"}, template.Root.Get("Resources").YAMLNode(),
	}}
	again, err := ParseYAMLNode("made.yml", made)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(template.Root.Plain(), again.Root.Plain()); diff != "" {
		t.Error(diff)
	}
}

func TestWindowsLinesAndMark(t *testing.T) {
	t.Parallel()
	template := parse(t, "\xef\xbb\xbfResources:\r\n  A:\r\n    Type: T\r\n    Metadata: {U: !Sub \"a\\r\\n${AWS::Region}\"}\r\n")
	if got := template.Resource("A").Metadata.Get("U").Arg.Text; got != "a\r\n${AWS::Region}" {
		t.Errorf("got %q", got)
	}
	err := template.Validate()
	if err != nil {
		t.Errorf("Windows line ends: %v", err)
	}
}
