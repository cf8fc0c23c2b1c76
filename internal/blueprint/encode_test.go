package blueprint

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEncodeIsStable reads what was written and writes it again: the empty
// lines must neither change a value nor move a comment.
func TestEncodeIsStable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*/*/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden templates: %v", err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, err := parseTree(source)
		if err != nil {
			t.Fatal(err)
		}
		again, err := encode(root)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(source), string(again)); diff != "" {
			t.Errorf("%s (-written +written again):\n%s", file, diff)
		}
	}
}

// TestSpaceKeepsBlockScalars has text that looks like keys.
func TestSpaceKeepsBlockScalars(t *testing.T) {
	t.Parallel()
	const source = "Description: |\n  Resources:\n    A: 1\n  B: 2\nResources:\n  # one\n  A:\n    Text: |\n      B:\n      # none\n\n      C:\n  B:\n    Type: T\nOutputs:\n  X: 1\n  Y: 2\n"
	const want = "Description: |\n  Resources:\n    A: 1\n  B: 2\n\nResources:\n  # one\n  A:\n    Text: |\n      B:\n      # none\n\n      C:\n\n  B:\n    Type: T\n\nOutputs:\n  X: 1\n  Y: 2\n"
	if diff := cmp.Diff(want, string(space(source))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
