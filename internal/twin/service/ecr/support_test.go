package ecr_test

import (
	"archive/tar"
	"io"
	"testing"
	"time"
)

func tarOf(w io.Writer, name string, content []byte) error {
	t := tar.NewWriter(w)
	if err := t.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
		return err
	}
	if _, err := t.Write(content); err != nil {
		return err
	}
	return t.Close()
}

// waitFor waits for what a loop of the twin does in its own time and tells nobody, such as removing files.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("did not happen within ten seconds")
		}
	}
}
