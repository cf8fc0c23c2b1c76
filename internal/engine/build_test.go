package engine

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Podman's builder says the same in other words.
func TestBuildLogOfPodman(t *testing.T) {
	t.Parallel()
	log := &buildLog{}
	stream := `{"stream":"[2/2] STEP 1/2: FROM scratch\n"}{"stream":"[2/2] STEP 2/2: RUN make\n"}{"stream":"make: "}{"stream":"nothing\n"}` +
		`{"error":"building at STEP \"RUN make\": while running runtime: exit status 2"}`
	err := readMessages(strings.NewReader(stream), nil, log.take)
	got := buildFailure(context.Background(), log.failure("Dockerfile"), err)
	want := "build image from Dockerfile: step 2/2, RUN make: exit code 2\n  make: nothing"
	if got.Error() != want {
		t.Errorf("got %q", got)
	}
}

func TestBuildLogFindsTheImage(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]string{
		"Docker": `{"stream":"Step 1/1 : FROM scratch\n"}{"aux":{"ID":"sha256:abc"}}`,
		"Podman": `{"stream":"Successfully built sha256:abc\n"}`,
	} {
		log := &buildLog{}
		if err := readMessages(strings.NewReader(stream), nil, log.take); err != nil || log.imageID != "sha256:abc" {
			t.Errorf("%s: %q, %v", name, log.imageID, err)
		}
	}
}

func TestBuildLogKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	log := &buildLog{}
	log.take(message{Stream: "Step 1/1 : RUN x\n ---> Running in 1\n" + strings.Repeat("early\n", 100) + strings.Repeat("late\n", outputLimit)})
	if diff := cmp.Diff(strings.Fields(strings.Repeat("late ", outputLimit)), log.failure("").Output); diff != "" {
		t.Error(diff)
	}
}

func TestBaseImage(t *testing.T) {
	t.Parallel()
	for instruction, want := range map[string]string{
		"FROM golang:1.26":                           "golang:1.26",
		"from --platform=linux/arm64 golang AS base": "golang",
		"COPY --chown=1 --from=busybox /a /b":        "busybox",
		"COPY a b":                                   "",
		"RUN echo FROM x":                            "",
		"":                                           "",
	} {
		if got := baseImage(instruction); got != want {
			t.Errorf("%q: %q, want %q", instruction, got, want)
		}
	}
}

func TestBuildOfAnEngineThatGoesAway(t *testing.T) {
	t.Parallel()
	log := &buildLog{}
	err := readMessages(strings.NewReader(`{"stream":"Step 1/1 : FROM scratch\n"}{"stre`), nil, log.take)
	if got := buildFailure(context.Background(), log.failure("Dockerfile"), err); !errors.Is(got, ErrEngineGone) {
		t.Errorf("got %v", got)
	}
}

// buildServer is an engine that does as the test says with a build.
func buildServer(t *testing.T, build http.HandlerFunc) *Engine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/build") {
			build(w, r)
		}
	}))
	t.Cleanup(server.Close)
	e, err := Dial(t.Context(), "tcp://"+server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// What goes wrong while the engine takes the context is told from an engine that is gone.
func TestBuildOfAContextThatChanges(t *testing.T) {
	t.Parallel()
	const size = 64 << 20 // more than the connection holds: the file is still being read when the build is under way
	for name, test := range map[string]struct {
		during func(w http.ResponseWriter, file string) error
		want   string // in the error; empty where the engine is gone
		cause  error
	}{
		"grows": {
			during: func(_ http.ResponseWriter, file string) error { return os.Truncate(file, size+1) },
			want:   "build image from Dockerfile: read build context: server.log grew while it was read (archive/tar: write too long)", cause: tar.ErrWriteTooLong,
		},
		"shrinks": {
			during: func(_ http.ResponseWriter, file string) error { return os.Truncate(file, 0) },
			want:   "build image from Dockerfile: read build context: server.log shrank while it was read (",
		},
		"is gone before its turn": {
			during: func(_ http.ResponseWriter, file string) error {
				return os.RemoveAll(filepath.Join(filepath.Dir(file), "zone"))
			},
			want: "/zone: no such file or directory", cause: fs.ErrNotExist,
		},
		"engine goes": {
			during: func(w http.ResponseWriter, _ string) error {
				connection, _, err := http.NewResponseController(w).Hijack()
				return errors.Join(err, connection.Close())
			},
			cause: ErrEngineGone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, "Dockerfile", "FROM scratch", "server.log", "", "zone/file", "")
			file := filepath.Join(dir, "server.log")
			if err := os.Truncate(file, size); err != nil {
				t.Fatal(err)
			}
			e := buildServer(t, func(w http.ResponseWriter, r *http.Request) {
				_, err := io.CopyN(io.Discard, r.Body, 1<<20)
				if err := errors.Join(err, test.during(w, file)); err != nil {
					t.Error(err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
			})
			_, err := e.Build(t.Context(), Build{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) || test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("got %v", err)
			}
			if (test.want == "") != errors.Is(err, ErrEngineGone) {
				t.Errorf("the engine's absence is misjudged: %v", err)
			}
		})
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(`{"stream":"Step 1/2 : RUN x\n"}{"errorDetail":{"code":1,"message":"returned a non-zero code: 1"}}`)
	f.Add(`{"status":"1: digest: sha256:00","aux":{"Digest":"x"},"progressDetail":{}}`)
	f.Fuzz(func(t *testing.T, stream string) {
		log := &buildLog{}
		err := readMessages(strings.NewReader(stream), nil, func(m message) { log.take(m); _ = m.digest() })
		if err != nil && buildFailure(t.Context(), log.failure("Dockerfile"), err).Error() == "" {
			t.Error("an error without a text")
		}
	})
}
