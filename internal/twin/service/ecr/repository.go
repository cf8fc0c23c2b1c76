package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// repository is a named set of images.
type repository struct {
	Account, Region, Name string
	Created               time.Time
	Mutability            string // MUTABLE, IMMUTABLE, or either with exclusions
	Exclusions            []api.ImageTagMutabilityExclusionFilter
	ScanOnPush            bool
	Encryption            api.EncryptionConfiguration
	Policy                string // resource policy, "" where there is none
	Lifecycle             string // lifecycle policy, "" where there is none
	Evaluated             time.Time
	Tags                  map[string]string
}

var repositories = &store.Table[repository]{Name: "ecr_repositories"}

const (
	mutable             = "MUTABLE"
	immutable           = "IMMUTABLE"
	mutableExclusions   = "MUTABLE_WITH_EXCLUSION"
	immutableExclusions = "IMMUTABLE_WITH_EXCLUSION"
)

func (r repository) key() store.Key {
	return store.Key{Account: r.Account, Region: r.Region, ID: r.Name}
}

func (r repository) arn() string {
	return "arn:aws:ecr:" + r.Region + ":" + r.Account + ":repository/" + r.Name
}

// fixed reports whether a tag, once given, stays with its image.
func (r repository) fixed(tag string) bool {
	excluded := slices.ContainsFunc(r.Exclusions, func(f api.ImageTagMutabilityExclusionFilter) bool {
		ok, err := path.Match(f.Filter, tag)
		return ok && err == nil
	})
	switch r.Mutability {
	case immutable:
		return true
	case immutableExclusions:
		return !excluded
	case mutableExclusions:
		return excluded
	}
	return false
}

// uri is where docker finds the repository: the twin's own address, then account and region, then the name.
func (s *Service) uri(r repository) string {
	_, host, _ := strings.Cut(s.Endpoint, "://")
	return strings.Join([]string{host, r.Account, r.Region, r.Name}, "/")
}

func (s *Service) describe(r repository) *api.Repository {
	return &api.Repository{
		CreatedAt: &r.Created, RegistryId: &r.Account, RepositoryArn: new(r.arn()), RepositoryName: &r.Name, RepositoryUri: new(s.uri(r)),
		ImageTagMutability: &r.Mutability, ImageTagMutabilityExclusionFilters: r.Exclusions, EncryptionConfiguration: &r.Encryption,
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush},
	}
}

func notFound(account, name string) error {
	return wire.Errorf("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, account)
}

// find returns a repository of the caller's registry. Another account's registry is reached by its repository policies on AWS;
// here it is refused.
func find(ctx context.Context, tx *store.Tx, registryID *string, name string) (repository, error) {
	c := operation.CallerOf(ctx)
	account := cmp.Or(wire.Value(registryID), c.Account)
	if account != c.Account {
		return repository{}, wire.Errorf("AccessDeniedException", "User: %s is not authorized to access the registry with id '%s' because no resource-based policy allows it", c.ARN, account)
	}
	r, err := repositories.Get(tx, store.Key{Account: account, Region: c.Region, ID: name})
	if errors.Is(err, store.ErrNotFound) {
		return r, notFound(account, name)
	}
	return r, err
}

// see runs f with a repository.
func (s *Service) see(ctx context.Context, registryID *string, name string, f func(tx *store.Tx, r repository) error) error {
	return s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, registryID, name)
		if err != nil {
			return err
		}
		return f(tx, r)
	})
}

// change runs f with a repository and keeps what f makes of it.
func (s *Service) change(ctx context.Context, registryID *string, name string, f func(tx *store.Tx, r *repository) error) (repository, error) {
	var changed repository
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, registryID, name)
		if err != nil {
			return err
		}
		if err := f(tx, &r); err != nil {
			return err
		}
		changed = r
		return repositories.Put(tx, r.key(), r)
	})
	return changed, err
}

