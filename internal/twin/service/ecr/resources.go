package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{{
		Name: "AWS::ECR::Repository", Fidelity: operation.Runs,
		Inert:  []string{"EncryptionConfiguration", "ImageScanningConfiguration", "RepositoryPolicyText"},
		Create: s.createResource,
		Update: s.updateResource,
		Delete: func(ctx context.Context, r resource.Request) error {
			force, _ := r.Properties["EmptyOnDelete"].(bool)
			_, err := s.DeleteRepository(ctx, &api.DeleteRepositoryInput{RepositoryName: r.PhysicalID, Force: &force})
			return resource.Absent(err, "RepositoryNotFoundException")
		},
		Attributes: func(ctx context.Context, r resource.Request) (attributes map[string]any, err error) {
			err = s.see(ctx, nil, r.PhysicalID, func(tx *store.Tx, found repository) error {
				attributes = map[string]any{"Arn": found.arn(), "RepositoryUri": s.uri(found)}
				return nil
			})
			return attributes, err
		},
	}}
}

// filterProperty is an exclusion filter as CloudFormation writes it.
type filterProperty struct {
	ImageTagMutabilityExclusionFilterType  string
	ImageTagMutabilityExclusionFilterValue string
}

// others are the properties that CreateRepository does not take, or takes under other names.
var others = []string{"Tags", "EmptyOnDelete", "LifecyclePolicy", "RepositoryPolicyText", "ImageTagMutabilityExclusionFilters"}

func (s *Service) input(r resource.Request) (*api.CreateRepositoryInput, error) {
	in := &api.CreateRepositoryInput{}
	if err := r.Into(in, others...); err != nil {
		return nil, err
	}
	var filters struct {
		ImageTagMutabilityExclusionFilters []filterProperty
	}
	if err := convert(r.Properties, &filters); err != nil {
		return nil, err
	}
	for _, f := range filters.ImageTagMutabilityExclusionFilters {
		in.ImageTagMutabilityExclusionFilters = append(in.ImageTagMutabilityExclusionFilters,
			api.ImageTagMutabilityExclusionFilter{Filter: f.ImageTagMutabilityExclusionFilterValue, FilterType: f.ImageTagMutabilityExclusionFilterType})
	}
	in.Tags = resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: k, Value: v} })
	return in, nil
}

func convert(from, to any) error {
	doc, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(doc, to)
}

func (s *Service) createResource(ctx context.Context, r resource.Request) (string, error) {
	in, err := s.input(r)
	if err != nil {
		return "", err
	}
	in.RepositoryName = strings.ToLower(r.Name("RepositoryName", 256))
	if _, err := s.CreateRepository(ctx, in); err != nil {
		return "", err
	}
	return in.RepositoryName, s.applyPolicies(ctx, in.RepositoryName, r.Properties)
}

func (s *Service) updateResource(ctx context.Context, r resource.Request) error {
	in, err := s.input(r)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, nil, r.PhysicalID, func(tx *store.Tx, repo *repository) error {
		repo.Tags, repo.Policy, repo.Lifecycle = r.AllTags(), "", ""
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.PutImageTagMutability(ctx, &api.PutImageTagMutabilityInput{RepositoryName: r.PhysicalID,
		ImageTagMutability: cmp.Or(r.Text("ImageTagMutability"), mutable), ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters}); err != nil {
		return err
	}
	if _, err := s.PutImageScanningConfiguration(ctx, &api.PutImageScanningConfigurationInput{RepositoryName: r.PhysicalID,
		ImageScanningConfiguration: in.ImageScanningConfiguration}); err != nil {
		return err
	}
	return s.applyPolicies(ctx, r.PhysicalID, r.Properties)
}

// applyPolicies sets the lifecycle policy and the resource policy that the properties hold.
func (s *Service) applyPolicies(ctx context.Context, name string, properties map[string]any) error {
	if policy, ok := properties["LifecyclePolicy"].(map[string]any); ok {
		text, _ := policy["LifecyclePolicyText"].(string)
		if _, err := s.PutLifecyclePolicy(ctx, &api.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: text}); err != nil {
			return err
		}
	}
	policy, ok := properties["RepositoryPolicyText"]
	if !ok {
		return nil
	}
	text, ok := policy.(string)
	if !ok {
		doc, err := json.Marshal(policy)
		if err != nil {
			return fmt.Errorf("RepositoryPolicyText: %w", err)
		}
		text = string(doc)
	}
	_, err := s.SetRepositoryPolicy(ctx, &api.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: text})
	return err
}
