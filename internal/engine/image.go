package engine

import (
	"io"
	"time"
)

// Auth is a login at an image registry. The zero value is anonymous. Printing it shows the user name only.
type Auth struct {
	Username      string
	Password      string
	IdentityToken string
}

// String keeps the password out of logs and errors.
func (a Auth) String() string { return "login of " + a.Username }

// GoString keeps the password out of %#v as well.
func (a Auth) GoString() string { return a.String() }

// Image is an image on the engine.
type Image struct {
	ID           string   // sha256 of its configuration
	Tags         []string // name:tag
	Digests      []string // name@sha256:…, one for each repository it was pulled from or pushed to
	Size         int64    // bytes on disk
	OS, Arch     string
	CreatedAt    time.Time
	Labels       map[string]string
	Entrypoint   []string
	Command      []string
	Env          []string
	User         string
	WorkingDir   string
	ExposedPorts []Port // Container and Protocol only, by number
	HealthCheck  *HealthCheck
}

// Build is an image to be built from a directory.
type Build struct {
	Dir        string // the context
	Dockerfile string // relative to Dir; default "Dockerfile"
	Tags       []string
	Labels     map[string]string
	BuildArgs  map[string]string
	Target     string // stage; empty is the last
	Platform   string // "linux/arm64"; empty is the engine's own
	NoCache    bool
	Auth       map[string]Auth // registry host → login, for base images
	Progress   io.Writer       // the builder's output; nil drops it
}