// CreateRepository makes an empty repository.
func (s *Service) CreateRepository(ctx context.Context, in *api.CreateRepositoryInput) (*api.CreateRepositoryOutput, error) {
	c := operation.CallerOf(ctx)
	r := repository{
		Account: cmp.Or(wire.Value(in.RegistryId), c.Account), Region: c.Region, Name: in.RepositoryName, Created: s.Clock.Now(),
		Mutability: cmp.Or(wire.Value(in.ImageTagMutability), mutable), Exclusions: in.ImageTagMutabilityExclusionFilters,
		Encryption: api.EncryptionConfiguration{EncryptionType: "AES256"}, Tags: map[string]string{},
	}
	if in.ImageScanningConfiguration != nil {
		r.ScanOnPush = wire.Value(in.ImageScanningConfiguration.ScanOnPush)
	}
	if in.EncryptionConfiguration != nil {
		r.Encryption = *in.EncryptionConfiguration
	}
	for _, t := range in.Tags {
		r.Tags[t.Key] = t.Value
	}
	if err := checkExclusions(r.Mutability, r.Exclusions); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, in.RegistryId, in.RepositoryName); err == nil {
			return wire.Errorf("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", r.Name, r.Account)
		} else if !wire.HasCode(err, "RepositoryNotFoundException") {
			return err
		}
		return repositories.Put(tx, r.key(), r)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateRepositoryOutput{Repository: s.describe(r)}, nil
}

func checkExclusions(mutability string, filters []api.ImageTagMutabilityExclusionFilter) error {
	with := strings.HasSuffix(mutability, "_WITH_EXCLUSION")
	if with == (len(filters) > 0) {
		return nil
	}
	return wire.Errorf("InvalidParameterException", "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'exclusion filters go with the settings %s and %s, and with no other'", immutableExclusions, mutableExclusions)
}

// DescribeRepositories lists repositories, all of the registry where no names are given.
func (s *Service) DescribeRepositories(ctx context.Context, in *api.DescribeRepositoriesInput) (*api.DescribeRepositoriesOutput, error) {
	var found []repository
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if len(in.RepositoryNames) == 0 {
			c := operation.CallerOf(ctx)
			found, err = repositories.List(tx, c.Account, c.Region)
			return err
		}
		for _, name := range in.RepositoryNames {
			r, err := find(ctx, tx, in.RegistryId, name)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeRepositoriesOutput{Repositories: []api.Repository{}, NextToken: next}
	for _, r := range found {
		out.Repositories = append(out.Repositories, *s.describe(r))
	}
	return out, nil
}

// DeleteRepository removes a repository; one with images only where forced.
func (s *Service) DeleteRepository(ctx context.Context, in *api.DeleteRepositoryInput) (*api.DeleteRepositoryOutput, error) {
	var gone repository
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := find(ctx, tx, in.RegistryId, in.RepositoryName)
		if err != nil {
			return err
		}
		held, err := images.ListBy(tx, r.Account, r.Region, r.Name)
		if err != nil {
			return err
		}
		if len(held) > 0 && !wire.Value(in.Force) {
			return wire.Errorf("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", r.Name, r.Account)
		}
		gone = r
		tx.AfterCommit(s.wake.Wake)
		return errors.Join(
			repositories.Delete(tx, r.key()),
			images.DeleteBy(tx, r.Account, r.Region, r.Name),
			layers.DeleteBy(tx, r.Account, r.Region, r.Name),
			uploads.DeleteBy(tx, r.Account, r.Region, r.Name),
		)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteRepositoryOutput{Repository: s.describe(gone)}, nil
}

// PutImageTagMutability says whether tags may move.
func (s *Service) PutImageTagMutability(ctx context.Context, in *api.PutImageTagMutabilityInput) (*api.PutImageTagMutabilityOutput, error) {
	if err := checkExclusions(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters); err != nil {
		return nil, err
	}
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) error {
		r.Mutability, r.Exclusions = in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters
		return nil
	})
	return &api.PutImageTagMutabilityOutput{RegistryId: &r.Account, RepositoryName: &r.Name, ImageTagMutability: &r.Mutability,
		ImageTagMutabilityExclusionFilters: r.Exclusions}, err
}

