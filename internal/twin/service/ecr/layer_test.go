package ecr_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/wire"
)

// fetch gets an address as a client without credentials does.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// replaceLast gives a text another last letter.
func replaceLast(text string) string {
	last := "A"
	if strings.HasSuffix(text, last) {
		last = "B"
	}
	return text[:len(text)-1] + last
}

func TestTheAddressOfALayerNeedsNoPassword(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri, other := g.repository(t, "team/app"), g.repository(t, "other")
	i := randomImage(t)
	for _, repository := range []string{uri, other} {
		if err := remote.Write(parse(t, repository+":v1"), i, g.auth()); err != nil {
			t.Fatal(err)
		}
	}
	m, err := i.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	first, second := m.Layers[0], m.Layers[1].Digest.String()
	out, err := g.GetDownloadUrlForLayer(g.Context, &api.GetDownloadUrlForLayerInput{RepositoryName: "team/app", LayerDigest: first.Digest.String()})
	if err != nil {
		t.Fatal(err)
	}
	url := *out.DownloadUrl
	if status, body := fetch(t, url); status != http.StatusOK || int64(len(body)) != first.Size {
		t.Fatalf("%d, %d bytes, want %d", status, len(body), first.Size)
	}
	plain, _, _ := strings.Cut(url, "?")
	for name, test := range map[string]struct {
		url    string
		status int
	}{
		"no signature":       {plain, http.StatusUnauthorized},
		"empty signature":    {plain + "?signature=", http.StatusForbidden},
		"tampered signature": {replaceLast(url), http.StatusForbidden},
		"password":           {plain + "?signature=" + g.password, http.StatusForbidden},
		"another layer":      {strings.Replace(url, first.Digest.String(), second, 1), http.StatusForbidden},
		"another repository": {strings.Replace(url, "/team/app/", "/other/", 1), http.StatusForbidden},
		"another region":     {strings.Replace(url, "/us-east-1/", "/eu-west-1/", 1), http.StatusForbidden},
		"the manifest":       {strings.Replace(url, "/blobs/", "/manifests/", 1), http.StatusForbidden},
	} {
		if status, body := fetch(t, test.url); status != test.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, test.status)
		}
	}
	answer, err := http.Head(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("another method: %s", answer.Status)
	}
	_, signature, _ := strings.Cut(url, "signature=")
	g.password = signature
	if answer, _ := g.request(t, "GET", "/v2/", ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the signature as password: %s", answer.Status)
	}
	if _, err := g.DeleteRepository(g.Context, &api.DeleteRepositoryInput{RepositoryName: "team/app", Force: new(true)}); err != nil {
		t.Fatal(err)
	}
	if status, body := fetch(t, url); status != http.StatusNotFound {
		t.Errorf("of a repository that is gone: %d %s", status, body)
	}
}

func TestALayerThatIsNotThereHasNoAddress(t *testing.T) {
	t.Parallel()
	g := start(t)
	g.repository(t, "app")
	out, err := g.GetDownloadUrlForLayer(g.Context, &api.GetDownloadUrlForLayerInput{RepositoryName: "app", LayerDigest: "sha256:" + strings.Repeat("0", 64)})
	if !wire.HasCode(err, "LayersNotFoundException") {
		t.Errorf("%+v, %v", out, err)
	}
}
