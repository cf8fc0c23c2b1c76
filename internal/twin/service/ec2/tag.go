package ec2

import (
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// tagsFor are the tags that a request gives to a new resource of a type.
func tagsFor(typ string, specifications []api.TagSpecification) ([]api.Tag, error) {
	tags := []api.Tag{}
	for _, s := range specifications {
		if wire.Value(s.ResourceType) != typ {
			return nil, wire.Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", wire.Value(s.ResourceType))
		}
		tags = withTags(tags, s.Tags)
	}
	return tags, nil
}

// withTags adds tags, or changes those whose keys are there.
func withTags(tags, added []api.Tag) []api.Tag {
	for _, t := range added {
		t.Value = new(wire.Value(t.Value))
		i := slices.IndexFunc(tags, func(have api.Tag) bool { return *have.Key == *t.Key })
		if i < 0 {
			tags = append(tags, t)
			continue
		}
		tags[i] = t
	}
	return tags
}

// withoutTags removes tags by key, and by value where the request names one.
func withoutTags(tags, removed []api.Tag) []api.Tag {
	return slices.DeleteFunc(tags, func(have api.Tag) bool {
		return len(removed) == 0 || slices.ContainsFunc(removed, func(r api.Tag) bool {
			return *r.Key == *have.Key && (r.Value == nil || *r.Value == wire.Value(have.Value))
		})
	})
}

// taggable is a kind as tagging sees it.
type taggable interface {
	owns(id string) bool
	retag(ctx context.Context, tx *store.Tx, id string, change func([]api.Tag) []api.Tag) error
	tagged(ctx context.Context, tx *store.Tx) ([]api.TagDescription, error)
}

func (k *kind[T]) owns(id string) bool {
	prefix, _, ok := strings.Cut(id, "-0")
	return ok && prefix == k.prefix
}

func (k *kind[T]) retag(ctx context.Context, tx *store.Tx, id string, change func([]api.Tag) []api.Tag) error {
	v, err := k.get(ctx, tx, id)
	if err != nil {
		return err
	}
	*k.tags(&v) = change(*k.tags(&v))
	return k.Put(tx, key(ctx, id), v)
}

func (k *kind[T]) tagged(ctx context.Context, tx *store.Tx) (all []api.TagDescription, err error) {
	c := operation.CallerOf(ctx)
	list, err := k.List(tx, c.Account, c.Region)
	for _, v := range list {
		for _, t := range *k.tags(&v) {
			all = append(all, api.TagDescription{Key: t.Key, Value: t.Value, ResourceId: new(k.name(&v)), ResourceType: &k.typ})
		}
	}
	return all, err
}

func (s *Service) retag(ctx context.Context, ids []string, change func([]api.Tag) []api.Tag) error {
	if err := s.ensureDefaults(ctx); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range ids {
			i := slices.IndexFunc(kinds, func(k taggable) bool { return k.owns(id) })
			if i < 0 {
				return wire.Errorf("InvalidID", "The ID '%s' is not valid", id)
			}
			if err := kinds[i].retag(ctx, tx, id, change); err != nil {
				return err
			}
		}
		return nil
	})
}

// CreateTags adds tags to resources of any kind.
func (s *Service) CreateTags(ctx context.Context, in *api.CreateTagsInput) (*api.CreateTagsOutput, error) {
	for _, t := range in.Tags {
		if strings.HasPrefix(wire.Value(t.Key), "aws:") {
			return nil, wire.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	return &api.CreateTagsOutput{}, s.retag(ctx, in.Resources, func(tags []api.Tag) []api.Tag { return withTags(tags, in.Tags) })
}

// DeleteTags removes tags: those named, or all where none is.
func (s *Service) DeleteTags(ctx context.Context, in *api.DeleteTagsInput) (*api.DeleteTagsOutput, error) {
	return &api.DeleteTagsOutput{}, s.retag(ctx, in.Resources, func(tags []api.Tag) []api.Tag { return withoutTags(tags, in.Tags) })
}

var tagFields = &kind[api.TagDescription]{
	tags: func(t *api.TagDescription) *[]api.Tag { return &[]api.Tag{{Key: t.Key, Value: t.Value}} },
	fields: map[string]func(*api.TagDescription) []string{
		"key": text(func(t *api.TagDescription) *string { return t.Key }), "value": text(func(t *api.TagDescription) *string { return t.Value }),
		"resource-id": text(func(t *api.TagDescription) *string { return t.ResourceId }), "resource-type": text(func(t *api.TagDescription) *string { return t.ResourceType }),
	},
}

// DescribeTags lists the tags of everything.
func (s *Service) DescribeTags(ctx context.Context, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	if err := tagFields.check(in.Filters); err != nil {
		return nil, err
	}
	all := []api.TagDescription{}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, k := range kinds {
			tags, err := k.tagged(ctx, tx)
			if err != nil {
				return err
			}
			all = append(all, tags...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t api.TagDescription) bool { return !tagFields.matches(&t, in.Filters) })
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeTagsOutput{Tags: all, NextToken: next}, err
}
