package blueprint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/internal/blueprint"
)

// TestLanguage has our own reading of CloudFormation judge every rendered
// stack.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for name, stack := range rendered(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := stack.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConformanceCfnLint has AWS's linter judge every rendered template. It takes long,
// so it runs in `make conformance`.
func TestConformanceCfnLint(t *testing.T) {
	t.Parallel()
	if os.Getenv("SLIPWAY_CONFORMANCE") != "1" {
		t.Skip("SLIPWAY_CONFORMANCE=1 runs cfn-lint over every rendered template")
	}
	linter, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not on the PATH: pipx install cfn-lint")
	}
	folder := t.TempDir()
	// W6001: stacks hand on what they import, as mu's stacks do.
	args := []string{"--ignore-checks", "W6001", "--include-checks", "I", "--"}
	for name, stack := range rendered(t) {
		file := filepath.Join(folder, strings.ReplaceAll(name, "/", "_")+".yml")
		if err := os.WriteFile(file, stack.Template, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if report, err := exec.Command(linter, args...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, report)
	}
}

// rendered are the stacks of all manifests of testdata, by manifest,
// environment and name, and the one no environment has.
func rendered(t *testing.T) map[string]*blueprint.Stack {
	t.Helper()
	all := map[string]*blueprint.Stack{}
	for _, name := range manifests(t) {
		m := load(t, name)
		for _, env := range m.EnvironmentNames() {
			stacks, err := blueprint.Render(m, env, blueprint.Facts{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i := range stacks {
				all[name+"/"+env+"/"+stacks[i].Name] = &stacks[i]
			}
		}
	}
	bucket, err := blueprint.Bucket(load(t, "hello"), "codepipeline", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	all["hello/"+bucket.Name] = &bucket
	return all
}
