package iam

import (
	"context"
	"slices"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) createProfileResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateInstanceProfileInput{}
	if err := r.Into(in, "Roles"); err != nil {
		return "", err
	}
	in.InstanceProfileName = r.Name("InstanceProfileName", 128)
	if _, err := s.CreateInstanceProfile(ctx, in); err != nil {
		return "", err
	}
	return in.InstanceProfileName, s.fillProfile(ctx, in.InstanceProfileName, texts(r.Properties["Roles"]))
}

func (s *Service) fillProfile(ctx context.Context, name string, roles []string) error {
	for _, role := range roles {
		if _, err := s.AddRoleToInstanceProfile(ctx, &api.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) emptyProfile(ctx context.Context, name string) error {
	return s.changeProfile(ctx, name, func(ctx context.Context, tx *store.Tx, p *profile) error {
		p.Role = ""
		return nil
	})
}

func (s *Service) updateProfileResource(ctx context.Context, r resource.Request) error {
	if err := s.emptyProfile(ctx, r.PhysicalID); err != nil {
		return err
	}
	return s.fillProfile(ctx, r.PhysicalID, texts(r.Properties["Roles"]))
}

func (s *Service) deleteProfileResource(ctx context.Context, r resource.Request) error {
	err := s.emptyProfile(ctx, r.PhysicalID)
	if err == nil {
		_, err = s.DeleteInstanceProfile(ctx, &api.DeleteInstanceProfileInput{InstanceProfileName: r.PhysicalID})
	}
	return resource.Absent(err, gone)
}

func (s *Service) profileAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	out, err := s.GetInstanceProfile(ctx, &api.GetInstanceProfileInput{InstanceProfileName: r.PhysicalID})
	if err != nil {
		return nil, err
	}
	return map[string]any{"Arn": out.InstanceProfile.Arn, "InstanceProfileId": out.InstanceProfile.InstanceProfileId}, nil
}

func (s *Service) createAddition(ctx context.Context, r resource.Request) (string, error) {
	in := struct {
		GroupName string
		Users     []string
	}{}
	if err := r.Into(&in); err != nil {
		return "", err
	}
	return shortName(r), s.addUsers(ctx, r)
}

func (s *Service) addUsers(ctx context.Context, r resource.Request) error {
	for _, user := range texts(r.Properties["Users"]) {
		if _, err := s.AddUserToGroup(ctx, &api.AddUserToGroupInput{GroupName: r.Text("GroupName"), UserName: user}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) dropUsers(ctx context.Context, group string, users []string) error {
	for _, user := range users {
		_, err := s.RemoveUserFromGroup(ctx, &api.RemoveUserFromGroupInput{GroupName: group, UserName: user})
		if err := resource.Absent(err, gone); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) updateAddition(ctx context.Context, r resource.Request) error {
	before := resource.Request{Properties: r.Previous}
	old, now := texts(r.Previous["Users"]), texts(r.Properties["Users"])
	if before.Text("GroupName") == r.Text("GroupName") {
		old = slices.DeleteFunc(old, func(user string) bool { return slices.Contains(now, user) })
	}
	if err := s.dropUsers(ctx, before.Text("GroupName"), old); err != nil {
		return err
	}
	return s.addUsers(ctx, r)
}

func (s *Service) deleteAddition(ctx context.Context, r resource.Request) error {
	return s.dropUsers(ctx, r.Text("GroupName"), texts(r.Properties["Users"]))
}

// createKeyResource: Serial is only there to be raised, which replaces the key.
func (s *Service) createKeyResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateAccessKeyInput{}
	if err := r.Into(in, "Serial", "Status"); err != nil {
		return "", err
	}
	out, err := s.CreateAccessKey(ctx, in)
	if err != nil {
		return "", err
	}
	r.PhysicalID = out.AccessKey.AccessKeyId
	return r.PhysicalID, s.updateKeyResource(ctx, r)
}

func (s *Service) updateKeyResource(ctx context.Context, r resource.Request) error {
	status := r.Text("Status")
	if status == "" {
		status = "Active"
	}
	_, err := s.UpdateAccessKey(ctx, &api.UpdateAccessKeyInput{AccessKeyId: r.PhysicalID, UserName: wire.Maybe(r.Text("UserName")), Status: status})
	return err
}

func (s *Service) deleteKeyResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteAccessKey(ctx, &api.DeleteAccessKeyInput{AccessKeyId: r.PhysicalID, UserName: wire.Maybe(r.Text("UserName"))})
	return resource.Absent(err, gone)
}

// keyAttributes gives the secret to the stack that made the key, which is the only one that may read it again.
func (s *Service) keyAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	c, err := credentials{s.Store}.secret(ctx, operation.CallerOf(ctx).Account, r.PhysicalID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Id": r.PhysicalID, "SecretAccessKey": c}, nil
}

func (s *Service) createLinkedResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateServiceLinkedRoleInput{}
	if err := r.Into(in); err != nil {
		return "", err
	}
	out, err := s.CreateServiceLinkedRole(ctx, in)
	if err != nil {
		return "", err
	}
	return out.Role.RoleName, nil
}

func (s *Service) updateLinkedResource(ctx context.Context, r resource.Request) error {
	return s.change(ctx, roleKind, r.PhysicalID, func(ctx context.Context, tx *store.Tx, e *entity) error {
		e.Description = r.Text("Description")
		return nil
	})
}

func (s *Service) deleteLinkedResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteServiceLinkedRole(ctx, &api.DeleteServiceLinkedRoleInput{RoleName: r.PhysicalID})
	return resource.Absent(err, gone)
}

func linkedAttributes(_ context.Context, r resource.Request) (map[string]any, error) {
	return map[string]any{"RoleName": r.PhysicalID}, nil
}
