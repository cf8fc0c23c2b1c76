package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// Find connects to the container engine of this machine: the one DOCKER_HOST or the chosen docker context names, or
// else the first known socket of Docker and Podman that answers. An engine that was named and does not answer is not
// replaced by another. Where none answers the error is a *NoEngineError, which matches ErrNoEngine.
func Find(ctx context.Context) (*Engine, error) {
	return find(ctx, surroundings())
}

// Dial connects to the engine at a host, spelt as in DOCKER_HOST, and makes sure it answers.
func Dial(ctx context.Context, host string) (*Engine, error) {
	if strings.HasPrefix(host, "ssh://") {
		return nil, errors.New("ssh:// is not supported; forward the engine's socket (ssh -L) and name that")
	}
	options := []client.Opt{client.WithHost(host)}
	if os.Getenv("DOCKER_CERT_PATH") != "" && strings.HasPrefix(host, "tcp://") {
		options = append(options, client.WithTLSClientConfigFromEnv())
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(err, api.Close())
	}
	return &Engine{api: api, host: host}, nil
}

// environment is what decides where an engine may be found.
type environment struct {
	getenv func(string) string
	home   string
	os     string // runtime.GOOS
	exists func(path string) bool
}

func surroundings() environment {
	home, _ := os.UserHomeDir() // without one the sockets below it are not looked at
	return environment{
		getenv: os.Getenv,
		home:   home,
		os:     runtime.GOOS,
		exists: func(path string) bool { _, err := os.Stat(path); return err == nil },
	}
}

// candidate is an address an engine may answer at.
type candidate struct {
	host  string
	named string // what names it, for a host the user chose: DOCKER_HOST, docker context "colima"
	err   error  // why there is no host, for a name that leads nowhere
}

func find(ctx context.Context, env environment) (*Engine, error) {
	none := &NoEngineError{os: env.os}
	for _, place := range candidates(env) {
		if place.err != nil {
			return nil, none.tried(place, place.err)
		}
		if path, ok := strings.CutPrefix(place.host, "unix://"); ok && !env.exists(path) {
			none.tried(place, errNoSocket)
			continue
		}
		found, err := Dial(ctx, place.host)
		if err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look for a container engine: %w", ctx.Err())
		}
		none.tried(place, err)
	}
	return nil, none
}

var errNoSocket = errors.New("no such socket")

// candidates lists where to look, in order. A host that was chosen is the only one.
func candidates(env environment) []candidate {
	if host := env.getenv("DOCKER_HOST"); host != "" {
		return []candidate{{host: host, named: "DOCKER_HOST"}}
	}
	if name, by := chosenContext(env); name != "" && name != "default" {
		host, err := contextHost(env, name)
		return []candidate{{host: host, named: fmt.Sprintf("docker context %q (%s)", name, by), err: err}}
	}
	var list []candidate
	for _, path := range sockets(env) {
		list = append(list, candidate{host: "unix://" + path})
	}
	return list
}

// sockets are the usual places of Docker's and Podman's sockets: of the system, of the user, and of the virtual machines
// that run them on macOS.
func sockets(env environment) []string {
	paths := []string{"/var/run/docker.sock"}
	if dir := env.getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "docker.sock"))
	}
	if env.os == "darwin" && env.home != "" {
		paths = append(paths,
			filepath.Join(env.home, ".docker/run/docker.sock"),
			filepath.Join(env.home, ".colima/default/docker.sock"),
			filepath.Join(env.home, ".config/colima/default/docker.sock"),
			filepath.Join(env.home, ".orbstack/run/docker.sock"),
			filepath.Join(env.home, ".rd/docker.sock"),
			filepath.Join(env.home, ".local/share/containers/podman/machine/podman.sock"))
	}
	paths = append(paths, "/run/podman/podman.sock")
	if dir := env.getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "podman/podman.sock"))
	}
	return paths
}

// chosenContext is the docker context in force and what chose it.
func chosenContext(env environment) (name, by string) {
	if name := env.getenv("DOCKER_CONTEXT"); name != "" {
		return name, "DOCKER_CONTEXT"
	}
	path := filepath.Join(dockerConfig(env), "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "" // the file is optional
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if json.Unmarshal(text, &config) != nil {
		return "", "" // docker itself goes on without a broken one
	}
	return config.CurrentContext, path
}

// contextHost reads the address of a docker context, which docker keeps in a folder named by the hash of its name.
func contextHost(env environment, name string) (string, error) {
	sum := sha256.Sum256([]byte(name))
	path := filepath.Join(dockerConfig(env), "contexts/meta", hex.EncodeToString(sum[:]), "meta.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("it is chosen, but not defined: %w", err)
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if meta.Endpoints["docker"].Host == "" {
		return "", fmt.Errorf("%s names no docker endpoint", path)
	}
	return meta.Endpoints["docker"].Host, nil
}

func dockerConfig(env environment) string {
	if dir := env.getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(env.home, ".docker")
}

// NoEngineError says where an engine was looked for and what to do about there being none. It matches ErrNoEngine.
type NoEngineError struct {
	Attempts []Attempt
	os       string
}

// Attempt is one place an engine was looked for at, and why it was not there.
type Attempt struct {
	Host  string // empty where a name led to no address
	Named string // what named the host, where the user chose it
	Err   error
}

func (e *NoEngineError) tried(place candidate, err error) *NoEngineError {
	e.Attempts = append(e.Attempts, Attempt{Host: place.host, Named: place.named, Err: err})
	return e
}

// Is makes the error match ErrNoEngine.
func (e *NoEngineError) Is(target error) bool { return target == ErrNoEngine }

func (e *NoEngineError) Error() string {
	var text strings.Builder
	text.WriteString("no container engine answers; tried:\n")
	for _, attempt := range e.Attempts {
		fmt.Fprintf(&text, "  %s: %s\n", attempt.place(), attempt.reason())
	}
	text.WriteString(e.advice())
	return text.String()
}

func (a Attempt) place() string {
	return strings.TrimSpace(strings.Join(slices.DeleteFunc([]string{a.Named, a.Host}, func(s string) bool { return s == "" }), " = "))
}

func (a Attempt) reason() string {
	switch {
	case a.denied():
		return "permission denied"
	case client.IsErrConnectionFailed(a.Err) && strings.Contains(a.Err.Error(), "Cannot connect"):
		return "it exists, but nothing answers"
	}
	return shorten(a.Err.Error())
}

func (a Attempt) denied() bool {
	return a.Err != nil && strings.Contains(a.Err.Error(), "permission denied")
}

// advice says what to do, by what was found.
func (e *NoEngineError) advice() string {
	for _, attempt := range e.Attempts {
		if attempt.denied() {
			return "An engine is there, but you may not use it: add yourself to its group (sudo usermod -aG docker $USER, then log in again)."
		}
		if attempt.Named != "" {
			return "Start the engine that " + attempt.Named + " names, or unset it to use the one of this machine."
		}
	}
	if e.os == "darwin" {
		return "Install and start one: Docker Desktop (https://docs.docker.com/desktop/), or brew install colima docker && colima start."
	}
	return "Install and start one:\n" +
		"  Debian, Ubuntu: sudo apt-get install docker.io\n" +
		"  Fedora, RHEL:   sudo dnf install podman && sudo systemctl enable --now podman.socket\n" +
		"or, as root on Debian or Ubuntu, let slipway do it: slipway twin engine"
}
