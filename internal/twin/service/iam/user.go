package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (e entity) user(ctx context.Context) *api.User {
	return &api.User{Arn: e.arn(ctx), UserName: e.Name, UserId: e.ID, Path: e.Path, CreateDate: e.Created,
		PermissionsBoundary: boundary(e.Boundary), Tags: maybeTags(e.Tags)}
}

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	e := entity{Kind: userKind, Name: in.UserName, Path: cmp.Or(wire.Value(in.Path), "/"), ID: newID("AIDA"), Created: s.Clock.Now(),
		Boundary: wire.Value(in.PermissionsBoundary), Tags: tagMap(in.Tags)}
	if err := cmp.Or(checkTags(e.Tags), s.create(ctx, e)); err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: e.user(ctx)}, nil
}

// self is the name of the calling user, "" for root.
func self(ctx context.Context) (string, error) {
	c := operation.CallerOf(ctx)
	if c.Root() {
		return "", nil
	}
	path, ok := strings.CutPrefix(c.ARN, arn(c.Account, userKind+"/"))
	if !ok {
		return "", wire.Errorf("ValidationError", "Must specify userName when calling with non-User credentials")
	}
	return path[strings.LastIndex(path, "/")+1:], nil
}

// GetUser describes a user; without a name the caller, who may be root.
func (s *Service) GetUser(ctx context.Context, in *api.GetUserInput) (*api.GetUserOutput, error) {
	name := wire.Value(in.UserName)
	if name == "" {
		var err error
		if name, err = self(ctx); err != nil {
			return nil, err
		}
		if name == "" {
			c := operation.CallerOf(ctx)
			return &api.GetUserOutput{User: &api.User{Arn: c.ARN, UserId: c.Account, CreateDate: rootCreated}}, nil
		}
	}
	e, err := s.look(ctx, userKind, name)
	if err != nil {
		return nil, err
	}
	return &api.GetUserOutput{User: e.user(ctx)}, nil
}

// UpdateUser renames or moves a user.
func (s *Service) UpdateUser(ctx context.Context, in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	return &api.UpdateUserOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, userKind, in.UserName)
		if err != nil {
			return err
		}
		renamed := e
		renamed.Name, renamed.Path = cmp.Or(wire.Value(in.NewUserName), e.Name), cmp.Or(wire.Value(in.NewPath), e.Path)
		if err := checkPath(renamed.Path); err != nil {
			return err
		}
		from, to := entityKey(ctx, userKind, e.Name), entityKey(ctx, userKind, renamed.Name)
		if there, err := entities.Has(tx, to); err != nil || there && from != to {
			return cmp.Or(err, exists("User", renamed.Name))
		}
		if err := entities.Delete(tx, from); err != nil {
			return err
		}
		return entities.Put(tx, to, renamed)
	})
}

// DeleteUser removes a user who has no policies, groups or keys.
func (s *Service) DeleteUser(ctx context.Context, in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	return &api.DeleteUserOutput{}, s.remove(ctx, userKind, in.UserName, func(ctx context.Context, tx *store.Tx, e entity) error {
		keys, err := accessKeys.ListBy(tx, key(ctx, "").Account, store.Global, e.ID)
		switch {
		case err != nil:
			return err
		case len(keys) > 0:
			return conflict("delete access keys first.")
		case len(e.Groups) > 0:
			return conflict("remove users from group first.")
		}
		return nil
	})
}

// ListUsers lists users below a path.
func (s *Service) ListUsers(ctx context.Context, in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	all, err := s.list(ctx, userKind, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(all, in.Marker, in.MaxItems)
	return &api.ListUsersOutput{Users: users(ctx, some), IsTruncated: more, Marker: next}, err
}

// users describes users as listings do, without tags and boundaries.
func users(ctx context.Context, all []entity) []api.User {
	list := []api.User{}
	for _, e := range all {
		u := e.user(ctx)
		u.Tags, u.PermissionsBoundary = nil, nil
		list = append(list, *u)
	}
	return list
}

// TagUser adds or changes tags.
func (s *Service) TagUser(ctx context.Context, in *api.TagUserInput) (*api.TagUserOutput, error) {
	return &api.TagUserOutput{}, s.change(ctx, userKind, in.UserName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		return addTags(&e.Tags, in.Tags)
	})
}

