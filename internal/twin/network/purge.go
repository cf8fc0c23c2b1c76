package network

import (
	"context"
	"errors"

	"slipway.dev/internal/engine"
)

// Purge removes everything of a twin from the engine: containers, running or not, networks and volumes. It is for a twin whose
// state is about to be removed, which has stopped.
func Purge(ctx context.Context, docker *engine.Engine, id string) error {
	mine := map[string]string{Label: id}
	containers, err := docker.List(ctx, mine)
	failures := []error{err}
	for _, c := range containers {
		failures = append(failures, docker.Remove(ctx, c.ID, true))
	}
	networks, err := docker.Networks(ctx, mine)
	failures = append(failures, err)
	for _, n := range networks {
		failures = append(failures, docker.RemoveNetwork(ctx, n.ID))
	}
	volumes, err := docker.Volumes(ctx, mine)
	failures = append(failures, err)
	for _, name := range volumes {
		failures = append(failures, docker.RemoveVolume(ctx, name))
	}
	return errors.Join(failures...)
}
