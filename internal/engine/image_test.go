package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// testRegistry is an image registry on loopback, open, or to one user.
func testRegistry(t *testing.T, login Auth) (host string) {
	t.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if login != (Auth{}) && (name != login.Username || password != login.Password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// tagged gives the test image a further name for the time of the test.
func tagged(t *testing.T, e *Engine, ref string) string {
	t.Helper()
	if err := e.Tag(t.Context(), testImage(t, e), ref); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.Background(), ref, false); err != nil {
			t.Error(err)
		}
	})
	return ref
}

func TestPushAndPull(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	login := Auth{Username: "AWS", Password: "a secret"}
	ref := tagged(t, e, testRegistry(t, login)+"/app:1")
	var progress bytes.Buffer
	digest, err := e.Push(t.Context(), ref, login, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(digest, "sha256:") || !strings.Contains(progress.String(), digest) {
		t.Errorf("digest %q, progress %s", digest, &progress)
	}
	if err := e.RemoveImage(t.Context(), ref, false); err != nil {
		t.Fatal(err)
	}
	if has, err := e.HasImage(t.Context(), ref); has || err != nil {
		t.Errorf("after its removal: %v, %v", has, err)
	}
	if err := e.Pull(t.Context(), ref, login, io.Discard); err != nil {
		t.Fatal(err)
	}
	image, err := e.InspectImage(t.Context(), ref)
	if err != nil || !slices.Contains(image.Digests, strings.TrimSuffix(ref, ":1")+"@"+digest) {
		t.Errorf("digests %v, %v; want %s", image.Digests, err, digest)
	}
	id := create(t, e, Spec{Image: ref, Command: []string{"term"}})
	// Podman lists the digest of the local build among those of the repository.
	if state := inspect(t, e, id); state.ImageID != image.ID || len(image.Digests) == 1 && state.ImageDigest != digest || state.ImageDigest == "" {
		t.Errorf("the container's image is %s, %s", state.ImageID, state.ImageDigest)
	}
}

func TestRegistryRefusals(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	open, closed := testRegistry(t, Auth{}), testRegistry(t, Auth{Username: "u", Password: "p"})
	wrong := Auth{Username: "u", Password: "wrong-secret"}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"pull of what is not there": {e.Pull(t.Context(), open+"/absent:1", Auth{}, nil), ErrImageNotFound},
		"pull with a wrong login":   {e.Pull(t.Context(), closed+"/app:1", wrong, nil), ErrDenied},
		"push of what is not there": {pushOnly(t, e, open+"/absent:1", Auth{}), ErrImageNotFound},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
		if c.err != nil && strings.Contains(c.err.Error(), "secret") {
			t.Errorf("%s tells the password: %v", name, c.err)
		}
	}
}

func pushOnly(t *testing.T, e *Engine, ref string, auth Auth) error {
	t.Helper()
	_, err := e.Push(t.Context(), ref, auth, nil)
	return err
}

