package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestArticleExamples reads the files of mu's article. The map has the keys
// that are refused; a file that is not in it must load.
func TestArticleExamples(t *testing.T) {
	t.Parallel()
	refused := map[string][]string{
		"01-basic.yml":      {"service.pipeline"},
		"02-catalog.yml":    {"catalog"},
		"07-database.yml":   {"service.database"},
		"09-discovery.yml":  {"environments[0].discovery"},
		"10-extensions.yml": {"extensions"},
		"11-dns.yml": {"environments[0].loadbalancer.hostedzone", "environments[1].loadbalancer.hostedzone",
			"environments[1].loadbalancer.name"},
		"12-https.yml": {"environments[0].loadbalancer.certificate"},
	}
	paths, err := filepath.Glob("testdata/mu-article/*.yml")
	if err != nil || len(paths) != 12 {
		t.Fatalf("expected twelve files, found %d (%v)", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(MuFileName, src, Options{DefaultServiceName: "folder"})
			if diff := cmp.Diff(refused[filepath.Base(path)], unsupportedPaths(t, err)); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

// unsupportedPaths are the keys an error refuses; any other mistake fails
// the test.
func unsupportedPaths(t *testing.T, err error) (paths []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	all, ok := errors.AsType[Errors](err)
	if !ok {
		t.Fatalf("not Errors: %v", err)
	}
	for _, e := range all {
		if e.Kind != KindUnsupported {
			t.Errorf("refused for another reason:\n%v", e)
		}
		paths = append(paths, e.Path)
	}
	return paths
}
