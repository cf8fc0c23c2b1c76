package ecr_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// rig is a twin with what a test of its registry needs.
type rig struct {
	*twintest.Twin
	api.Client
	password string
}

func start(t *testing.T) *rig { return startIn(t, t.TempDir()) }

func startIn(t *testing.T, dir string) *rig {
	t.Helper()
	w := twintest.StartIn(t, dir)
	g := &rig{Twin: w, Client: api.Client{Invoker: w.Invoker}}
	out, err := g.GetAuthorizationToken(w.Context, &api.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := base64.StdEncoding.DecodeString(*out.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	g.password = strings.TrimPrefix(string(plain), "AWS:")
	return g
}

// repository makes a repository and returns its URI.
func (g *rig) repository(t *testing.T, name string) string {
	t.Helper()
	out, err := g.CreateRepository(g.Context, &api.CreateRepositoryInput{RepositoryName: name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Repository.RepositoryUri
}

func (g *rig) auth() remote.Option {
	return remote.WithAuth(&authn.Basic{Username: "AWS", Password: g.password})
}

func parse(t *testing.T, reference string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	i, err := random.Image(20_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func digest(t *testing.T, i interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// request asks the registry and returns the answer with its body read.
func (g *rig) request(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+g.Address()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("AWS", g.password)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

func (g *rig) blobFiles(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(g.Dir, "registry", "blobs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnImageIsPushedTwiceAndPulledByTagAndDigest(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "team/app")
	i := randomImage(t)
	for range 2 {
		if err := remote.Write(parse(t, uri+":v1"), i, g.auth()); err != nil {
			t.Fatalf("push: %v", err)
		}
	}
	for _, reference := range []string{uri + ":v1", uri + "@" + digest(t, i)} {
		pulled, err := remote.Image(parse(t, reference), g.auth())
		if err != nil || digest(t, pulled) != digest(t, i) {
			t.Fatalf("pull %s: %v", reference, err)
		}
		layers, err := pulled.Layers()
		if err != nil || len(layers) != 3 {
			t.Fatalf("layers: %v, %v", layers, err)
		}
		content, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, content); err != nil || n == 0 {
			t.Errorf("layer: %d bytes, %v", n, err)
		}
	}
	out, err := g.DescribeImages(g.Context, &api.DescribeImagesInput{RepositoryName: "team/app"})
	if err != nil || len(out.ImageDetails) != 1 {
		t.Fatalf("describe: %v, %v", out, err)
	}
	m, _ := i.Manifest()
	size := 0
	for _, l := range m.Layers {
		size += int(l.Size)
	}
	d := out.ImageDetails[0]
	if *d.ImageSizeInBytes != size || len(d.ImageTags) != 1 || d.ImagePushedAt.IsZero() || d.LastRecordedPullTime == nil {
		t.Errorf("details %+v, want size %d, one tag and both times", d, size)
	}
}

func TestAPushByDigestMakesAnUntaggedImage(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	i := randomImage(t)
	if err := remote.Write(parse(t, uri+"@"+digest(t, i)), i, g.auth()); err != nil {
		t.Fatal(err)
	}
	out, err := g.ListImages(g.Context, &api.ListImagesInput{RepositoryName: "app"})
	if err != nil || len(out.ImageIds) != 1 || out.ImageIds[0].ImageTag != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAListHoldsItsImages(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	i := randomImage(t)
	list := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: i})
	if err := remote.WriteIndex(parse(t, uri+":list"), list, g.auth()); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Index(parse(t, uri+":list"), g.auth()); err != nil {
		t.Error(err)
	}
	out, err := g.BatchDeleteImage(g.Context, &api.BatchDeleteImageInput{RepositoryName: "app", ImageIds: []api.ImageIdentifier{{ImageDigest: new(digest(t, i))}}})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].FailureCode != "ImageReferencedByManifestList" {
		t.Errorf("delete what a list holds: %+v, %v", out, err)
	}
}

func TestALayerIsMountedFromAnotherRepository(t *testing.T) {
	t.Parallel()
	g := start(t)
	first, _ := g.repository(t, "first"), g.repository(t, "second")
	i := randomImage(t)
	if err := remote.Write(parse(t, first+":v1"), i, g.auth()); err != nil {
		t.Fatal(err)
	}
	before := g.blobFiles(t)
	m, err := i.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range append(m.Layers, m.Config) {
		answer, text := g.request(t, "POST", fmt.Sprintf("/v2/000000000000/us-east-1/second/blobs/uploads/?mount=%s&from=000000000000/us-east-1/first", l.Digest), "")
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("mount: %s %s", answer.Status, text)
		}
	}
	raw, _ := i.RawManifest()
	if answer, text := g.request(t, "PUT", "/v2/000000000000/us-east-1/second/manifests/v1", string(raw), "Content-Type", string(m.MediaType)); answer.StatusCode != http.StatusCreated {
		t.Fatalf("manifest: %s %s", answer.Status, text)
	}
	if after := g.blobFiles(t); after != before {
		t.Errorf("%d files after the mount, %d before: blobs are shared", after, before)
	}
	answer, _ := g.request(t, "POST", "/v2/000000000000/us-east-1/second/blobs/uploads/?mount=sha256:"+strings.Repeat("0", 64)+"&from=000000000000/us-east-1/first", "")
	if answer.StatusCode != http.StatusAccepted || answer.Header.Get("Location") == "" {
		t.Errorf("mount of what is not there: %s, want an upload", answer.Status)
	}
}

func TestAnUploadInPiecesSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	g := startIn(t, dir)
	g.repository(t, "app")
	answer, _ := g.request(t, "POST", "/v2/000000000000/us-east-1/app/blobs/uploads/", "")
	location := answer.Header.Get("Location")
	if answer, text := g.request(t, "PATCH", location, "hello ", "Content-Range", "0-5"); answer.StatusCode != http.StatusAccepted || answer.Header.Get("Range") != "0-5" {
		t.Fatalf("first piece: %s %s %s", answer.Status, answer.Header.Get("Range"), text)
	}
	if answer, _ := g.request(t, "PATCH", location, "x", "Content-Range", "9-9"); answer.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a piece out of order: %s", answer.Status)
	}
	password := g.password
	g.Stop(t)
	g = startIn(t, dir)
	g.password = password
	if answer, _ := g.request(t, "GET", location, ""); answer.StatusCode != http.StatusNoContent || answer.Header.Get("Range") != "0-5" {
		t.Fatalf("state after the restart: %s %s", answer.Status, answer.Header.Get("Range"))
	}
	const sum = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9" // of "hello world"
	if answer, text := g.request(t, "PUT", location+"?digest=sha256:"+strings.Repeat("0", 64), ""); answer.StatusCode != http.StatusBadRequest || !strings.Contains(text, "DIGEST_INVALID") {
		t.Errorf("wrong digest: %s %s", answer.Status, text)
	}
	if answer, text := g.request(t, "PUT", location+"?digest="+sum, "world"); answer.StatusCode != http.StatusCreated {
		t.Fatalf("last piece: %s %s", answer.Status, text)
	}
	answer, text := g.request(t, "GET", "/v2/000000000000/us-east-1/app/blobs/"+sum, "", "Range", "bytes=6-8")
	if answer.StatusCode != http.StatusPartialContent || text != "wor" {
		t.Errorf("range: %s %q", answer.Status, text)
	}
	if answer, _ := g.request(t, "HEAD", "/v2/000000000000/us-east-1/app/blobs/"+sum, ""); answer.ContentLength != 11 {
		t.Errorf("size %d", answer.ContentLength)
	}
}

func TestALayerSentWhole(t *testing.T) {
	t.Parallel()
	g := start(t)
	g.repository(t, "app")
	const sum = "sha256:b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
	if answer, text := g.request(t, "POST", "/v2/000000000000/us-east-1/app/blobs/uploads/?digest="+sum, "hello world"); answer.StatusCode != http.StatusCreated {
		t.Errorf("%s %s", answer.Status, text)
	}
}

func TestAnImmutableTagStays(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	_, err := g.PutImageTagMutability(g.Context, &api.PutImageTagMutabilityInput{RepositoryName: "app", ImageTagMutability: "IMMUTABLE"})
	if err != nil {
		t.Fatal(err)
	}
	i := randomImage(t)
	for range 2 { // the same image again is no change
		if err := remote.Write(parse(t, uri+":v1"), i, g.auth()); err != nil {
			t.Fatal(err)
		}
	}
	err = remote.Write(parse(t, uri+":v1"), randomImage(t), g.auth())
	if err == nil || !strings.Contains(err.Error(), "TAG_INVALID: The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable.") {
		t.Errorf("another image under the tag: %v", err)
	}
}

func TestDeletionFreesTheDisk(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	i := randomImage(t)
	if err := remote.Write(parse(t, uri+":v1"), i, g.auth()); err != nil {
		t.Fatal(err)
	}
	_, err := g.DeleteRepository(g.Context, &api.DeleteRepositoryInput{RepositoryName: "app"})
	if !wire.HasCode(err, "RepositoryNotEmptyException") {
		t.Errorf("delete a full repository: %v", err)
	}
	if err := remote.Delete(parse(t, uri+"@"+digest(t, i)), g.auth()); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(parse(t, uri+":v1"), g.auth()); err == nil {
		t.Error("the image is still there")
	}
	if _, err := g.DeleteRepository(g.Context, &api.DeleteRepositoryInput{RepositoryName: "app", Force: new(true)}); err != nil {
		t.Fatal(err)
	}
	dir := g.Dir
	g.Stop(t)
	g = startIn(t, dir)
	g.repository(t, "other")
	waitFor(t, func() bool { return g.blobFiles(t) == 0 })
}

func TestStrangersAreAskedForAPassword(t *testing.T) {
	t.Parallel()
	g := start(t)
	answer, err := http.Get("http://" + g.Address() + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%s, %q", answer.Status, answer.Header.Get("WWW-Authenticate"))
	}
	if answer, text := g.request(t, "GET", "/v2/_catalog", ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("catalog: %s %s", answer.Status, text)
	}
	if answer, text := g.request(t, "GET", "/v2/111111111111/us-east-1/app/tags/list", ""); answer.StatusCode != http.StatusForbidden {
		t.Errorf("another account: %s %s", answer.Status, text)
	}
	if answer, text := g.request(t, "GET", "/v2/000000000000/us-east-1/nowhere/tags/list", ""); answer.StatusCode != http.StatusNotFound || !strings.Contains(text, "NAME_UNKNOWN") {
		t.Errorf("no repository: %s %s", answer.Status, text)
	}
	g.password = "x" + g.password[1:]
	if answer, _ := g.request(t, "GET", "/v2/", ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("forged password: %s", answer.Status)
	}
}

func TestTagsAreListedInPages(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	i := randomImage(t)
	for _, tag := range []string{"c", "a", "b"} {
		if err := remote.Write(parse(t, uri+":"+tag), i, g.auth()); err != nil {
			t.Fatal(err)
		}
	}
	answer, text := g.request(t, "GET", "/v2/000000000000/us-east-1/app/tags/list?n=2", "")
	if !strings.Contains(text, `"tags":["a","b"]`) || !strings.Contains(answer.Header.Get("Link"), "last=b") {
		t.Errorf("%s, %s", text, answer.Header.Get("Link"))
	}
	if _, text := g.request(t, "GET", "/v2/000000000000/us-east-1/app/tags/list?n=2&last=b", ""); !strings.Contains(text, `"tags":["c"]`) {
		t.Errorf("second page: %s", text)
	}
}

// TestDockerPushesAndPulls uses the docker client, whose daemon must see this machine's loopback.
func TestDockerPushesAndPulls(t *testing.T) {
	t.Parallel()
	docker, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("no docker client")
	}
	if out, err := exec.Command(docker, "version").CombinedOutput(); err != nil {
		t.Skipf("no engine behind docker: %s", out)
	}
	g := start(t)
	uri := g.repository(t, "app")
	config := t.TempDir()
	run := func(stdin string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), docker, args...)
		c.Env = append(os.Environ(), "DOCKER_CONFIG="+config)
		c.Stdin = strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	host, _, _ := strings.Cut(uri, "/")
	run(g.password, "login", "-u", "AWS", "--password-stdin", host)
	var archive bytes.Buffer
	if err := tarOf(&archive, "hello.txt", bytes.Repeat([]byte("hello\n"), 50_000)); err != nil {
		t.Fatal(err)
	}
	run(archive.String(), "import", "-", uri+":v1")
	t.Cleanup(func() { exec.Command(docker, "rmi", "-f", uri+":v1").Run() })
	run("", "push", uri+":v1")
	run("", "rmi", uri+":v1")
	if out := run("", "pull", uri+":v1"); !strings.Contains(out, "Downloaded newer image") {
		t.Errorf("pull said: %s", out)
	}
}
