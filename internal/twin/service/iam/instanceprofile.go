package iam

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// profile is an instance profile: at most one role, by name.
type profile struct {
	Name    string
	Path    string
	ID      string // AIPA…
	Created time.Time
	Role    string
	Tags    map[string]string
}

var profiles = &store.Table[profile]{Name: "iam_instance_profiles"}

func profileKey(ctx context.Context, name string) store.Key { return key(ctx, strings.ToLower(name)) }

func findProfile(ctx context.Context, tx *store.Tx, name string) (profile, error) {
	p, err := profiles.Get(tx, profileKey(ctx, name))
	if errors.Is(err, store.ErrNotFound) {
		return p, &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "Instance Profile " + name + " cannot be found."}
	}
	return p, err
}

func profilesOf(ctx context.Context, tx *store.Tx, role string) ([]profile, error) {
	all, err := profiles.List(tx, key(ctx, "").Account, store.Global)
	return slices.DeleteFunc(all, func(p profile) bool { return !strings.EqualFold(p.Role, role) }), err
}

func (s *Service) changeProfile(ctx context.Context, name string, f func(ctx context.Context, tx *store.Tx, p *profile) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := findProfile(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := f(ctx, tx, &p); err != nil {
			return err
		}
		return profiles.Put(tx, profileKey(ctx, name), p)
	})
}

func (p profile) describe(ctx context.Context, tx *store.Tx) (api.InstanceProfile, error) {
	out := api.InstanceProfile{
		Arn: arn(operation.CallerOf(ctx).Account, "instance-profile"+p.Path+p.Name), InstanceProfileName: p.Name, InstanceProfileId: p.ID,
		Path: p.Path, CreateDate: p.Created, Roles: []api.Role{}, Tags: maybeTags(p.Tags),
	}
	if p.Role == "" {
		return out, nil
	}
	e, err := find(ctx, tx, roleKind, p.Role)
	r := e.role(ctx)
	r.RoleLastUsed, r.MaxSessionDuration, r.Tags = nil, nil, nil
	out.Roles = append(out.Roles, *r)
	return out, err
}

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *api.CreateInstanceProfileInput) (*api.CreateInstanceProfileOutput, error) {
	p := profile{Name: in.InstanceProfileName, Path: cmp.Or(wire.Value(in.Path), "/"), ID: newID("AIPA"), Created: s.Clock.Now(), Tags: tagMap(in.Tags)}
	if err := cmp.Or(checkPath(p.Path), checkTags(p.Tags)); err != nil {
		return nil, err
	}
	out := &api.CreateInstanceProfileOutput{}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		there, err := profiles.Has(tx, profileKey(ctx, p.Name))
		if err != nil {
			return err
		}
		if there {
			return &wire.Error{Code: "EntityAlreadyExists", Status: 409, Message: "Instance Profile " + p.Name + " already exists."}
		}
		d, err := p.describe(ctx, tx)
		out.InstanceProfile = &d
		return errors.Join(err, profiles.Put(tx, profileKey(ctx, p.Name), p))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetInstanceProfile describes an instance profile with its role.
func (s *Service) GetInstanceProfile(ctx context.Context, in *api.GetInstanceProfileInput) (*api.GetInstanceProfileOutput, error) {
	out := &api.GetInstanceProfileOutput{}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := findProfile(ctx, tx, in.InstanceProfileName)
		if err != nil {
			return err
		}
		d, err := p.describe(ctx, tx)
		out.InstanceProfile = &d
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteInstanceProfile removes an instance profile that holds no role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *api.DeleteInstanceProfileInput) (*api.DeleteInstanceProfileOutput, error) {
	return &api.DeleteInstanceProfileOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := findProfile(ctx, tx, in.InstanceProfileName)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return conflict("remove roles from instance profile first.")
		}
		return profiles.Delete(tx, profileKey(ctx, p.Name))
	})
}

// AddRoleToInstanceProfile puts the role into the profile.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *api.AddRoleToInstanceProfileInput) (*api.AddRoleToInstanceProfileOutput, error) {
	return &api.AddRoleToInstanceProfileOutput{}, s.changeProfile(ctx, in.InstanceProfileName, func(ctx context.Context, tx *store.Tx, p *profile) error {
		e, err := find(ctx, tx, roleKind, in.RoleName)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return limit("InstanceSessionsPerInstanceProfile", 1)
		}
		p.Role = e.Name
		return e.modifiable()
	})
}

// RemoveRoleFromInstanceProfile takes the role out of the profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *api.RemoveRoleFromInstanceProfileInput) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	return &api.RemoveRoleFromInstanceProfileOutput{}, s.changeProfile(ctx, in.InstanceProfileName, func(ctx context.Context, tx *store.Tx, p *profile) error {
		if p.Role == "" || !strings.EqualFold(p.Role, in.RoleName) {
			return noSuch(roleKind, in.RoleName)
		}
		p.Role = ""
		return nil
	})
}

func describeProfiles(ctx context.Context, tx *store.Tx, all []profile, prefix string) (list []api.InstanceProfile, err error) {
	for _, p := range all {
		if !strings.HasPrefix(p.Path, prefix) {
			continue
		}
		d, err := p.describe(ctx, tx)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// ListInstanceProfiles lists instance profiles below a path.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *api.ListInstanceProfilesInput) (*api.ListInstanceProfilesOutput, error) {
	var list []api.InstanceProfile
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := profiles.List(tx, key(ctx, "").Account, store.Global)
		if err == nil {
			list, err = describeProfiles(ctx, tx, all, wire.Value(in.PathPrefix))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(list, in.Marker, in.MaxItems)
	return &api.ListInstanceProfilesOutput{InstanceProfiles: some, IsTruncated: more, Marker: next}, err
}

// ListInstanceProfilesForRole lists the instance profiles that hold a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	var list []api.InstanceProfile
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, roleKind, in.RoleName)
		if err != nil {
			return err
		}
		all, err := profilesOf(ctx, tx, e.Name)
		if err == nil {
			list, err = describeProfiles(ctx, tx, all, "")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(list, in.Marker, in.MaxItems)
	return &api.ListInstanceProfilesForRoleOutput{InstanceProfiles: some, IsTruncated: more, Marker: next}, err
}
