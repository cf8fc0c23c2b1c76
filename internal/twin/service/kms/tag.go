package kms

import (
	"context"
	"strings"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/wire"
)

const maxTags = 50

func (k *masterKey) tag(tags []api.Tag) error {
	for _, t := range tags {
		k.Tags[t.TagKey] = t.TagValue
	}
	if len(k.Tags) > maxTags {
		return wire.Errorf("LimitExceededException", "Too many tags: a key has at most %d.", maxTags)
	}
	return nil
}

// aws: tags are set by CloudFormation through the resource, never through the API.
func reserved(key string) error {
	if strings.HasPrefix(strings.ToLower(key), "aws:") {
		return wire.Errorf("TagException", "aws: prefixed tag key names are not allowed for external use.")
	}
	return nil
}

// TagResource adds or changes tags.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	for _, t := range in.Tags {
		if err := reserved(t.TagKey); err != nil {
			return nil, err
		}
	}
	return &api.TagResourceOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		if err := k.staying(); err != nil {
			return err
		}
		return k.tag(in.Tags)
	})
}

// UntagResource removes tags.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		for _, name := range in.TagKeys {
			delete(k.Tags, name)
		}
		return k.staying()
	})
}

func tagList(tags map[string]string) []api.Tag {
	return resource.TagList(tags, func(k, v string) api.Tag { return api.Tag{TagKey: k, TagValue: v} })
}

// ListResourceTags lists the tags of a key.
func (s *Service) ListResourceTags(ctx context.Context, in *api.ListResourceTagsInput) (*api.ListResourceTagsOutput, error) {
	k, err := s.view(ctx, in.KeyId)
	if err != nil {
		return nil, err
	}
	some, next, err := page.Cut(tagList(k.Tags), in.Marker, in.Limit, 50, badMarker)
	return &api.ListResourceTagsOutput{Tags: some, NextMarker: next, Truncated: new(next != nil)}, err
}

const policyName = "default"

func onlyDefault(name *string) error {
	if name != nil && *name != policyName {
		return notFound("No such policy exists")
	}
	return nil
}

// PutKeyPolicy replaces the key policy.
func (s *Service) PutKeyPolicy(ctx context.Context, in *api.PutKeyPolicyInput) (*api.PutKeyPolicyOutput, error) {
	if err := onlyDefault(in.PolicyName); err != nil {
		return nil, err
	}
	if err := checkPolicy(in.Policy); err != nil {
		return nil, err
	}
	return &api.PutKeyPolicyOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		k.Policy = in.Policy
		return k.staying()
	})
}

// GetKeyPolicy returns the key policy.
func (s *Service) GetKeyPolicy(ctx context.Context, in *api.GetKeyPolicyInput) (*api.GetKeyPolicyOutput, error) {
	if err := onlyDefault(in.PolicyName); err != nil {
		return nil, err
	}
	k, err := s.view(ctx, in.KeyId)
	if err != nil {
		return nil, err
	}
	return &api.GetKeyPolicyOutput{Policy: &k.Policy, PolicyName: new(policyName)}, nil
}

// ListKeyPolicies lists the names of key policies, of which there is one.
func (s *Service) ListKeyPolicies(ctx context.Context, in *api.ListKeyPoliciesInput) (*api.ListKeyPoliciesOutput, error) {
	if _, err := s.view(ctx, in.KeyId); err != nil {
		return nil, err
	}
	return &api.ListKeyPoliciesOutput{PolicyNames: []string{policyName}, Truncated: new(false)}, nil
}
