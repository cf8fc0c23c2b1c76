package iam

import (
	"context"
	"encoding/json"
	"slices"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{Name: "AWS::IAM::Role", Fidelity: operation.Runs, Create: s.createRoleResource, Update: s.updateRoleResource,
			Delete: s.deleteRoleResource, Attributes: s.entityAttributes(roleKind)},
		{Name: "AWS::IAM::User", Fidelity: operation.Runs, Inert: []string{"LoginProfile"}, Create: s.createUserResource, Update: s.updateUserResource,
			Delete: s.deleteUserResource, Attributes: s.entityAttributes(userKind)},
		{Name: "AWS::IAM::Group", Fidelity: operation.Runs, Create: s.createGroupResource, Update: s.updateGroupResource,
			Delete: s.deleteGroupResource, Attributes: s.entityAttributes(groupKind)},
		{Name: "AWS::IAM::Policy", Fidelity: operation.Runs, Create: s.createInlineResource, Update: s.updateInlineResource,
			Delete: s.deleteInlineResource, Attributes: idAttribute},
		{Name: "AWS::IAM::ManagedPolicy", Fidelity: operation.Runs, Create: s.createManagedResource, Update: s.updateManagedResource,
			Delete: s.deleteManagedResource, Attributes: s.managedAttributes},
		{Name: "AWS::IAM::InstanceProfile", Fidelity: operation.Runs, Create: s.createProfileResource, Update: s.updateProfileResource,
			Delete: s.deleteProfileResource, Attributes: s.profileAttributes},
		{Name: "AWS::IAM::UserToGroupAddition", Fidelity: operation.Runs, Create: s.createAddition, Update: s.updateAddition,
			Delete: s.deleteAddition, Attributes: idAttribute},
		{Name: "AWS::IAM::AccessKey", Fidelity: operation.Runs, Create: s.createKeyResource, Update: s.updateKeyResource,
			Delete: s.deleteKeyResource, Attributes: s.keyAttributes},
		{Name: "AWS::IAM::ServiceLinkedRole", Fidelity: operation.Runs, Create: s.createLinkedResource, Update: s.updateLinkedResource,
			Delete: s.deleteLinkedResource, Attributes: linkedAttributes},
	}
}

const gone = "NoSuchEntity"

// document is a property that is a policy, written as an object or as text.
func document(property any) (string, error) {
	if text, ok := property.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(property)
	return string(b), err
}

func texts(property any) []string {
	items, _ := property.([]any)
	out := []string{}
	for _, item := range items {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// inlineOf reads a Policies property: documents by name.
func inlineOf(property any) (map[string]string, error) {
	out := map[string]string{}
	items, _ := property.([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		name, _ := m["PolicyName"].(string)
		doc, err := document(m["PolicyDocument"])
		if err != nil {
			return nil, err
		}
		out[name] = doc
	}
	return out, nil
}

// settle gives an entity the policies of the properties and takes from it those of the previous ones that are no more.
func (s *Service) settle(ctx context.Context, kind, name string, now, before map[string]any) error {
	inline, err := inlineOf(now["Policies"])
	if err != nil {
		return err
	}
	old, err := inlineOf(before["Policies"])
	if err != nil {
		return err
	}
	for policy, doc := range inline {
		if err := s.putInline(ctx, kind, name, policy, doc); err != nil {
			return err
		}
	}
	for policy := range old {
		if _, kept := inline[policy]; kept {
			continue
		}
		if err := resource.Absent(s.deleteInline(ctx, kind, name, policy), gone); err != nil {
			return err
		}
	}
	attached := texts(now["ManagedPolicyArns"])
	for _, a := range texts(before["ManagedPolicyArns"]) {
		if slices.Contains(attached, a) {
			continue
		}
		if err := resource.Absent(s.detach(ctx, kind, name, a), gone); err != nil {
			return err
		}
	}
	for _, a := range attached {
		if err := s.attach(ctx, kind, name, a); err != nil {
			return err
		}
	}
	return nil
}

// restate writes what an entity carries besides its policies: tags and boundary.
func (s *Service) restate(ctx context.Context, kind string, r resource.Request) error {
	return s.change(ctx, kind, r.PhysicalID, func(ctx context.Context, tx *store.Tx, e *entity) error {
		now := r.AllTags()
		for k := range resource.TagsOf(r.Previous["Tags"]) {
			delete(e.Tags, k)
		}
		e.Boundary = r.Text("PermissionsBoundary")
		if e.Boundary != "" {
			if err := attachable(ctx, tx, e.Boundary); err != nil {
				return err
			}
		}
		return addTags(&e.Tags, resource.TagList(now, func(k, v string) api.Tag { return api.Tag{Key: k, Value: v} }))
	})
}

// clear takes every policy from an entity, as CloudFormation does before it deletes one, and then calls remove.
func (s *Service) clear(ctx context.Context, kind, name string, also func(e *entity), remove func(ctx context.Context) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := s.change(ctx, kind, name, func(ctx context.Context, tx *store.Tx, e *entity) error {
			e.Inline, e.Attached = nil, nil
			if also != nil {
				also(e)
			}
			return nil
		})
		if err == nil {
			err = remove(ctx)
		}
		return resource.Absent(err, gone)
	})
}

func (s *Service) entityAttributes(kind string) func(context.Context, resource.Request) (map[string]any, error) {
	id := map[string]string{roleKind: "RoleId", userKind: "UserId", groupKind: "GroupId"}[kind]
	return func(ctx context.Context, r resource.Request) (map[string]any, error) {
		e, err := s.look(ctx, kind, r.PhysicalID)
		if err != nil {
			return nil, err
		}
		return map[string]any{"Arn": e.arn(ctx), id: e.ID}, nil
	}
}

func (s *Service) createRoleResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateRoleInput{}
	if err := r.Into(in, "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "Tags"); err != nil {
		return "", err
	}
	in.RoleName, in.Tags = r.Name("RoleName", 64), tagList(r.AllTags())
	var err error
	if in.AssumeRolePolicyDocument, err = document(r.Properties["AssumeRolePolicyDocument"]); err != nil {
		return "", err
	}
	if _, err = s.CreateRole(ctx, in); err != nil {
		return "", err
	}
	return in.RoleName, s.settle(ctx, roleKind, in.RoleName, r.Properties, nil)
}

