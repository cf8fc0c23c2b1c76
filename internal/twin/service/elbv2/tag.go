package elbv2

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const mostTags = 50

// tagsOf reads the tags of a request.
func tagsOf(given []api.Tag) (map[string]string, error) {
	tags := map[string]string{}
	for _, t := range given {
		if _, twice := tags[t.Key]; twice {
			return nil, wire.Errorf("DuplicateTagKeys", "Tag key was specified more than once: '%s'", t.Key)
		}
		tags[t.Key] = wire.Value(t.Value)
	}
	return tags, enough(tags)
}

// enough holds the quota of tags; those of AWS itself do not count.
func enough(tags map[string]string) error {
	count := 0
	for k := range tags {
		if !strings.HasPrefix(k, "aws:") {
			count++
		}
	}
	if count > mostTags {
		return wire.Errorf("TooManyTags", "The maximum number of tags for a resource has been reached")
	}
	return nil
}

// AddTags adds or changes tags of load balancers, listeners, rules and target groups.
func (s *Service) AddTags(ctx context.Context, in *api.AddTagsInput) (*api.AddTagsOutput, error) {
	added, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &api.AddTagsOutput{}, s.changeTags(ctx, in.ResourceArns, func(tags map[string]string) error {
		maps.Copy(tags, added)
		return enough(tags)
	})
}

// RemoveTags removes tags.
func (s *Service) RemoveTags(ctx context.Context, in *api.RemoveTagsInput) (*api.RemoveTagsOutput, error) {
	return &api.RemoveTagsOutput{}, s.changeTags(ctx, in.ResourceArns, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

// changeTags changes the tags of each resource, all or none.
func (s *Service) changeTags(ctx context.Context, arns []string, f func(tags map[string]string) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, arn := range arns {
			if err := onTags(ctx, tx, arn, func(tags map[string]string) (bool, error) { return true, f(tags) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// onTags hands the tags of a resource to f and, where f says so, keeps what it did to them.
func onTags(ctx context.Context, tx *store.Tx, arn string, f func(tags map[string]string) (keep bool, err error)) error {
	switch {
	case kindLoadBalancer.check(arn) == nil:
		return tagsIn(ctx, tx, loadBalancers, kindLoadBalancer, arn, func(r *loadBalancer) *map[string]string { return &r.Tags }, f)
	case kindListener.check(arn) == nil:
		return tagsIn(ctx, tx, listeners, kindListener, arn, func(r *listener) *map[string]string { return &r.Tags }, f)
	case kindRule.check(arn) == nil:
		return tagsIn(ctx, tx, rules, kindRule, arn, func(r *rule) *map[string]string { return &r.Tags }, f)
	case kindTargetGroup.check(arn) == nil:
		return tagsIn(ctx, tx, targetGroups, kindTargetGroup, arn, func(r *targetGroup) *map[string]string { return &r.Tags }, f)
	}
	return invalid("'%s' is not a valid ARN", arn)
}

func tagsIn[T any](ctx context.Context, tx *store.Tx, table *store.Table[T], k kind, arn string, of func(*T) *map[string]string,
	f func(map[string]string) (bool, error)) error {
	row, err := find(ctx, tx, table, k, arn)
	if err != nil {
		return err
	}
	tags := of(&row)
	if *tags == nil {
		*tags = map[string]string{}
	}
	keep, err := f(*tags)
	if err != nil || !keep {
		return err
	}
	return table.Put(tx, key(ctx, arn), row)
}

// DescribeTags lists the tags of up to 20 resources.
func (s *Service) DescribeTags(ctx context.Context, in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	if len(in.ResourceArns) > 20 {
		return nil, invalid("At most 20 resources can be specified")
	}
	out := &api.DescribeTagsOutput{TagDescriptions: []api.TagDescription{}}
	return out, s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		var failed []error
		for _, arn := range in.ResourceArns {
			failed = append(failed, onTags(ctx, tx, arn, func(tags map[string]string) (bool, error) {
				out.TagDescriptions = append(out.TagDescriptions, api.TagDescription{ResourceArn: new(arn), Tags: tagList(tags)})
				return false, nil
			}))
		}
		return errors.Join(failed...)
	})
}

func tagList(tags map[string]string) []api.Tag {
	sorted := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		sorted = append(sorted, api.Tag{Key: k, Value: new(tags[k])})
	}
	return sorted
}
