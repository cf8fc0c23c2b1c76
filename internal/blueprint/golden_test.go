package blueprint_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenFacts are facts as delivery has them, so that the golden files show
// every tag.
var goldenFacts = blueprint.Facts{Version: "1.2.3", Revision: "abcdef1", RepoSlug: "acme/hello", NextPriority: 7}

func load(t *testing.T, name string) *manifest.Manifest {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "manifests", name+".yml"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(source))
}

func parse(t *testing.T, source string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse("mu.yml", []byte(source), manifest.Options{DefaultServiceName: "hello"})
	if err != nil {
		t.Fatalf("manifest: %v", err)
	}
	return m
}

// manifests are the names of the files in testdata/manifests.
func manifests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/manifests/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests in testdata: %v", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".yml"))
	}
	return names
}

// TestGolden renders every manifest of testdata in every environment of it.
// `go test ./internal/blueprint -run Golden -update` writes the files anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range manifests(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := load(t, name)
			wanted := map[string]bool{}
			for _, env := range m.EnvironmentNames() {
				stacks, err := blueprint.Render(m, env, goldenFacts)
				if err != nil {
					t.Fatal(err)
				}
				folder := filepath.Join("testdata", "golden", name, env)
				compareFile(t, filepath.Join(folder, "stacks.txt"), describe(stacks), wanted)
				for _, s := range stacks {
					compareFile(t, filepath.Join(folder, s.Name+".yml"), s.Template, wanted)
				}
			}
			noLeftovers(t, filepath.Join("testdata", "golden", name), wanted)
		})
	}
}

// TestGoldenBucket renders the one stack no environment has.
func TestGoldenBucket(t *testing.T) {
	t.Parallel()
	bucket, err := blueprint.Bucket(load(t, "hello"), "codepipeline", goldenFacts)
	if err != nil {
		t.Fatal(err)
	}
	folder, wanted := filepath.Join("testdata", "golden", "bucket", "all"), map[string]bool{}
	compareFile(t, filepath.Join(folder, "stacks.txt"), describe([]blueprint.Stack{bucket}), wanted)
	compareFile(t, filepath.Join(folder, bucket.Name+".yml"), bucket.Template, wanted)
}

// describe shows all of the stacks but their templates.
func describe(stacks []blueprint.Stack) []byte {
	var b bytes.Buffer
	for _, s := range stacks {
		fmt.Fprintf(&b, "%s (%s)\n", s.Name, s.Kind)
		for _, name := range s.DependsOn {
			fmt.Fprintf(&b, "  after %s\n", name)
		}
		for _, p := range s.Parameters {
			fmt.Fprintf(&b, "  parameter %s = %q\n", p.Key, p.Value)
		}
		for _, tag := range s.Tags {
			fmt.Fprintf(&b, "  tag %s = %q\n", tag.Key, tag.Value)
		}
		for _, c := range s.Capabilities {
			fmt.Fprintf(&b, "  needs %s\n", c)
		}
		if s.TerminationProtection {
			fmt.Fprintf(&b, "  protected\n")
		}
		if s.StackPolicy != "" {
			fmt.Fprintf(&b, "  has a stack policy\n")
		}
	}
	return b.Bytes()
}

func compareFile(t *testing.T, path string, got []byte, wanted map[string]bool) {
	t.Helper()
	wanted[path] = true
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// noLeftovers finds golden files that nothing renders any more.
func noLeftovers(t *testing.T, folder string, wanted map[string]bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[f] && *update {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		} else if !wanted[f] {
			t.Errorf("%s is rendered by nothing", f)
		}
	}
}
