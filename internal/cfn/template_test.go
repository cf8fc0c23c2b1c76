package cfn

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readTemplate(t *testing.T, path string) *Template {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	template, err := Parse(filepath.Base(path), src)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestGoodTemplates(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/good/*")
	if err != nil || len(paths) == 0 {
		t.Fatal("no templates", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			template := readTemplate(t, path)
			if err := template.Validate(); err != nil {
				t.Error(err)
			}
			if err := template.ValidateTypes(); err != nil {
				t.Error(err)
			}
			again := rewritten(t, template)
			if diff := cmp.Diff(template.Root.Plain(), again.Root.Plain()); diff != "" {
				t.Errorf("written and read again: %s", diff)
			}
			golden(t, filepath.Join("resolved", filepath.Base(path)+".json"), resolved(t, template))
		})
	}
}

// rewritten reads back what YAML and JSON write.
func rewritten(t *testing.T, template *Template) *Template {
	t.Helper()
	text, err := template.Root.YAML()
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := Parse("again.yml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if text, err = fromYAML.Root.JSON(); err != nil {
		t.Fatal(err)
	}
	fromJSON, err := Parse("again.json", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return fromJSON
}

// resolved evaluates the template as a stack named shop would.
func resolved(t *testing.T, template *Template) []byte {
	t.Helper()
	given := map[string]string{"VpcId": "vpc-1", "Subnets": "subnet-1, subnet-2", "Image": "web:1"}
	for name := range given {
		if template.Parameter(name) == nil {
			delete(given, name)
		}
	}
	parameters, err := template.ResolveParameters(given, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &Evaluator{
		Template: template, Parameters: parameters,
		Pseudo:  Pseudo{AccountID: "012345678901", Region: "eu-west-1", StackName: "shop-web", StackID: "arn:stack"},
		Ref:     func(id string) (any, error) { return strings.ToLower(id) + "-1", nil },
		GetAtt:  resourceAttribute,
		AZs:     func(region string) ([]string, error) { return []string{region + "a", region + "b"}, nil },
		Dynamic: func(ref DynamicReference) (string, error) { return ref.SecretID + "." + ref.JSONKey, nil },
	}
	conditions, err := e.Conditions()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.CheckRules(); err != nil {
		t.Fatal(err)
	}
	graph, err := template.Graph(conditions)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"Conditions": conditions, "Order": graph.Order()}
	for _, r := range template.ActiveResources(conditions) {
		properties, err := e.ResolveProperties(r)
		if err != nil {
			t.Fatal(err)
		}
		out[r.LogicalID] = properties
	}
	for _, o := range template.ActiveOutputs(conditions) {
		value, err := e.ResolveOutput(o)
		if err != nil {
			t.Fatal(err)
		}
		out["Output "+o.Name] = value
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func resourceAttribute(id, attribute string) (any, error) {
	if attribute == "CidrBlock" {
		return "10.0.0.0/16", nil
	}
	return id + "." + attribute, nil
}

// A bad template's faults, all of them, in testdata/bad/<name>.golden.
func TestBadTemplates(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(paths) == 0 {
		t.Fatal("no templates", err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".golden") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("bad", filepath.Base(path)+".golden"), []byte(faultsOf(filepath.Base(path), src)))
		})
	}
}

func faultsOf(name string, src []byte) string {
	template, err := Parse(name, src)
	if err != nil {
		return err.Error() + "\n"
	}
	out := ""
	if err := template.Validate(); err != nil {
		out += err.Error() + "\n"
	}
	if err := template.ValidateTypes(); err != nil {
		out += err.Error() + "\n"
	}
	return out
}

func TestYAMLBombIsRefused(t *testing.T) {
	t.Parallel()
	src := "Metadata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		n := string(rune('0' + i))
		p := string(rune('0' + i - 1))
		src += "  a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+", ", 10), ", ") + "]\n"
	}
	_, err := Parse("bomb.yml", []byte(src+"Resources: {A: {Type: T}}\n"))
	if err == nil || !strings.Contains(err.Error(), "once its aliases are expanded") {
		t.Errorf("got %v", err)
	}
	_, err = Parse("deep.yml", []byte("Resources: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)))
	if err == nil || !strings.Contains(err.Error(), "deeper than") {
		t.Errorf("got %.300v", err)
	}
	_, err = Parse("deep.json", []byte(`{"Resources": `+strings.Repeat("[", 5000)))
	if err == nil || !strings.Contains(err.Error(), "deeper than") {
		t.Errorf("got %.300v", err)
	}
}
