package engine

import (
	"context"
	"errors"
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
