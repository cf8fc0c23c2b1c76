package cli

import (
	"bytes"
	"testing"

	"slipway.dev/internal/delivery"
)

func TestDeployedSaysTheHosts(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	g := &Globals{out: &out, err: &errs}
	g.deployed(&delivery.Deployment{Environment: "dev", URL: "http://x/", Hosts: []string{"api.example.com", "b.example.com"}})
	if got, want := out.String(), "http://x/\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if got, want := errs.String(), "No changes: environment dev is up\nanswers to Host: api.example.com, b.example.com\n"; got != want {
		t.Errorf("errors %q, want %q", got, want)
	}
}
