package ssm

import (
	"context"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// AddTagsToResource adds or changes tags of a parameter.
func (s *Service) AddTagsToResource(ctx context.Context, in *api.AddTagsToResourceInput) (*api.AddTagsToResourceOutput, error) {
	return &api.AddTagsToResourceOutput{}, s.changeTags(ctx, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[t.Key] = t.Value
		}
	})
}

// RemoveTagsFromResource removes tags of a parameter.
func (s *Service) RemoveTagsFromResource(ctx context.Context, in *api.RemoveTagsFromResourceInput) (*api.RemoveTagsFromResourceOutput, error) {
	return &api.RemoveTagsFromResourceOutput{}, s.changeTags(ctx, in.ResourceType, in.ResourceId, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) changeTags(ctx context.Context, kind, id string, change func(map[string]string)) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := s.tagged(ctx, kind, id)
		if err != nil {
			return err
		}
		change(p.Tags)
		return parameters.Put(tx, key(ctx, p.Name), p)
	})
}

func (s *Service) tagged(ctx context.Context, kind, id string) (parameter, error) {
	if kind != "Parameter" {
		return parameter{}, wire.Errorf("InvalidResourceType", "The resource type %s is not valid: the twin has Parameter", kind)
	}
	p, err := s.get(ctx, id)
	if wire.HasCode(err, "ParameterNotFound") {
		return p, wire.Errorf("InvalidResourceId", "The resource ID %q is not valid. Verify that you entered the correct ID and try again.", id)
	}
	return p, err
}

// ListTagsForResource lists the tags of a parameter.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	p, err := s.tagged(ctx, in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{TagList: []api.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		out.TagList = append(out.TagList, api.Tag{Key: k, Value: p.Tags[k]})
	}
	return out, nil
}
