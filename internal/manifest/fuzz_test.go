package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzParse feeds anything at all: Parse never panics, a refusal has a place
// in the file, and what is accepted can be used.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yml", "reference.yml"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := Parse(FileName, src, Options{Getenv: environ, DefaultServiceName: "folder"})
		if err != nil {
			checkPlaces(t, src, err)
			return
		}
		for _, patch := range m.Templates {
			if _, err := yaml.Marshal(patch.Node); err != nil {
				t.Errorf("a patch cannot be written: %v", err)
			}
		}
	})
}

func checkPlaces(t *testing.T, src []byte, err error) {
	all, ok := errors.AsType[Errors](err)
	if !ok || len(all) == 0 {
		t.Fatalf("not Errors: %v", err)
	}
	lines := len(newSource(FileName, src).lines)
	for _, e := range all {
		if e.Line < 1 || e.Line > lines || e.Column < 1 || e.Error() == "" {
			t.Errorf("an error without a place in a file of %d lines: %+v", lines, e)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse(FileName, []byte(ReferenceYAML), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
