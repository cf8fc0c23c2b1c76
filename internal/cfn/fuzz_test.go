package cfn

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func seeds(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*", "testdata/bad/*.yml", "testdata/bad/*.json", "testdata/*.golden.*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatal("no seeds in", pattern)
		}
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}

// No text crashes the parser or the checks, and every fault has a place and a line.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		template, err := Parse("f", src)
		if err != nil {
			for _, fault := range err.(Errors) {
				if !fault.Pos.IsValid() || fault.Message == "" {
					t.Fatalf("a fault without place or text: %#v", fault)
				}
			}
			return
		}
		_ = template.Validate()
		_ = template.ValidateTypes()
		text, err := template.Root.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", text)
		if err != nil {
			t.Fatalf("what JSON wrote is not read: %v\n%s", err, text)
		}
		if diff := cmp.Diff(template.Root.Plain(), again.Root.Plain()); diff != "" {
			t.Fatalf("JSON changed it: %s\n%s", diff, text)
		}
		if text, err = template.Root.YAML(); err != nil {
			t.Fatal(err)
		}
		if again, err = Parse("again", text); err != nil {
			t.Fatalf("what YAML wrote is not read: %v\n%s", err, text)
		}
		if diff := cmp.Diff(template.Root.Plain(), again.Root.Plain()); diff != "" {
			t.Fatalf("YAML changed it: %s\n%s", diff, text)
		}
	})
}

// No template crashes the evaluation.
func FuzzResolve(f *testing.F) {
	seeds(f)
	for _, expression := range []string{
		`!Cidr ["10.0.0.0/8", 256, 8]`, `!Select [-1, !Split [",", !Join [",", [a, !Ref A]]]]`, `!Sub ["${A}${B.C}${!D}", {A: !Ref A}]`,
		`!FindInMap [M, !Ref A, x]`, `!If [C, !Ref "AWS::NoValue", !ToJsonString {a: [1, null]}]`, `!GetAZs`, `!Length [1]`, `!Base64 {Ref: A}`,
	} {
		f.Add([]byte("Transform: AWS::LanguageExtensions\nConditions: {C: !Equals [a, b]}\nResources: {A: {Type: T, Properties: {P: " + expression + "}}}"))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		template, err := Parse("f", src)
		if err != nil {
			return
		}
		parameters, err := template.ResolveParameters(nil, nil, func(string) (string, error) { return "ssm", nil })
		if err != nil {
			parameters = map[string]ParamValue{}
		}
		e := &Evaluator{
			Template: template, Parameters: parameters,
			Ref:     func(id string) (any, error) { return id, nil },
			GetAtt:  func(id, attribute string) (any, error) { return []any{id, Unknown{}, attribute}, nil },
			Import:  func(name string) (string, error) { return name, nil },
			AZs:     func(region string) ([]string, error) { return []string{region}, nil },
			Dynamic: func(ref DynamicReference) (string, error) { return ref.Name, nil },
			Macro:   func(_ string, _ map[string]any, fragment any) (any, error) { return fragment, nil },
		}
		if _, err := e.Expand(); err != nil {
			return
		}
		conditions, err := e.Conditions()
		if err != nil {
			conditions = nil
		}
		_ = e.CheckRules()
		_, _ = e.Template.Graph(conditions)
		for _, r := range e.Template.Resources {
			properties, err := e.ResolveProperties(r)
			if err == nil && DiffProperties(properties, properties) != nil && !containsUnknown(properties) {
				t.Fatalf("properties differ from themselves: %v", properties)
			}
		}
		for _, o := range e.Template.Outputs {
			_, _ = e.ResolveOutput(o)
		}
	})
}
