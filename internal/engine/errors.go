package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// What can go wrong, for errors.Is. The text of an error carries the engine's words.
var (
	// ErrNoEngine is the answer of Find where nothing answers; see NoEngineError.
	ErrNoEngine = errors.New("no container engine")
	// ErrEngineGone is a daemon that does not answer (any more): not running, stopped or killed midway.
	ErrEngineGone = errors.New("the container engine does not answer")
	// ErrNotFound is a container, network or volume that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrImageNotFound is an image that is neither on the engine nor in its registry, or may not be had from there.
	ErrImageNotFound = errors.New("image not found")
	// ErrDenied is a registry that wants another login, or none at all of this user.
	ErrDenied = errors.New("denied by the registry")
	// ErrPortTaken is a port of the machine that another process or container holds.
	ErrPortTaken = errors.New("port is taken")
	// ErrConflict is a name in use by something else, or a thing in a state that forbids the operation.
	ErrConflict = errors.New("conflict")
)

// Error is an operation the engine refused. It matches the sentinel error in Kind, where there is one.
type Error struct {
	Operation string // "start container"
	Subject   string // "web-1"
	Kind      error  // a sentinel error of this package, or nil
	Text      string // the engine's words, shortened
	cause     error
}

func (e *Error) Error() string {
	if e.Kind == nil {
		return fmt.Sprintf("%s %s: %s", e.Operation, e.Subject, e.Text)
	}
	return fmt.Sprintf("%s %s: %v: %s", e.Operation, e.Subject, e.Kind, e.Text)
}

// Unwrap gives the sentinel error and the client's own.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.cause}
	}
	return []error{e.Kind, e.cause}
}

// failure puts what was being done in front of an engine's error and finds its kind. A nil error stays nil, and the end
// of a context stays what it is, with the operation in front.
func failure(operation, subject string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: %w", operation, subject, err)
	}
	return &Error{Operation: operation, Subject: subject, Kind: kindOf(err), Text: shorten(err.Error()), cause: err}
}

// kindOf finds the sentinel error for an engine's. Engines answer a taken port and a missing image with a status that
// does not tell, so their words have to.
func kindOf(err error) error {
	text := strings.ToLower(err.Error())
	switch {
	case isGone(err):
		return ErrEngineGone
	case containsAny(text, portTaken):
		return ErrPortTaken
	case containsAny(text, imageMissing):
		return ErrImageNotFound
	case containsAny(text, registryDenied):
		return ErrDenied
	case cerrdefs.IsNotFound(err):
		return ErrNotFound
	case cerrdefs.IsConflict(err), cerrdefs.IsAlreadyExists(err), containsAny(text, wrongState):
		return ErrConflict
	}
	return nil
}

// The words of Docker (20.10 to 29) and Podman, lower case.
var (
	portTaken = []string{
		"port is already allocated", "address already in use", "ports are not available",
	}
	imageMissing = []string{
		"no such image", "manifest unknown", "pull access denied", "repository does not exist", "name unknown",
		"image not known", "unable to find image", "not found: manifest", "repository name not known",
		"does not exist locally",
	}
	wrongState     = []string{"is not running", "container state improper"}
	registryDenied = []string{
		"unauthorized", "no basic auth credentials", "authentication required", "denied: ", "requested access to the resource is denied",
	}
)

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// isGone tells an engine that cannot be reached, or went away in the middle of an answer, from one that refused.
func isGone(err error) bool {
	var operation *net.OpError
	return client.IsErrConnectionFailed(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &operation)
}

// textLimit bounds the engine's words in an error: enough for the reason, not for a page of HTML from a proxy.
const textLimit = 500

// noise is what engines and their client put before every reason.
var noise = []string{
	"Error response from daemon: ", "failed to create task for container: ", "failed to create shim task: ",
	"OCI runtime create failed: ", "runc create failed: ",
}

// shorten takes the boilerplate off an engine's text and keeps its start and end where it is still too long: the reason
// stands at either.
func shorten(text string) string {
	for _, part := range noise {
		text = strings.ReplaceAll(text, part, "")
	}
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), ": unknown"))
	if len(text) <= textLimit {
		return text
	}
	return strings.ToValidUTF8(text[:textLimit/2], "") + " … " + strings.ToValidUTF8(text[len(text)-textLimit/2:], "")
}
