package engine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeEngine answers pings on a socket, as an engine of an API version.
func fakeEngine(t *testing.T, path, version string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", version)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// shortDir is a directory whose path is short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "find")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func surroundingsOf(home string, variables map[string]string) environment {
	return environment{
		getenv: func(name string) string { return variables[name] },
		home:   home, os: "linux",
		exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil && strings.HasPrefix(path, home) // the machine's own engine is out of the picture
		},
	}
}

// defineContext writes a docker context as the docker command does.
func defineContext(t *testing.T, home, name, host string) {
	t.Helper()
	// sha256 of "colima", which is how docker names the folder
	folder := map[string]string{"colima": "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16"}[name]
	dir := filepath.Join(home, ".docker/contexts/meta", folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte(`{"Name":"`+name+`","Endpoints":{"docker":{"Host":"`+host+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindTakesTheFirstThatAnswers(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	if err := os.Mkdir(filepath.Join(home, "podman"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "docker.sock"), nil, 0o600); err != nil { // left behind by a dead daemon
		t.Fatal(err)
	}
	fakeEngine(t, filepath.Join(home, "podman/podman.sock"), "1.41")
	e, err := find(t.Context(), surroundingsOf(home, map[string]string{"XDG_RUNTIME_DIR": home}))
	if err != nil {
		t.Fatal(err)
	}
	if e.Host() != "unix://"+home+"/podman/podman.sock" || e.api.ClientVersion() != "1.41" {
		t.Errorf("found %s, API %s", e.Host(), e.api.ClientVersion())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestFindTakesTheChosenContext(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	defineContext(t, home, "colima", "unix://"+home+"/colima.sock")
	fakeEngine(t, home+"/colima.sock", "1.47")
	fakeEngine(t, home+"/docker.sock", "1.41")
	if err := os.WriteFile(filepath.Join(home, ".docker/config.json"), []byte(`{"currentContext":"colima"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, variables := range map[string]map[string]string{
		"configured": {"XDG_RUNTIME_DIR": home}, "by variable": {"DOCKER_CONTEXT": "colima", "XDG_RUNTIME_DIR": home},
	} {
		e, err := find(t.Context(), surroundingsOf(home, variables))
		if err != nil || e.Host() != "unix://"+home+"/colima.sock" {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	e, err := find(t.Context(), surroundingsOf(home, map[string]string{"DOCKER_CONTEXT": "default", "XDG_RUNTIME_DIR": home}))
	if err != nil || e.Host() != "unix://"+home+"/docker.sock" {
		t.Errorf("context default: %v, %v", e, err)
	}
}

// What the user named is not replaced by something else that happens to answer.
func TestFindDoesNotReplaceANamedEngine(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	fakeEngine(t, home+"/docker.sock", "1.41")
	for name, c := range map[string]struct {
		variables map[string]string
		text      string
	}{
		"host":    {map[string]string{"DOCKER_HOST": "unix://" + home + "/absent.sock"}, "DOCKER_HOST = unix://" + home + "/absent.sock: no such socket"},
		"ssh":     {map[string]string{"DOCKER_HOST": "ssh://somewhere"}, "ssh:// is not supported"},
		"context": {map[string]string{"DOCKER_CONTEXT": "absent"}, `docker context "absent" (DOCKER_CONTEXT): it is chosen, but not defined`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.variables["XDG_RUNTIME_DIR"] = home
			_, err := find(t.Context(), surroundingsOf(home, c.variables))
			if !errors.Is(err, ErrNoEngine) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "unset it") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNoEngineSaysWhatWasTriedAndWhatToDo(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	_, err := find(t.Context(), surroundingsOf(home, map[string]string{"XDG_RUNTIME_DIR": home}))
	want := `no container engine answers; tried:
  unix:///var/run/docker.sock: no such socket
  unix://` + home + `/docker.sock: no such socket
  unix:///run/podman/podman.sock: no such socket
  unix://` + home + `/podman/podman.sock: no such socket
Install and start one:
  Debian, Ubuntu: sudo apt-get install docker.io
  Fedora, RHEL:   sudo dnf install podman && sudo systemctl enable --now podman.socket
or, as root on Debian or Ubuntu, let slipway do it: slipway twin engine`
	if !errors.Is(err, ErrNoEngine) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		none *NoEngineError
		text string
	}{
		{&NoEngineError{os: "darwin"}, "colima start"},
		{&NoEngineError{Attempts: []Attempt{{Host: "unix:///s", Err: errors.New("permission denied while trying to connect")}}}, "usermod -aG docker"},
	} {
		if !strings.Contains(c.none.Error(), c.text) {
			t.Errorf("%q lacks %q", c.none, c.text)
		}
	}
}

func TestFindOnAMac(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	if err := os.MkdirAll(filepath.Join(home, ".colima/default"), 0o755); err != nil {
		t.Fatal(err)
	}
	fakeEngine(t, filepath.Join(home, ".colima/default/docker.sock"), "1.47")
	env := surroundingsOf(home, nil)
	env.os = "darwin"
	e, err := find(t.Context(), env)
	if err != nil || !strings.HasSuffix(e.Host(), "/.colima/default/docker.sock") {
		t.Errorf("%v, %v", e, err)
	}
}

func TestFindIsBrokenOff(t *testing.T) {
	t.Parallel()
	home := shortDir(t)
	listener, err := net.Listen("unix", home+"/docker.sock") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if _, err := listener.Accept(); err == nil {
			cancel()
		}
	}()
	if _, err := find(ctx, surroundingsOf(home, map[string]string{"XDG_RUNTIME_DIR": home})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