// PutImageScanningConfiguration records whether images are to be scanned when they are pushed; nothing scans them here.
func (s *Service) PutImageScanningConfiguration(ctx context.Context, in *api.PutImageScanningConfigurationInput) (*api.PutImageScanningConfigurationOutput, error) {
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) error {
		r.ScanOnPush = in.ImageScanningConfiguration != nil && wire.Value(in.ImageScanningConfiguration.ScanOnPush)
		return nil
	})
	return &api.PutImageScanningConfigurationOutput{RegistryId: &r.Account, RepositoryName: &r.Name,
		ImageScanningConfiguration: &api.ImageScanningConfiguration{ScanOnPush: &r.ScanOnPush}}, err
}

// SetRepositoryPolicy stores the repository's resource policy.
func (s *Service) SetRepositoryPolicy(ctx context.Context, in *api.SetRepositoryPolicyInput) (*api.SetRepositoryPolicyOutput, error) {
	if !json.Valid([]byte(in.PolicyText)) {
		return nil, wire.Errorf("InvalidParameterException", "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) error {
		r.Policy = in.PolicyText
		return nil
	})
	return &api.SetRepositoryPolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, PolicyText: &r.Policy}, err
}

func (r repository) policy() (string, error) {
	if r.Policy == "" {
		return "", wire.Errorf("RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", r.Name, r.Account)
	}
	return r.Policy, nil
}

// GetRepositoryPolicy returns the resource policy.
func (s *Service) GetRepositoryPolicy(ctx context.Context, in *api.GetRepositoryPolicyInput) (out *api.GetRepositoryPolicyOutput, err error) {
	err = s.see(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r repository) error {
		text, err := r.policy()
		out = &api.GetRepositoryPolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, PolicyText: &text}
		return err
	})
	return out, err
}

// DeleteRepositoryPolicy removes the resource policy and returns it.
func (s *Service) DeleteRepositoryPolicy(ctx context.Context, in *api.DeleteRepositoryPolicyInput) (*api.DeleteRepositoryPolicyOutput, error) {
	var text string
	r, err := s.change(ctx, in.RegistryId, in.RepositoryName, func(tx *store.Tx, r *repository) (err error) {
		text, err = r.policy()
		r.Policy = ""
		return err
	})
	return &api.DeleteRepositoryPolicyOutput{RegistryId: &r.Account, RepositoryName: &r.Name, PolicyText: &text}, err
}

// DescribeRegistry describes the caller's registry; it replicates to nowhere.
func (s *Service) DescribeRegistry(ctx context.Context, _ *api.DescribeRegistryInput) (*api.DescribeRegistryOutput, error) {
	return &api.DescribeRegistryOutput{RegistryId: new(operation.CallerOf(ctx).Account),
		ReplicationConfiguration: &api.ReplicationConfiguration{Rules: []api.ReplicationRule{}}}, nil
}

// TagResource adds or changes tags of a repository.
func (s *Service) TagResource(ctx context.Context, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	return &api.TagResourceOutput{}, s.changeTags(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[t.Key] = t.Value
		}
	})
}

// UntagResource removes tags of a repository.
func (s *Service) UntagResource(ctx context.Context, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	return &api.UntagResourceOutput{}, s.changeTags(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

// nameIn returns the repository that an ARN names.
func nameIn(arn string) (string, error) {
	_, name, ok := strings.Cut(arn, ":repository/")
	if !ok {
		return "", wire.Errorf("InvalidParameterException", "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return name, nil
}

func (s *Service) changeTags(ctx context.Context, arn string, f func(map[string]string)) error {
	name, err := nameIn(arn)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, nil, name, func(tx *store.Tx, r *repository) error {
		f(r.Tags)
		return nil
	})
	return err
}

// ListTagsForResource lists the tags of a repository.
func (s *Service) ListTagsForResource(ctx context.Context, in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	name, err := nameIn(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsForResourceOutput{Tags: []api.Tag{}}
	err = s.see(ctx, nil, name, func(tx *store.Tx, r repository) error {
		for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
			out.Tags = append(out.Tags, api.Tag{Key: k, Value: r.Tags[k]})
		}
		return nil
	})
	return out, err
}
