// Package engine is the project's one door to a container engine: Docker 20.10 or newer, or Podman, through the Docker
// Engine API (https://docs.docker.com/reference/api/engine/). Both halves use it: the twin runs tasks with it, delivery
// builds and pushes images with it. The API version is negotiated with the engine, never fixed.
//
// Everything that creates something is idempotent by name: a process that was killed half way repeats its step and
// gets back what it had made. Every error says what was being done to what, keeps the engine's own words, shortened,
// and matches one of the sentinel errors of this package where one fits.
package engine

import (
	"context"
	"sync"
	"time"

	"github.com/moby/moby/client"
)

// Engine is a connection to a container engine that has answered. It is safe for concurrent use.
type Engine struct {
	api  *client.Client
	host string // the address it answers at: unix:///var/run/docker.sock

	digests sync.Map // image id + reference → repository digest: asking the engine on each Inspect would double its cost
}

// Host is the address the engine answers at, as DOCKER_HOST spells it: "unix:///var/run/docker.sock".
func (e *Engine) Host() string { return e.host }

// Close drops idle connections. Containers keep running.
func (e *Engine) Close() error { return e.api.Close() }

// Info says which engine this is and what the machine it runs containers on has.
type Info struct {
	Name        string // "Docker" or "Podman"
	Version     string // "20.10.24"
	APIVersion  string // negotiated: "1.41"
	OS          string // of containers: "linux"
	Arch        string // in Go's spelling: "amd64", "arm64"
	NCPU        int
	MemoryBytes int64
}

// Info asks the engine about itself.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return Info{}, failure("ask the version of", "the engine", err)
	}
	system, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return Info{}, failure("ask about", "the engine", err)
	}
	info := Info{
		Name:        "Docker",
		Version:     version.Version,
		APIVersion:  e.api.ClientVersion(),
		OS:          version.Os,
		Arch:        goArch(version.Arch),
		NCPU:        system.Info.NCPU,
		MemoryBytes: system.Info.MemTotal,
	}
	for _, component := range version.Components {
		if component.Name == "Podman Engine" {
			info.Name, info.Version = "Podman", component.Version
		}
	}
	return info, nil
}

// goArch turns the kernel's name of an architecture, which some engines answer with, into Go's.
func goArch(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// Ping asks whether the engine still answers; the error is ErrEngineGone where it does not.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_, err := e.api.Ping(ctx, client.PingOptions{})
	return failure("ping", e.host, err)
}

// pingTimeout bounds a ping: an engine on a socket answers within milliseconds, or is stuck.
const pingTimeout = 3 * time.Second
