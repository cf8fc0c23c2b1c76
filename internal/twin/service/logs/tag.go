package logs

import (
	"context"
	"maps"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) tag(ctx context.Context, name string, tags map[string]string) error {
	return s.change(ctx, name, func(g *group) {
		if g.Tags == nil {
			g.Tags = map[string]string{}
		}
		maps.Copy(g.Tags, tags)
	})
}

func (s *Service) untag(ctx context.Context, name string, keys []string) error {
	return s.change(ctx, name, func(g *group) {
		for _, k := range keys {
			delete(g.Tags, k)
		}
	})
}

func (s *Service) tagsOf(ctx context.Context, name string) (tags map[string]string, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := findGroup(ctx, tx, name)
		tags = g.Tags
		return err
	})
	if tags == nil {
		tags = map[string]string{}
	}
	return tags, err
}

// TagLogGroup adds tags; AWS has deprecated it for TagResource.
func (s *Service) TagLogGroup(ctx context.Context, in *api.TagLogGroupInput) (*api.TagLogGroupOutput, error) {
	return &api.TagLogGroupOutput{}, s.tag(ctx, in.LogGroupName, in.Tags)
}

// UntagLogGroup removes tags; AWS has deprecated it for UntagResource.
func (s *Service) UntagLogGroup(ctx context.Context, in *api.UntagLogGroupInput) (*api.UntagLogGroupOutput, error) {
	return &api.UntagLogGroupOutput{}, s.untag(ctx, in.LogGroupName, in.Tags)
}

// ListTagsLogGroup lists tags; AWS has deprecated it for ListTagsForResource.
func (s *Service) ListTagsLogGroup(ctx context.Context, in *api.ListTagsLogGroupInput) (*api.ListTagsLogGroupOutput, error) {
	tags, err := s.tagsOf(ctx, in.LogGroupName)
	return &api.ListTagsLogGroupOutput{Tags: tags}, err
}

// TagResource adds tags to a log group, named by its ARN.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	if err := checkARN(in.ResourceArn); err != nil {
		return nil, err
	}
	return &api.TagResourceOutput{}, s.tag(ctx, groupName(in.ResourceArn), in.Tags)
}

// UntagResource removes tags from a log group, named by its ARN.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	if err := checkARN(in.ResourceArn); err != nil {
		return nil, err
	}
	return &api.UntagResourceOutput{}, s.untag(ctx, groupName(in.ResourceArn), in.TagKeys)
}

// ListTagsForResource lists the tags of a log group, named by its ARN.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	if err := checkARN(in.ResourceArn); err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, groupName(in.ResourceArn))
	return &api.ListTagsForResourceOutput{Tags: tags}, err
}

func checkARN(arn string) error {
	if groupName(arn) == arn {
		return wire.Errorf("InvalidParameterException", "The resource ARN %s is not that of a log group.", arn)
	}
	return nil
}
