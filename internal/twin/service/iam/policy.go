package iam

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// managed is a managed policy, the account's or AWS's, with its versions, oldest first.
type managed struct {
	ARN         string
	Name        string
	Path        string
	ID          string // ANPA…
	Description string
	Created     time.Time
	Updated     time.Time
	Default     int
	Last        int // the highest number ever given
	Versions    []version
	Tags        map[string]string
}

type version struct {
	Number   int
	Document string
	Created  time.Time
}

const maxVersions = 5

var policies = &store.Table[managed]{Name: "iam_policies"}

func pathAndName(policyARN string) (path, name string) {
	_, rest, _ := strings.Cut(policyARN, ":policy")
	i := strings.LastIndex(rest, "/")
	if i < 0 {
		return "/", rest
	}
	return rest[:i+1], rest[i+1:]
}

// policyKey: like those of entities, names of policies differ by more than case, whatever their path.
func policyKey(ctx context.Context, policyARN string) store.Key {
	_, name := pathAndName(policyARN)
	return key(ctx, strings.ToLower(name))
}

func noPolicy(policyARN string) error {
	return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "Policy " + policyARN + " was not found."}
}

// findPolicy reads a managed policy of the account or of AWS.
func findPolicy(ctx context.Context, tx *store.Tx, policyARN string) (managed, error) {
	if !strings.HasPrefix(policyARN, "arn:") {
		return managed{}, wire.Errorf("ValidationError", "ARN %s is not valid.", policyARN)
	}
	if strings.HasPrefix(policyARN, awsPolicy) {
		all, err := awsManaged()
		if err != nil {
			return managed{}, err
		}
		if p, ok := all[policyARN]; ok {
			return p, nil
		}
		return managed{}, noPolicy(policyARN)
	}
	p, err := policies.Get(tx, policyKey(ctx, policyARN))
	if errors.Is(err, store.ErrNotFound) || err == nil && p.ARN != policyARN {
		return p, noPolicy(policyARN)
	}
	return p, err
}

// attachable fails where there is no such policy.
func attachable(ctx context.Context, tx *store.Tx, policyARN string) error {
	_, err := findPolicy(ctx, tx, policyARN)
	if wire.HasCode(err, "NoSuchEntity") {
		return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "Policy " + policyARN + " does not exist or is not attachable."}
	}
	return err
}

func (s *Service) lookPolicy(ctx context.Context, policyARN string) (p managed, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err = findPolicy(ctx, tx, policyARN)
		return err
	})
	return p, err
}

// changePolicy changes a policy of the account.
func (s *Service) changePolicy(ctx context.Context, policyARN string, f func(p *managed) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := findPolicy(ctx, tx, policyARN)
		if err != nil {
			return err
		}
		if strings.HasPrefix(policyARN, awsPolicy) {
			return &wire.Error{Code: "AccessDenied", Status: 403, Message: "User: " + operation.CallerOf(ctx).ARN + " is not authorized to change the AWS managed policy " + policyARN}
		}
		if err := f(&p); err != nil {
			return err
		}
		return policies.Put(tx, policyKey(ctx, policyARN), p)
	})
}

// uses counts what a policy is attached to and bounds.
type uses struct{ attached, bounds []entity }

func usesOf(ctx context.Context, tx *store.Tx, policyARN string) (u uses, err error) {
	all, err := entities.List(tx, key(ctx, "").Account, store.Global)
	for _, e := range all {
		if slices.Contains(e.Attached, policyARN) {
			u.attached = append(u.attached, e)
		}
		if e.Boundary == policyARN {
			u.bounds = append(u.bounds, e)
		}
	}
	return u, err
}

func (p managed) describe(u uses) api.Policy {
	return api.Policy{
		Arn: &p.ARN, PolicyName: &p.Name, PolicyId: &p.ID, Path: &p.Path, CreateDate: &p.Created, UpdateDate: &p.Updated,
		DefaultVersionId: new(versionID(p.Default)), Description: wire.Maybe(p.Description), IsAttachable: new(true),
		AttachmentCount: new(len(u.attached)), PermissionsBoundaryUsageCount: new(len(u.bounds)), Tags: maybeTags(p.Tags),
	}
}

// CreatePolicy makes a managed policy of the account.
func (s *Service) CreatePolicy(ctx context.Context, in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	path, now := cmp.Or(wire.Value(in.Path), "/"), s.Clock.Now()
	p := managed{
		ARN: arn(operation.CallerOf(ctx).Account, "policy"+path+in.PolicyName), Name: in.PolicyName, Path: path, ID: newID("ANPA"),
		Description: wire.Value(in.Description), Created: now, Updated: now, Default: 1, Last: 1,
		Versions: []version{{Number: 1, Document: in.PolicyDocument, Created: now}}, Tags: tagMap(in.Tags),
	}
	if err := cmp.Or(checkPath(path), checkManaged(in.PolicyDocument), checkTags(p.Tags)); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		there, err := policies.Has(tx, policyKey(ctx, p.ARN))
		if err != nil {
			return err
		}
		if there {
			return &wire.Error{Code: "EntityAlreadyExists", Status: 409, Message: "A policy called " + p.Name + " already exists. Duplicate names are not allowed."}
		}
		return policies.Put(tx, policyKey(ctx, p.ARN), p)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreatePolicyOutput{Policy: new(p.describe(uses{}))}, nil
}

