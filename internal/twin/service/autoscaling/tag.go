package autoscaling

import (
	"context"
	"slices"

	api "slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func describeTags(name string, tags []api.Tag) []api.TagDescription {
	out := []api.TagDescription{}
	for _, t := range tags {
		out = append(out, api.TagDescription{Key: &t.Key, Value: new(wire.Value(t.Value)), ResourceId: &name, ResourceType: new("auto-scaling-group"), PropagateAtLaunch: new(wire.Value(t.PropagateAtLaunch))})
	}
	return out
}

// changeTags applies tags one by one to the groups they name.
func (s *Service) changeTags(ctx context.Context, tags []api.Tag, change func(have []api.TagDescription, t api.Tag) []api.TagDescription) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, t := range tags {
			g, err := find(ctx, tx, wire.Value(t.ResourceId))
			if err != nil {
				return err
			}
			g.Tags = change(g.Tags, t)
			if err := groups.Put(tx, key(ctx, g.AutoScalingGroupName), g); err != nil {
				return err
			}
		}
		return nil
	})
}

func without(have []api.TagDescription, t api.Tag) []api.TagDescription {
	return slices.DeleteFunc(have, func(h api.TagDescription) bool { return *h.Key == t.Key })
}

// CreateOrUpdateTags adds or changes tags of groups.
func (s *Service) CreateOrUpdateTags(ctx context.Context, in *api.CreateOrUpdateTagsInput) (*api.CreateOrUpdateTagsOutput, error) {
	return &api.CreateOrUpdateTagsOutput{}, s.changeTags(ctx, in.Tags, func(have []api.TagDescription, t api.Tag) []api.TagDescription {
		return append(without(have, t), describeTags(wire.Value(t.ResourceId), []api.Tag{t})...)
	})
}

// DeleteTags removes tags of groups.
func (s *Service) DeleteTags(ctx context.Context, in *api.DeleteTagsInput) (*api.DeleteTagsOutput, error) {
	return &api.DeleteTagsOutput{}, s.changeTags(ctx, in.Tags, without)
}

// DescribeTags lists the tags of all groups.
func (s *Service) DescribeTags(ctx context.Context, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	var found []api.TagDescription
	for _, g := range all {
		for _, t := range g.Tags {
			ok, err := tagMatches(t, in.Filters)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, t)
			}
		}
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxRecords, 50, "InvalidNextToken")
	return &api.DescribeTagsOutput{Tags: found, NextToken: next}, err
}

func tagMatches(t api.TagDescription, filters []api.Filter) (bool, error) {
	for _, f := range filters {
		var value string
		switch wire.Value(f.Name) {
		case "auto-scaling-group":
			value = *t.ResourceId
		case "key":
			value = *t.Key
		case "value":
			value = *t.Value
		case "propagate-at-launch":
			value = map[bool]string{true: "true", false: "false"}[*t.PropagateAtLaunch]
		default:
			return false, wire.Errorf("ValidationError", "Filter type %s is not correct. Allowed Filter types are: auto-scaling-group, key, value, propagate-at-launch", wire.Value(f.Name))
		}
		if !slices.Contains(f.Values, value) {
			return false, nil
		}
	}
	return true, nil
}