// UntagUser removes tags.
func (s *Service) UntagUser(ctx context.Context, in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	return &api.UntagUserOutput{}, s.change(ctx, userKind, in.UserName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		dropTags(e.Tags, in.TagKeys)
		return nil
	})
}

// ListUserTags lists the tags of a user.
func (s *Service) ListUserTags(ctx context.Context, in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	e, err := s.look(ctx, userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(tagList(e.Tags), in.Marker, in.MaxItems)
	return &api.ListUserTagsOutput{Tags: some, IsTruncated: more, Marker: next}, err
}

func (e entity) group(ctx context.Context) api.Group {
	return api.Group{Arn: e.arn(ctx), GroupName: e.Name, GroupId: e.ID, Path: e.Path, CreateDate: e.Created}
}

func groups(ctx context.Context, all []entity) []api.Group {
	list := []api.Group{}
	for _, e := range all {
		list = append(list, e.group(ctx))
	}
	return list
}

// CreateGroup makes a group.
func (s *Service) CreateGroup(ctx context.Context, in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	e := entity{Kind: groupKind, Name: in.GroupName, Path: cmp.Or(wire.Value(in.Path), "/"), ID: newID("AGPA"), Created: s.Clock.Now()}
	if err := s.create(ctx, e); err != nil {
		return nil, err
	}
	return &api.CreateGroupOutput{Group: new(e.group(ctx))}, nil
}

func membersOf(ctx context.Context, tx *store.Tx, group string) ([]entity, error) {
	all, err := entities.ListBy(tx, key(ctx, "").Account, store.Global, userKind)
	return slices.DeleteFunc(all, func(e entity) bool { return !slices.Contains(e.Groups, group) }), err
}

// GetGroup describes a group and lists its users.
func (s *Service) GetGroup(ctx context.Context, in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	out := &api.GetGroupOutput{}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, groupKind, in.GroupName)
		if err != nil {
			return err
		}
		out.Group = new(e.group(ctx))
		members, err := membersOf(ctx, tx, e.Name)
		if err == nil {
			members, out.IsTruncated, out.Marker, err = cut(members, in.Marker, in.MaxItems)
		}
		out.Users = users(ctx, members)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteGroup removes a group without users and policies.
func (s *Service) DeleteGroup(ctx context.Context, in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	return &api.DeleteGroupOutput{}, s.remove(ctx, groupKind, in.GroupName, func(ctx context.Context, tx *store.Tx, e entity) error {
		members, err := membersOf(ctx, tx, e.Name)
		if err == nil && len(members) > 0 {
			return conflict("remove users from group first.")
		}
		return err
	})
}

// ListGroups lists groups below a path.
func (s *Service) ListGroups(ctx context.Context, in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	all, err := s.list(ctx, groupKind, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(all, in.Marker, in.MaxItems)
	return &api.ListGroupsOutput{Groups: groups(ctx, some), IsTruncated: more, Marker: next}, err
}

const maxGroups = 10

// AddUserToGroup puts a user into a group.
func (s *Service) AddUserToGroup(ctx context.Context, in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	return &api.AddUserToGroupOutput{}, s.change(ctx, userKind, in.UserName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		g, err := find(ctx, tx, groupKind, in.GroupName)
		if err != nil || slices.Contains(e.Groups, g.Name) {
			return err
		}
		if len(e.Groups) >= maxGroups {
			return limit("GroupsPerUser", maxGroups)
		}
		e.Groups = append(e.Groups, g.Name)
		return nil
	})
}

// RemoveUserFromGroup takes a user out of a group.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	return &api.RemoveUserFromGroupOutput{}, s.change(ctx, userKind, in.UserName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		g, err := find(ctx, tx, groupKind, in.GroupName)
		if err != nil {
			return err
		}
		if !slices.Contains(e.Groups, g.Name) {
			return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The user with name " + e.Name + " is not in the group " + g.Name + "."}
		}
		e.Groups = without(e.Groups, g.Name)
		return nil
	})
}

// ListGroupsForUser lists the groups of a user.
func (s *Service) ListGroupsForUser(ctx context.Context, in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	var list []entity
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, userKind, in.UserName)
		if err != nil {
			return err
		}
		for _, name := range e.Groups {
			g, err := find(ctx, tx, groupKind, name)
			if err != nil {
				return err
			}
			list = append(list, g)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(list, in.Marker, in.MaxItems)
	return &api.ListGroupsForUserOutput{Groups: groups(ctx, some), IsTruncated: more, Marker: next}, err
}