func checkManaged(document string) error {
	if err := checkIdentity(document); err != nil {
		return err
	}
	if size(document) > maxManaged {
		return limit("PolicySize", maxManaged)
	}
	return nil
}

// GetPolicy describes a managed policy.
func (s *Service) GetPolicy(ctx context.Context, in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	out := &api.GetPolicyOutput{}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := findPolicy(ctx, tx, in.PolicyArn)
		if err != nil {
			return err
		}
		u, err := usesOf(ctx, tx, p.ARN)
		out.Policy = new(p.describe(u))
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeletePolicy removes a policy that is attached to nothing and has one version left.
func (s *Service) DeletePolicy(ctx context.Context, in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	return &api.DeletePolicyOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := s.changePolicy(ctx, in.PolicyArn, func(p *managed) error {
			u, err := usesOf(ctx, tx, p.ARN)
			switch {
			case err != nil:
				return err
			case len(u.attached)+len(u.bounds) > 0:
				return &wire.Error{Code: "DeleteConflict", Status: 409, Message: "Cannot delete a policy attached to entities."}
			case len(p.Versions) > 1:
				return &wire.Error{Code: "DeleteConflict", Status: 409, Message: "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return policies.Delete(tx, policyKey(ctx, in.PolicyArn))
	})
}

// ListPolicies lists the account's managed policies, AWS's, or both.
func (s *Service) ListPolicies(ctx context.Context, in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	out := &api.ListPoliciesOutput{Policies: []api.Policy{}}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := inScope(ctx, tx, cmp.Or(wire.Value(in.Scope), "All"))
		if err != nil {
			return err
		}
		for _, p := range all {
			u, err := usesOf(ctx, tx, p.ARN)
			if err != nil {
				return err
			}
			if strings.HasPrefix(p.Path, wire.Value(in.PathPrefix)) && wanted(u, in) {
				d := p.describe(u)
				d.Description, d.Tags = nil, nil
				out.Policies = append(out.Policies, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Policies, out.IsTruncated, out.Marker, err = cut(out.Policies, in.Marker, in.MaxItems)
	return out, err
}

func wanted(u uses, in *api.ListPoliciesInput) bool {
	switch wire.Value(in.PolicyUsageFilter) {
	case "PermissionsPolicy":
		return len(u.attached) > 0
	case "PermissionsBoundary":
		return len(u.bounds) > 0
	}
	return !wire.Value(in.OnlyAttached) || len(u.attached) > 0
}

func inScope(ctx context.Context, tx *store.Tx, scope string) (all []managed, err error) {
	if scope != "AWS" {
		if all, err = policies.List(tx, key(ctx, "").Account, store.Global); err != nil {
			return nil, err
		}
	}
	if scope != "Local" {
		ours, err := awsManaged()
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(ours)) {
			all = append(all, ours[name])
		}
	}
	return all, nil
}

// ListEntitiesForPolicy lists what a policy is attached to or bounds.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	var found []entity
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := findPolicy(ctx, tx, in.PolicyArn); err != nil {
			return err
		}
		u, err := usesOf(ctx, tx, in.PolicyArn)
		if wire.Value(in.PolicyUsageFilter) != "PermissionsBoundary" {
			found = append(found, u.attached...)
		}
		if wire.Value(in.PolicyUsageFilter) != "PermissionsPolicy" {
			found = append(found, u.bounds...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	filter := wire.Value(in.EntityFilter)
	found = slices.DeleteFunc(found, func(e entity) bool {
		return !strings.HasPrefix(e.Path, wire.Value(in.PathPrefix)) || filter != "" && filter != titles[e.Kind]
	})
	some, more, next, err := cut(found, in.Marker, in.MaxItems)
	out := &api.ListEntitiesForPolicyOutput{IsTruncated: more, Marker: next, PolicyGroups: []api.PolicyGroup{}, PolicyRoles: []api.PolicyRole{}, PolicyUsers: []api.PolicyUser{}}
	for _, e := range some {
		switch e.Kind {
		case roleKind:
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleId: &e.ID, RoleName: &e.Name})
		case userKind:
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserId: &e.ID, UserName: &e.Name})
		case groupKind:
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupId: &e.ID, GroupName: &e.Name})
		}
	}
	return out, err
}

// TagPolicy adds or changes tags.
func (s *Service) TagPolicy(ctx context.Context, in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	return &api.TagPolicyOutput{}, s.changePolicy(ctx, in.PolicyArn, func(p *managed) error { return addTags(&p.Tags, in.Tags) })
}

// UntagPolicy removes tags.
func (s *Service) UntagPolicy(ctx context.Context, in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	return &api.UntagPolicyOutput{}, s.changePolicy(ctx, in.PolicyArn, func(p *managed) error {
		dropTags(p.Tags, in.TagKeys)
		return nil
	})
}

// ListPolicyTags lists the tags of a policy.
func (s *Service) ListPolicyTags(ctx context.Context, in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	p, err := s.lookPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(tagList(p.Tags), in.Marker, in.MaxItems)
	return &api.ListPolicyTagsOutput{Tags: some, IsTruncated: more, Marker: next}, err
}
