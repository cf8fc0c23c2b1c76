package iam

import (
	"context"
	"errors"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/accesskey"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// accessKey is a long-term key of a user, or of the root user of an account.
type accessKey struct {
	ID      string
	Secret  []byte // sealed
	Owner   string // the user's unique id; the account for root
	Status  string // Active or Inactive
	Created time.Time
}

var accessKeys = &store.Table[accessKey]{Name: "iam_access_keys", By: func(k accessKey) string { return k.Owner }}

const maxKeys = 2

func keyLabel(id string) string { return "iam/" + id }

// owner is the user that a key operation is about: the named one, else the caller. Root has an empty name.
func owner(ctx context.Context, tx *store.Tx, name *string) (id, user string, err error) {
	user = wire.Value(name)
	if user == "" {
		if user, err = self(ctx); err != nil || user == "" {
			return operation.CallerOf(ctx).Account, "", err
		}
	}
	e, err := find(ctx, tx, userKind, user)
	return e.ID, e.Name, err
}

// CreateAccessKey makes a key. Its secret is returned this once.
func (s *Service) CreateAccessKey(ctx context.Context, in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	var out *api.CreateAccessKeyOutput
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		ownerID, user, err := owner(ctx, tx, in.UserName)
		if err != nil {
			return err
		}
		account := operation.CallerOf(ctx).Account
		have, err := accessKeys.ListBy(tx, account, store.Global, ownerID)
		if err != nil {
			return err
		}
		if len(have) >= maxKeys {
			return limit("AccessKeysPerUser", maxKeys)
		}
		id, err := accesskey.NewID(accesskey.LongTerm, account)
		if err != nil {
			return err
		}
		secret := accesskey.NewSecret()
		k := accessKey{ID: id, Owner: ownerID, Status: "Active", Created: s.Clock.Now(), Secret: s.Store.Seal([]byte(secret), keyLabel(id))}
		out = &api.CreateAccessKeyOutput{AccessKey: &api.AccessKey{AccessKeyId: id, SecretAccessKey: secret, Status: k.Status, UserName: user, CreateDate: &k.Created}}
		return accessKeys.Put(tx, key(ctx, id), k)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func noKey(id string) error {
	return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The Access Key with id " + id + " cannot be found."}
}

func (s *Service) changeKey(ctx context.Context, id string, user *string, f func(tx *store.Tx, k accessKey) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		ownerID, _, err := owner(ctx, tx, user)
		if err != nil {
			return err
		}
		k, err := accessKeys.Get(tx, key(ctx, id))
		if errors.Is(err, store.ErrNotFound) || err == nil && k.Owner != ownerID {
			return noKey(id)
		}
		if err != nil {
			return err
		}
		return f(tx, k)
	})
}

// DeleteAccessKey removes a key.
func (s *Service) DeleteAccessKey(ctx context.Context, in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	return &api.DeleteAccessKeyOutput{}, s.changeKey(ctx, in.AccessKeyId, in.UserName, func(tx *store.Tx, k accessKey) error {
		return accessKeys.Delete(tx, key(ctx, k.ID))
	})
}

// UpdateAccessKey makes a key active or inactive.
func (s *Service) UpdateAccessKey(ctx context.Context, in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	return &api.UpdateAccessKeyOutput{}, s.changeKey(ctx, in.AccessKeyId, in.UserName, func(tx *store.Tx, k accessKey) error {
		k.Status = in.Status
		return accessKeys.Put(tx, key(ctx, k.ID), k)
	})
}

// ListAccessKeys lists keys without their secrets.
func (s *Service) ListAccessKeys(ctx context.Context, in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	var list []api.AccessKeyMetadata
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		ownerID, user, err := owner(ctx, tx, in.UserName)
		if err != nil {
			return err
		}
		keys, err := accessKeys.ListBy(tx, operation.CallerOf(ctx).Account, store.Global, ownerID)
		for _, k := range keys {
			list = append(list, api.AccessKeyMetadata{AccessKeyId: &k.ID, Status: &k.Status, CreateDate: &k.Created, UserName: wire.Maybe(user)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(list, in.Marker, in.MaxItems)
	return &api.ListAccessKeysOutput{AccessKeyMetadata: some, IsTruncated: more, Marker: next}, err
}

// GetAccessKeyLastUsed names a key's user. The twin does not follow when keys are used: it answers as AWS does for a key that
// never was.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	out := &api.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: &api.AccessKeyLastUsed{Region: "N/A", ServiceName: "N/A"}}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err := accessKeys.Get(tx, key(ctx, in.AccessKeyId))
		if errors.Is(err, store.ErrNotFound) {
			return noKey(in.AccessKeyId)
		}
		if err != nil {
			return err
		}
		e, err := byID(tx, operation.CallerOf(ctx).Account, k.Owner)
		out.UserName = wire.Maybe(e.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// byID finds a role or user by its unique id; a zero entity where there is none.
func byID(tx *store.Tx, account, id string) (entity, error) {
	all, err := entities.List(tx, account, store.Global)
	if i := slices.IndexFunc(all, func(e entity) bool { return e.ID == id }); i >= 0 {
		return all[i], err
	}
	return entity{}, err
}
