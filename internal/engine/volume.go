package engine

import (
	"context"
	"errors"

	"github.com/moby/moby/client"
)

// EnsureVolume makes a named volume, or finds the one that is there.
func (e *Engine) EnsureVolume(ctx context.Context, name string, labels map[string]string) error {
	_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels})
	return failure("create volume", name, err)
}

// Volumes finds the names of volumes that have all the labels given.
func (e *Engine) Volumes(ctx context.Context, labels map[string]string) ([]string, error) {
	result, err := e.api.VolumeList(ctx, client.VolumeListOptions{Filters: labelFilters(labels)})
	if err != nil {
		return nil, failure("list volumes of", "the engine", err)
	}
	var names []string
	for _, volume := range result.Items {
		names = append(names, volume.Name)
	}
	return names, nil
}

// RemoveVolume removes a volume with what is in it. One that is gone is no error, one in use is ErrConflict.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if err = failure("remove volume", name, err); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
