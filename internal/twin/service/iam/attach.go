package iam

import (
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const maxAttached = 10

func (s *Service) attach(ctx context.Context, kind, owner, policyARN string) error {
	return s.change(ctx, kind, owner, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if err := e.modifiable(); err != nil {
			return err
		}
		if err := attachable(ctx, tx, policyARN); err != nil {
			return err
		}
		if strings.HasPrefix(policyARN, awsPolicy+"aws-service-role/") {
			return &wire.Error{Code: "PolicyNotAttachable", Message: "Cannot attach a Service Role Policy to a Customer Role."}
		}
		if slices.Contains(e.Attached, policyARN) {
			return nil
		}
		if len(e.Attached) >= maxAttached {
			return limit("PoliciesPer"+titles[kind], maxAttached)
		}
		e.Attached = append(e.Attached, policyARN)
		return nil
	})
}

func (s *Service) detach(ctx context.Context, kind, owner, policyARN string) error {
	return s.change(ctx, kind, owner, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if !slices.Contains(e.Attached, policyARN) {
			return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "Policy " + policyARN + " was not found."}
		}
		e.Attached = without(e.Attached, policyARN)
		return e.modifiable()
	})
}

// attached lists the managed policies of an entity, newest last.
func (s *Service) attached(ctx context.Context, kind, owner string, prefix, marker *string, size *int) ([]api.AttachedPolicy, *bool, *string, error) {
	e, err := s.look(ctx, kind, owner)
	if err != nil {
		return nil, nil, nil, err
	}
	var list []api.AttachedPolicy
	for _, a := range e.Attached {
		path, name := pathAndName(a)
		if strings.HasPrefix(path, wire.Value(prefix)) {
			list = append(list, api.AttachedPolicy{PolicyArn: &a, PolicyName: &name})
		}
	}
	return cut(list, marker, size)
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *Service) AttachRolePolicy(ctx context.Context, in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	return &api.AttachRolePolicyOutput{}, s.attach(ctx, roleKind, in.RoleName, in.PolicyArn)
}

// DetachRolePolicy detaches a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	return &api.DetachRolePolicyOutput{}, s.detach(ctx, roleKind, in.RoleName, in.PolicyArn)
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	list, more, next, err := s.attached(ctx, roleKind, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedRolePoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}

// AttachUserPolicy attaches a managed policy to a user.
func (s *Service) AttachUserPolicy(ctx context.Context, in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	return &api.AttachUserPolicyOutput{}, s.attach(ctx, userKind, in.UserName, in.PolicyArn)
}

// DetachUserPolicy detaches a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	return &api.DetachUserPolicyOutput{}, s.detach(ctx, userKind, in.UserName, in.PolicyArn)
}

// ListAttachedUserPolicies lists the managed policies of a user.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	list, more, next, err := s.attached(ctx, userKind, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedUserPoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *Service) AttachGroupPolicy(ctx context.Context, in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	return &api.AttachGroupPolicyOutput{}, s.attach(ctx, groupKind, in.GroupName, in.PolicyArn)
}

// DetachGroupPolicy detaches a managed policy from a group.
func (s *Service) DetachGroupPolicy(ctx context.Context, in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	return &api.DetachGroupPolicyOutput{}, s.detach(ctx, groupKind, in.GroupName, in.PolicyArn)
}

// ListAttachedGroupPolicies lists the managed policies of a group.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	list, more, next, err := s.attached(ctx, groupKind, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	return &api.ListAttachedGroupPoliciesOutput{AttachedPolicies: list, IsTruncated: more, Marker: next}, err
}