// A registry that is down is the registry's fault, not the engine's.
func TestPullFromARegistryThatIsDown(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	server := httptest.NewServer(nil)
	server.Close()
	err := e.Pull(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/app:1", Auth{}, nil)
	if err == nil || errors.Is(err, ErrEngineGone) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func TestAuthIsNotPrinted(t *testing.T) {
	t.Parallel()
	auth := Auth{Username: "u", Password: "secret", IdentityToken: "secret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, auth) + fmt.Sprintf(format, Build{Auth: map[string]Auth{"h": auth}}); strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

func TestInspectImage(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	image, err := e.InspectImage(t.Context(), testImage(t, e))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Port{{Container: 53, Protocol: "udp"}, {Container: 8080, Protocol: "tcp"}}, image.ExposedPorts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/program"}, image.Entrypoint); diff != "" {
		t.Error(diff)
	}
	if image.Labels[testLabel] != testRun || image.Size < 1<<20 || image.OS != "linux" || image.HealthCheck != nil {
		t.Errorf("%+v", image)
	}
	if _, err := e.InspectImage(t.Context(), "localhost/absent:1"); !errors.Is(err, ErrImageNotFound) {
		t.Error(err)
	}
	if err := e.RemoveImage(t.Context(), "localhost/absent:1", false); err != nil {
		t.Error(err)
	}
}

// writeTree writes files given as name, content, name, content.
func writeTree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBuild(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dir := writeTree(t, "build/web.Dockerfile", "ARG BASE\nFROM $BASE AS base\nARG VALUE\nENV VALUE=$VALUE\nFROM base\nCOPY data /data\nRUN [\"/program\", \"out=running\", \"env=VALUE\", \"exists=/data/kept\"]\nHEALTHCHECK --interval=5s --retries=2 CMD [\"/program\"]\n",
		"data/kept", "", "data/dropped", "", ".dockerignore", "data/dropped\nbuild\n")
	var progress bytes.Buffer
	b := Build{
		Dir: dir, Dockerfile: "build/web.Dockerfile", Tags: []string{"localhost/" + testName(t) + ":1"}, Labels: labels(),
		BuildArgs: map[string]string{"BASE": testImage(t, e), "VALUE": "given"}, Progress: &progress,
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.Background(), b.Tags[0], true) })
	id, err := e.Build(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(progress.String(), "running\ngiven\n") {
		t.Errorf("progress: %s", &progress)
	}
	image, err := e.InspectImage(t.Context(), b.Tags[0])
	if err != nil || image.ID != id || image.Labels[testLabel] != testRun {
		t.Errorf("%+v, %v; want %s", image, err, id)
	}
	if check := image.HealthCheck; check == nil || check.Interval != 5*time.Second || check.Retries != 2 {
		t.Errorf("health check %+v", check)
	}
	if again, err := e.Build(t.Context(), b); again != id || err != nil {
		t.Errorf("the second time %s, %v", again, err)
	}
	container, code := finish(t, e, Spec{Image: id, Command: []string{"exists=/data/dropped"}})
	if code != 1 {
		t.Errorf("an ignored file is in the image: %v", collect(t, e, container, LogPosition{}))
	}
}

// Labels are a last step of their own, so there is one more than the Dockerfile has lines.
func TestBuildsThatFail(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	server := httptest.NewServer(nil)
	server.Close() // a registry nobody runs
	down := strings.TrimPrefix(server.URL, "http://")
	for name, c := range map[string]struct {
		dockerfile string
		want       BuildError
		text       string
	}{
		"a command": {
			"FROM " + testImage(t, e) + "\nENV A=b\nRUN [\"/program\", \"err=compiling\", \"err=main.go:3: undefined\", \"exit=3\"]\n",
			BuildError{Step: "3/4", ExitCode: 3, Output: []string{"compiling", "main.go:3: undefined"}}, "exit code 3\n  compiling\n  main.go:3: undefined",
		},
		"a base image":      {"FROM " + down + "/absent:1\n", BuildError{Step: "1/2", BaseImage: down + "/absent:1"}, "the base image " + down + "/absent:1 cannot be had: "},
		"an image to copy":  {"FROM scratch\nCOPY --from=" + down + "/absent:1 / /\n", BuildError{Step: "2/3", BaseImage: down + "/absent:1"}, "cannot be had"},
		"a file to copy":    {"FROM scratch\nCOPY absent /\n", BuildError{Step: "2/3"}, "absent"},
		"a file of a stage": {"FROM " + testImage(t, e) + " AS one\nFROM scratch\nCOPY --from=one /absent /\n", BuildError{Step: "3/4"}, "absent"},
		"the syntax":        {"FROM scratch\nFLY away\n", BuildError{}, "unknown instruction"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := e.Build(t.Context(), Build{Dir: writeTree(t, "Dockerfile", c.dockerfile), Labels: labels()})
			var got *BuildError
			if !errors.As(err, &got) {
				t.Fatalf("got %T: %v", err, err)
			}
			if got.ExitCode != c.want.ExitCode || got.BaseImage != c.want.BaseImage {
				t.Errorf("got %+v", got)
			}
			if c.want.Step != "" && got.Step != c.want.Step || c.want.Output != nil && !cmp.Equal(got.Output, c.want.Output) {
				t.Errorf("step %s, output %q", got.Step, got.Output)
			}
			if !strings.Contains(strings.ToLower(err.Error()), c.text) {
				t.Errorf("text %q", err)
			}
			if errors.Is(err, ErrImageNotFound) != (c.want.BaseImage != "") {
				t.Errorf("kind of %v", err)
			}
		})
	}
}

func TestBuildIsBrokenOff(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := writeTree(t, "Dockerfile", "FROM "+testImage(t, e)+"\nRUN [\"/program\", \"term\"]\n")
	running := &signalled{at: "ready", seen: make(chan struct{})}
	go func() { <-running.seen; cancel() }()
	if _, err := e.Build(ctx, Build{Dir: dir, Labels: labels(), Progress: running}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestBuildWithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	e := &Engine{}
	for name, c := range map[string]struct {
		build Build
		text  string
	}{
		"no directory":  {Build{Dir: filepath.Join(t.TempDir(), "absent")}, "build context"},
		"no Dockerfile": {Build{Dir: t.TempDir()}, "there is no Dockerfile at"},
		"outside":       {Build{Dir: t.TempDir(), Dockerfile: "../Dockerfile"}, "outside of the build context"},
		"platform":      {Build{Dir: writeTree(t, "Dockerfile", ""), Platform: "arm"}, `platform "arm" is not os/arch`},
		"ignore file":   {Build{Dir: writeTree(t, "Dockerfile", "", ".dockerignore", "[a")}, "ignore"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := e.Build(t.Context(), c.build); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLoadWhatIsNoImage(t *testing.T) {
	t.Parallel()
	if refs, err := testEngine(t).Load(t.Context(), strings.NewReader("no archive")); err == nil {
		t.Errorf("loaded %v", refs)
	}
}
