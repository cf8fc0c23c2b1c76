package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestContainersOfATaskShareTheNetworkOfItsPause(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ref, err := e.PauseImage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.PauseImage(t.Context())
	if again != ref || err != nil {
		t.Errorf("the second time %q, %v", again, err)
	}
	network := testNetwork(t, e, NetworkSpec{})
	pause := start(t, e, Spec{Name: testName(t) + "-pause", Image: ref, Network: network.Name, Aliases: []string{"web.internal"}, Ports: []Port{{Container: 8080}}})
	start(t, e, Spec{Name: testName(t) + "-web", NetworkContainer: pause, Command: []string{"serve=8080"}})

	state := inspect(t, e, pause)
	port, ok := state.HostPort(8080, "tcp")
	if !ok || state.Networks[network.Name] == "" {
		t.Fatalf("%+v", state)
	}
	if got := get(t, port.Host); !strings.HasPrefix(got, "hello") {
		t.Errorf("through the pause container's port: %q", got)
	}
	client, code := finish(t, e, Spec{Name: testName(t) + "-client", Network: network.Name, Command: []string{"get=http://web.internal:8080/"}})
	if code != 0 {
		t.Errorf("by name on the network: %v", collect(t, e, client, LogPosition{}))
	}
	if err := e.Stop(t.Context(), pause, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if state := inspect(t, e, pause); state.ExitCode != 0 {
		t.Errorf("the pause program did not take SIGTERM: exit code %d", state.ExitCode)
	}
}

func testNetwork(t *testing.T, e *Engine, spec NetworkSpec) Network {
	t.Helper()
	spec.Name, spec.Labels = testName(t), labels()
	network, err := e.EnsureNetwork(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveNetwork(context.Background(), network.ID); err != nil {
			t.Error(err)
		}
	})
	return network
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	network := testNetwork(t, e, NetworkSpec{Internal: true})
	if network.ID == "" || network.Subnet == "" || network.Gateway == "" {
		t.Errorf("%+v", network)
	}
	again, err := e.EnsureNetwork(t.Context(), NetworkSpec{Name: network.Name, Labels: labels()})
	if err != nil || again.ID != network.ID {
		t.Errorf("the second time %+v, %v", again, err)
	}
	if _, err := e.EnsureNetwork(t.Context(), NetworkSpec{Name: network.Name, Labels: map[string]string{testLabel: "other"}}); !errors.Is(err, ErrConflict) {
		t.Errorf("with other labels: %v", err)
	}
	list, err := e.Networks(t.Context(), labels())
	if err != nil || !slices.ContainsFunc(list, func(n Network) bool { return n.ID == network.ID }) {
		t.Errorf("%+v, %v", list, err)
	}

	id := start(t, e, Spec{Command: []string{"term"}})
	for range 2 { // connecting is idempotent
		if err := e.ConnectNetwork(t.Context(), network.ID, id, "other.name"); err != nil {
			t.Fatal(err)
		}
	}
	if inspect(t, e, id).Networks[network.Name] == "" {
		t.Error("not connected")
	}
	if err := e.RemoveNetwork(t.Context(), network.ID); !errors.Is(err, ErrConflict) {
		t.Errorf("removal while in use: %v", err)
	}
	for range 2 {
		if err := e.DisconnectNetwork(t.Context(), network.ID, id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountsAndVolumes(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	volume := testName(t)
	for range 2 {
		if err := e.EnsureVolume(t.Context(), volume, labels()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := e.RemoveVolume(context.Background(), volume); err != nil {
			t.Error(err)
		}
	})
	id, code := finish(t, e, Spec{
		Command:        []string{"exists=/bound/file", "exists=/volume", "exists=/scratch"},
		Mounts:         []Mount{{Bind: dir, Target: "/bound", ReadOnly: true}, {Volume: volume, Target: "/volume"}},
		Tmpfs:          map[string]string{"/scratch": "size=1m"},
		ReadonlyRootFS: true, CapDrop: []string{"ALL"}, Ulimits: []Ulimit{{Name: "nofile", Soft: 100, Hard: 200}}, Init: true,
	})
	if code != 0 {
		t.Errorf("exit code %d: %v", code, collect(t, e, id, LogPosition{}))
	}
	if names, err := e.Volumes(t.Context(), labels()); err != nil || !slices.Contains(names, volume) {
		t.Errorf("%v, %v", names, err)
	}
	if err := e.RemoveVolume(t.Context(), volume); !errors.Is(err, ErrConflict) {
		t.Errorf("removal while in use: %v", err)
	}
}
