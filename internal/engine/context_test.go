package engine

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// archived lists what the context of a directory sends.
func archived(t *testing.T, dir, dockerfile string) []string {
	t.Helper()
	source, err := OpenBuildContext(dir, dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := source.writeTo(&archive); err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(&archive); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Uname != "" {
			t.Errorf("%s belongs to %d %s", header.Name, header.Uid, header.Uname)
		}
		name := header.Name
		if header.Linkname != "" {
			name += " -> " + header.Linkname
		}
		names = append(names, name)
	}
}

func TestIgnoreFiles(t *testing.T) {
	t.Parallel()
	tree := []string{"Dockerfile", "", "a.go", "", "a_test.go", "", "node_modules/x/y.js", "", "docs/keep.md", "", "docs/drop.md", "", "sub/a_test.go", ""}
	for name, c := range map[string]struct {
		ignore string
		want   []string
	}{
		"none":          {"", []string{".dockerignore", "Dockerfile", "a.go", "a_test.go", "docs/", "docs/drop.md", "docs/keep.md", "node_modules/", "node_modules/x/", "node_modules/x/y.js", "sub/", "sub/a_test.go"}},
		"directories":   {"node_modules\n/docs\n", []string{".dockerignore", "Dockerfile", "a.go", "a_test.go", "sub/", "sub/a_test.go"}},
		"one level":     {"*_test.go\nnode_modules\ndocs", []string{".dockerignore", "Dockerfile", "a.go", "sub/", "sub/a_test.go"}},
		"all levels":    {"# tests\n**/*_test.go\nnode_modules\ndocs", []string{".dockerignore", "Dockerfile", "a.go", "sub/"}},
		"but one":       {"docs\n!docs/keep.md\nnode_modules\nsub", []string{".dockerignore", "Dockerfile", "a.go", "a_test.go", "docs/keep.md"}},
		"only these":    {"*\n!a.go\n", []string{".dockerignore", "Dockerfile", "a.go"}},
		"wildcard keep": {"*\n!**/y.js", []string{".dockerignore", "Dockerfile", "node_modules/x/y.js"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, append(tree, ".dockerignore", c.ignore)...)
			if diff := cmp.Diff(c.want, archived(t, dir, "Dockerfile")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIgnoreFileOfADockerfile(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, "build/web", "", "a", "", "b", "", ".dockerignore", "a\n", "build/web.dockerignore", "b\nbuild\n")
	if diff := cmp.Diff([]string{".dockerignore", "a", "build/web"}, archived(t, dir, "build/web")); diff != "" {
		t.Error(diff)
	}
}

func TestContextKeepsLinksAndModes(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, "Dockerfile", "", "run", "")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "run"), 0o755), os.Symlink("/outside/of/it", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(t.TempDir(), "by-link")
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Dockerfile", "link -> /outside/of/it", "run"}, archived(t, linked, "Dockerfile")); diff != "" {
		t.Error(diff)
	}
}

func TestContextThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, "Dockerfile", "", "file", "content")
	source, err := OpenBuildContext(dir, "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := source.writeTo(io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
