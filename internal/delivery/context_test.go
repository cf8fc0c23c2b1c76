package delivery

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The tag counts names, permissions and contents, whatever way leads to the folder; the history of git is not among them.
func TestSumOfABuildFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	sum := func(dir string) string {
		t.Helper()
		folder, err := openBuildFolder(dir, "Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		sum, err := folder.sum()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	write := func(name, text string) error { return os.WriteFile(path(name), []byte(text), 0o644) }
	if err := errors.Join(write("Dockerfile", "FROM scratch"), write("run", "x"), write(".dockerignore", "*.log"), os.Mkdir(path(".git"), 0o755)); err != nil {
		t.Fatal(err)
	}
	before := sum(dir)
	linked := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	if got := sum(linked); got != before {
		t.Error("the same folder has another sum by a link")
	}
	for _, change := range []struct {
		name string
		make func() error
		same bool
	}{
		{"history", func() error { return write(".git/index", "x") }, true},
		{"ignored", func() error { return write("server.log", "x") }, true},
		{"permission", func() error { return os.Chmod(path("run"), 0o755) }, false},
		{"set user id", func() error { return os.Chmod(path("run"), 0o755|os.ModeSetuid) }, false},
		{"name", func() error { return os.Rename(path("run"), path("start")) }, false},
		{"link", func() error { return os.Symlink("start", path("link")) }, false},
		{"target", func() error { return errors.Join(os.Remove(path("link")), os.Symlink("Dockerfile", path("link"))) }, false},
		{"empty folder", func() error { return os.Mkdir(path("data"), 0o755) }, false},
	} {
		if err := change.make(); err != nil {
			t.Fatal(err)
		}
		after := sum(dir)
		if (after == before) != change.same || after != sum(dir) {
			t.Errorf("%s: the sum was %s and is %s", change.name, before, after)
		}
		before = after
	}
}

// Rules that are changed let other files in, even where the rules ignore their own file.
func TestIgnoreFileIsCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dockerfile, ignore, changed string
		want                        bool
	}{
		"of the folder":        {"Dockerfile", ".dockerignore", ".dockerignore", true},
		"of the Dockerfile":    {"build/web", "build/web.dockerignore", "build/web.dockerignore", true},
		"an ignored file":      {"build/web", "build/web.dockerignore", "build/other", false},
		"a file":               {"Dockerfile", ".dockerignore", "main.go", true},
		"a file that has gone": {"Dockerfile", ".dockerignore", "gone/main.go", true},
		"an ignored folder":    {"build/web", "build/web.dockerignore", "build/out/", false},
		"all":                  {"Dockerfile", ".dockerignore", "", true},
		"history":              {"Dockerfile", ".dockerignore", ".git/index", false},
	} {
		dir := t.TempDir()
		for _, file := range []string{"build/out/x", "main.go", test.dockerfile} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755), os.WriteFile(filepath.Join(dir, file), nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, test.ignore), []byte(".dockerignore\nbuild\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		folder, err := openBuildFolder(dir, test.dockerfile)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := folder.differs([]string{test.changed}); err != nil || got != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
