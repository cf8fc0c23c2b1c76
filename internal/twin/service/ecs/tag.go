package ecs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func tagMap(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[wire.Value(t.Key)] = wire.Value(t.Value)
	}
	return tags
}

func tagList(tags map[string]string) []api.Tag {
	list := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: new(k), Value: new(tags[k])})
	}
	return list
}

// tagged applies f to the tags of what has the ARN: a cluster, a service, a task, a task definition or a capacity provider.
func (s *Service) tagged(ctx context.Context, tx *store.Tx, arn string, f func(map[string]string)) error {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "ecs" {
		return wire.Errorf("InvalidParameterException", "Invalid resource ARN %s", arn)
	}
	kind, id, _ := strings.Cut(parts[5], "/")
	k := store.Key{Account: parts[4], Region: parts[3], ID: id}
	switch kind {
	case "cluster":
		return retag(tx, clusters, k, f, func(c *cluster) *map[string]string { return &c.Tags })
	case "service":
		return retag(tx, services, k, f, func(v *service) *map[string]string { return &v.Tags })
	case "task":
		k.ID = shortName(id)
		return retag(tx, taskRows, k, f, func(t *task) *map[string]string { return &t.Tags })
	case "task-definition":
		return retag(tx, definitions, k, f, func(d *definition) *map[string]string { return &d.Tags })
	case "capacity-provider":
		return retag(tx, providers, k, f, func(p *provider) *map[string]string { return &p.Tags })
	}
	return wire.Errorf("InvalidParameterException", "Invalid resource ARN %s: %s has no tags", arn, kind)
}

func retag[T any](tx *store.Tx, table *store.Table[T], k store.Key, f func(map[string]string), of func(*T) *map[string]string) error {
	row, err := table.Get(tx, k)
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf("InvalidParameterException", "The specified resource %s could not be found.", k.ID)
	}
	if err != nil {
		return err
	}
	tags := of(&row)
	before := maps.Clone(*tags)
	if *tags == nil {
		*tags = map[string]string{}
	}
	f(*tags)
	if maps.Equal(before, *tags) {
		return nil
	}
	return table.Put(tx, k, row)
}

// TagResource adds or changes tags.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.tagged(ctx, tx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, tagMap(in.Tags)) })
	})
}

// UntagResource removes tags.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.tagged(ctx, tx, in.ResourceArn, func(tags map[string]string) {
			for _, k := range in.TagKeys {
				delete(tags, k)
			}
		})
	})
}

// ListTagsForResource lists tags.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	out := &api.ListTagsForResourceOutput{}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.tagged(ctx, tx, in.ResourceArn, func(tags map[string]string) { out.Tags = tagList(tags) })
	})
}
