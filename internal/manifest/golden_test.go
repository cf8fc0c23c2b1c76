package manifest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files and docs/manifest.md")

// environ is the process environment of the fixtures.
func environ(name string) (string, bool) {
	value, ok := map[string]string{
		"PORT":     "8081",
		"VARIABLE": "FROM_OUTSIDE",
		"EMPTY":    "",
		"SECRET":   "hunter2 swordfish",
		"TEXT":     "null",
	}[name]
	return value, ok
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update writes it:\n%s", path, diff)
	}
}

// eachFixture runs f on the files of a folder of testdata, each read as a
// slipway.yml.
func eachFixture(t *testing.T, pattern string, f func(t *testing.T, path string, src []byte)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures match %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yml"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f(t, path, src)
		})
	}
}

func TestGoodFilesLoad(t *testing.T) {
	t.Parallel()
	eachFixture(t, "good/*.yml", func(t *testing.T, path string, src []byte) {
		m, err := Parse("slipway.yml", src, Options{Getenv: environ, DefaultServiceName: "folder"})
		if err != nil {
			t.Fatalf("%s is refused:\n%v", path, err)
		}
		var warnings strings.Builder
		for _, w := range m.Warnings {
			warnings.WriteString(w.Error() + "\n")
		}
		expected := strings.TrimSuffix(path, ".yml") + ".warnings"
		if _, err := os.Stat(expected); err == nil || warnings.Len() > 0 {
			golden(t, expected, warnings.String())
		}
	})
}

func TestBadFilesAreExplained(t *testing.T) {
	t.Parallel()
	eachFixture(t, "bad/*.yml", func(t *testing.T, path string, src []byte) {
		_, err := Parse("slipway.yml", src, Options{Getenv: environ, DefaultServiceName: "folder"})
		if err == nil {
			t.Fatalf("%s is accepted", path)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("an error gives away the value of a variable:\n%v", err)
		}
		golden(t, strings.TrimSuffix(path, ".yml")+".txt", err.Error()+"\n")
	})
}

// TestRulesHaveBothFixtures keeps the two folders in step: a rule that is
// shown to refuse is also shown to accept.
func TestRulesHaveBothFixtures(t *testing.T) {
	t.Parallel()
	names := func(dir string) (names []string) {
		paths, _ := filepath.Glob(filepath.Join("testdata", dir, "*.yml"))
		for _, path := range paths {
			names = append(names, filepath.Base(path))
		}
		return names
	}
	if diff := cmp.Diff(names("good"), names("bad")); diff != "" {
		t.Errorf("fixtures only in good (-) or only in bad (+):\n%s", diff)
	}
}
