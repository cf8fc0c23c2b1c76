package iam

import (
	"context"
	"maps"
	"slices"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// putInline writes an inline policy of a role, user or group.
func (s *Service) putInline(ctx context.Context, kind, owner, name, document string) error {
	if err := checkIdentity(document); err != nil {
		return err
	}
	return s.change(ctx, kind, owner, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if err := e.modifiable(); err != nil {
			return err
		}
		if e.Inline == nil {
			e.Inline = map[string]string{}
		}
		e.Inline[name] = document
		total := 0
		for _, d := range e.Inline {
			total += size(d)
		}
		if total > maxInline[kind] {
			return wireLimit("Maximum policy size of %d bytes exceeded for %s %s", maxInline[kind], kind, owner)
		}
		return nil
	})
}

func noInline(kind, name string) error {
	return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The " + kind + " policy with name " + name + " cannot be found."}
}

// getInline returns a document as it goes over the wire.
func (s *Service) getInline(ctx context.Context, kind, owner, name string) (string, error) {
	e, err := s.look(ctx, kind, owner)
	if err != nil {
		return "", err
	}
	document, ok := e.Inline[name]
	if !ok {
		return "", noInline(kind, name)
	}
	return encoded(document), nil
}

func (s *Service) deleteInline(ctx context.Context, kind, owner, name string) error {
	return s.change(ctx, kind, owner, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if _, ok := e.Inline[name]; !ok {
			return noInline(kind, name)
		}
		delete(e.Inline, name)
		return e.modifiable()
	})
}

func (s *Service) listInline(ctx context.Context, kind, owner string, marker *string, size *int) ([]string, *bool, *string, error) {
	e, err := s.look(ctx, kind, owner)
	if err != nil {
		return nil, nil, nil, err
	}
	return cut(slices.Sorted(maps.Keys(e.Inline)), marker, size)
}

// PutRolePolicy writes an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	return &api.PutRolePolicyOutput{}, s.putInline(ctx, roleKind, in.RoleName, in.PolicyName, in.PolicyDocument)
}

// GetRolePolicy returns an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	document, err := s.getInline(ctx, roleKind, in.RoleName, in.PolicyName)
	return &api.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteRolePolicy removes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	return &api.DeleteRolePolicyOutput{}, s.deleteInline(ctx, roleKind, in.RoleName, in.PolicyName)
}

// ListRolePolicies lists the inline policies of a role.
func (s *Service) ListRolePolicies(ctx context.Context, in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, roleKind, in.RoleName, in.Marker, in.MaxItems)
	return &api.ListRolePoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// PutUserPolicy writes an inline policy of a user.
func (s *Service) PutUserPolicy(ctx context.Context, in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	return &api.PutUserPolicyOutput{}, s.putInline(ctx, userKind, in.UserName, in.PolicyName, in.PolicyDocument)
}

// GetUserPolicy returns an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	document, err := s.getInline(ctx, userKind, in.UserName, in.PolicyName)
	return &api.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteUserPolicy removes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	return &api.DeleteUserPolicyOutput{}, s.deleteInline(ctx, userKind, in.UserName, in.PolicyName)
}

// ListUserPolicies lists the inline policies of a user.
func (s *Service) ListUserPolicies(ctx context.Context, in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, userKind, in.UserName, in.Marker, in.MaxItems)
	return &api.ListUserPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}

// PutGroupPolicy writes an inline policy of a group.
func (s *Service) PutGroupPolicy(ctx context.Context, in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	return &api.PutGroupPolicyOutput{}, s.putInline(ctx, groupKind, in.GroupName, in.PolicyName, in.PolicyDocument)
}

// GetGroupPolicy returns an inline policy of a group.
func (s *Service) GetGroupPolicy(ctx context.Context, in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	document, err := s.getInline(ctx, groupKind, in.GroupName, in.PolicyName)
	return &api.GetGroupPolicyOutput{GroupName: in.GroupName, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

// DeleteGroupPolicy removes an inline policy of a group.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	return &api.DeleteGroupPolicyOutput{}, s.deleteInline(ctx, groupKind, in.GroupName, in.PolicyName)
}

// ListGroupPolicies lists the inline policies of a group.
func (s *Service) ListGroupPolicies(ctx context.Context, in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	names, more, next, err := s.listInline(ctx, groupKind, in.GroupName, in.Marker, in.MaxItems)
	return &api.ListGroupPoliciesOutput{PolicyNames: names, IsTruncated: more, Marker: next}, err
}
