package engine

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

var errNotYet = errors.New("not built yet")

func Find(ctx context.Context) (*Engine, error) { return nil, errNotYet }

type EnsureOptions struct {
	StateDir string    // where dockerd's log goes when started here
	Progress io.Writer // what is being done, a line each
}

func Ensure(ctx context.Context, options EnsureOptions) (*Engine, error) { return nil, errNotYet }

func (e *Engine) Create(ctx context.Context, spec Spec) (id string, err error) { return "", errNotYet }
func (e *Engine) Start(ctx context.Context, id string) error                   { return errNotYet }
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	return errNotYet
}
func (e *Engine) Kill(ctx context.Context, id, signal string) error             { return errNotYet }
func (e *Engine) Remove(ctx context.Context, id string, force bool) error       { return errNotYet }
func (e *Engine) Wait(ctx context.Context, id string) (exitCode int, err error) { return 0, errNotYet }
func (e *Engine) Inspect(ctx context.Context, id string) (State, error)         { return State{}, errNotYet }
func (e *Engine) List(ctx context.Context, labels map[string]string) ([]Summary, error) {
	return nil, errNotYet
}
func (e *Engine) Events(ctx context.Context, labels map[string]string) (<-chan Event, error) {
	return nil, errNotYet
}
func (e *Engine) Logs(ctx context.Context, id string, after LogPosition, follow bool) iter.Seq2[LogLine, error] {
	return nil
}
func (e *Engine) Stats(ctx context.Context, id string) (Usage, error) { return Usage{}, errNotYet }
func (e *Engine) Exec(ctx context.Context, id string, command Exec) (exitCode int, err error) {
	return 0, errNotYet
}

func (e *Engine) Pull(ctx context.Context, ref string, auth Auth, progress io.Writer) error {
	return errNotYet
}
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) { return false, errNotYet }
func (e *Engine) InspectImage(ctx context.Context, ref string) (Image, error) {
	return Image{}, errNotYet
}
func (e *Engine) Build(ctx context.Context, build Build) (imageID string, err error) {
	return "", errNotYet
}
func (e *Engine) Tag(ctx context.Context, image, ref string) error { return errNotYet }
func (e *Engine) Push(ctx context.Context, ref string, auth Auth, progress io.Writer) (digest string, err error) {
	return "", errNotYet
}
func (e *Engine) RemoveImage(ctx context.Context, ref string, force bool) error { return errNotYet }
func (e *Engine) Load(ctx context.Context, tar io.Reader) (refs []string, err error) {
	return nil, errNotYet
}
func (e *Engine) PauseImage(ctx context.Context) (ref string, err error) { return "", errNotYet }

func (e *Engine) EnsureNetwork(ctx context.Context, spec NetworkSpec) (Network, error) {
	return Network{}, errNotYet
}
func (e *Engine) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	return nil, errNotYet
}
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error { return errNotYet }
func (e *Engine) ConnectNetwork(ctx context.Context, network, container string, aliases ...string) error {
	return errNotYet
}
func (e *Engine) DisconnectNetwork(ctx context.Context, network, container string) error {
	return errNotYet
}
func (e *Engine) EnsureVolume(ctx context.Context, name string, labels map[string]string) error {
	return errNotYet
}
func (e *Engine) RemoveVolume(ctx context.Context, name string) error { return errNotYet }
