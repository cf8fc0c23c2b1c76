package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/events"
)

func TestFailureFindsTheKind(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		err  error
		kind error
	}{
		"taken, Docker":       {errors.New("driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:80 failed: port is already allocated"), ErrPortTaken},
		"taken, by another":   {errors.New("listen tcp4 127.0.0.1:80: bind: address already in use"), ErrPortTaken},
		"taken, Podman":       {errors.New("rootlessport listen tcp 127.0.0.1:80: bind: address already in use"), ErrPortTaken},
		"image, Docker":       {fmt.Errorf("no such image: x: %w", cerrdefs.ErrNotFound), ErrImageNotFound},
		"image, Podman":       {fmt.Errorf("x: image not known: %w", cerrdefs.ErrNotFound), ErrImageNotFound},
		"image, registry":     {errors.New("manifest for x:1 not found: manifest unknown: manifest unknown"), ErrImageNotFound},
		"image, private":      {errors.New("pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"), ErrImageNotFound},
		"denied":              {errors.New("no basic auth credentials"), ErrDenied},
		"container":           {fmt.Errorf("no such container: x: %w", cerrdefs.ErrNotFound), ErrNotFound},
		"conflict":            {fmt.Errorf("in use: %w", cerrdefs.ErrConflict), ErrConflict},
		"not running":         {errors.New("container 1 is not running"), ErrConflict},
		"not running, Podman": {errors.New("can only kill running containers: container state improper"), ErrConflict},
		"refused connection":  {fmt.Errorf("dial: %w", syscall.ECONNREFUSED), ErrEngineGone},
		"broken answer":       {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), ErrEngineGone},
		"other":               {errors.New("invalid mount config"), nil},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var got *Error
			if err := failure("do", "x", c.err); !errors.As(err, &got) || got.Kind != c.kind || !errors.Is(err, c.err) || c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("got %v of kind %v", err, got.Kind)
			}
		})
	}
	if failure("do", "x", nil) != nil {
		t.Error("nil became an error")
	}
	if err := failure("do", "x", context.Canceled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrEngineGone) {
		t.Errorf("got %v", err)
	}
}

func TestTextsAreShortened(t *testing.T) {
	t.Parallel()
	got := failure("start container", "web", errors.New("Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/x\": no such file or directory: unknown")).Error()
	if want := `start container web: unable to start container process: exec: "/x": no such file or directory`; got != want {
		t.Errorf("got %q", got)
	}
	long := shorten("first " + strings.Repeat("ä", textLimit) + " last")
	if len(long) > textLimit+10 || !strings.HasPrefix(long, "first ä") || !strings.HasSuffix(long, "ä last") || strings.ToValidUTF8(long, "") != long {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 30 * time.Second: 30} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestEventsOfBothEngines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action     events.Action
		attributes map[string]string
		want       Event
	}{
		"Docker, die":    {"die", map[string]string{"exitCode": "3"}, Event{Kind: EventDie, ExitCode: 3}},
		"Podman, die":    {"died", map[string]string{"containerExitCode": "3"}, Event{Kind: EventDie, ExitCode: 3}},
		"Docker, health": {"health_status: healthy", nil, Event{Kind: EventHealth, Health: HealthHealthy}},
		"Podman, health": {"health_status", map[string]string{"health_status": "unhealthy"}, Event{Kind: EventHealth, Health: HealthUnhealthy}},
		"Podman, remove": {"remove", nil, Event{Kind: EventDestroy}},
		"out of memory":  {"oom", nil, Event{Kind: EventOOM}},
	} {
		got, ok := eventOf(events.Message{Action: c.action, Actor: events.Actor{ID: "id", Attributes: c.attributes}, TimeNano: 5})
		c.want.ID, c.want.Time, c.want.Labels = "id", time.Unix(0, 5), c.attributes
		if diff := cmp.Diff(c.want, got); diff != "" || !ok {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, action := range []events.Action{"exec_start: /health", "create", "attach"} {
		if event, ok := eventOf(events.Message{Action: action}); ok {
			t.Errorf("%s is %+v", action, event)
		}
	}
}

func TestPortsAndPlatformsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{
		{Ports: []Port{{Container: 70000}}},
		{Ports: []Port{{Container: 80, HostIP: "localhost"}}},
		{DNS: []string{"dns.example"}},
		{Platform: "linux"},
		{Network: "a", NetworkContainer: "b"},
		{Mounts: []Mount{{Bind: "/a", Volume: "b", Target: "/c"}}},
	} {
		if _, err := createOptions(spec); err == nil {
			t.Errorf("accepted %+v", spec)
		}
	}
}