func (s *Service) updateRoleResource(ctx context.Context, r resource.Request) error {
	in := &api.UpdateRoleInput{}
	if err := r.Into(in, "RoleName", "Path", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "PermissionsBoundary", "Tags"); err != nil {
		return err
	}
	in.RoleName = r.PhysicalID
	trust, err := document(r.Properties["AssumeRolePolicyDocument"])
	if err != nil {
		return err
	}
	if _, err := s.UpdateRole(ctx, in); err != nil {
		return err
	}
	if _, err := s.UpdateAssumeRolePolicy(ctx, &api.UpdateAssumeRolePolicyInput{RoleName: in.RoleName, PolicyDocument: trust}); err != nil {
		return err
	}
	if err := s.restate(ctx, roleKind, r); err != nil {
		return err
	}
	return s.settle(ctx, roleKind, in.RoleName, r.Properties, r.Previous)
}

func (s *Service) deleteRoleResource(ctx context.Context, r resource.Request) error {
	return s.clear(ctx, roleKind, r.PhysicalID, nil, func(ctx context.Context) error {
		_, err := s.DeleteRole(ctx, &api.DeleteRoleInput{RoleName: r.PhysicalID})
		return err
	})
}

func (s *Service) createUserResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateUserInput{}
	if err := r.Into(in, "Groups", "Policies", "ManagedPolicyArns", "LoginProfile", "Tags"); err != nil {
		return "", err
	}
	in.UserName, in.Tags = r.Name("UserName", 64), tagList(r.AllTags())
	if _, err := s.CreateUser(ctx, in); err != nil {
		return "", err
	}
	r.PhysicalID = in.UserName
	return in.UserName, s.settleUser(ctx, r)
}

func (s *Service) settleUser(ctx context.Context, r resource.Request) error {
	now := texts(r.Properties["Groups"])
	for _, g := range now {
		if _, err := s.AddUserToGroup(ctx, &api.AddUserToGroupInput{UserName: r.PhysicalID, GroupName: g}); err != nil {
			return err
		}
	}
	for _, g := range texts(r.Previous["Groups"]) {
		if slices.Contains(now, g) {
			continue
		}
		_, err := s.RemoveUserFromGroup(ctx, &api.RemoveUserFromGroupInput{UserName: r.PhysicalID, GroupName: g})
		if err := resource.Absent(err, gone); err != nil {
			return err
		}
	}
	return s.settle(ctx, userKind, r.PhysicalID, r.Properties, r.Previous)
}

func (s *Service) updateUserResource(ctx context.Context, r resource.Request) error {
	in := &api.UpdateUserInput{UserName: r.PhysicalID, NewPath: wire.Maybe(r.Text("Path"))}
	if _, err := s.UpdateUser(ctx, in); err != nil {
		return err
	}
	if err := s.restate(ctx, userKind, r); err != nil {
		return err
	}
	return s.settleUser(ctx, r)
}

func (s *Service) deleteUserResource(ctx context.Context, r resource.Request) error {
	return s.clear(ctx, userKind, r.PhysicalID, func(e *entity) { e.Groups = nil }, func(ctx context.Context) error {
		_, err := s.DeleteUser(ctx, &api.DeleteUserInput{UserName: r.PhysicalID})
		return err
	})
}

func (s *Service) createGroupResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateGroupInput{}
	if err := r.Into(in, "Policies", "ManagedPolicyArns"); err != nil {
		return "", err
	}
	in.GroupName = r.Name("GroupName", 128)
	if _, err := s.CreateGroup(ctx, in); err != nil {
		return "", err
	}
	return in.GroupName, s.settle(ctx, groupKind, in.GroupName, r.Properties, nil)
}

func (s *Service) updateGroupResource(ctx context.Context, r resource.Request) error {
	if path := r.Text("Path"); path != "" {
		err := s.change(ctx, groupKind, r.PhysicalID, func(ctx context.Context, tx *store.Tx, e *entity) error {
			e.Path = path
			return checkPath(path)
		})
		if err != nil {
			return err
		}
	}
	return s.settle(ctx, groupKind, r.PhysicalID, r.Properties, r.Previous)
}

func (s *Service) deleteGroupResource(ctx context.Context, r resource.Request) error {
	return s.clear(ctx, groupKind, r.PhysicalID, nil, func(ctx context.Context) error {
		_, err := s.DeleteGroup(ctx, &api.DeleteGroupInput{GroupName: r.PhysicalID})
		return err
	})
}
