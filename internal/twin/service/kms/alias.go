package kms

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	aliasPrefix   = "alias/"
	managedPrefix = "alias/aws/"
)

// alias is a name of a key of the same account and region.
type alias struct {
	Name    string
	Target  string // key id
	Created time.Time
	Updated time.Time
}

var aliases = &store.Table[alias]{Name: "kms_aliases", By: func(a alias) string { return a.Target }}

func aliasARN(at store.Key) string {
	return "arn:aws:kms:" + at.Region + ":" + at.Account + ":" + at.ID
}

// aliasKey reads an alias name or ARN; false where name is neither.
func aliasKey(ctx context.Context, name string) (at store.Key, ok bool, err error) {
	c := operation.CallerOf(ctx)
	at = store.Key{Account: c.Account, Region: c.Region, ID: name}
	if strings.HasPrefix(name, aliasPrefix) {
		return at, true, nil
	}
	parts := strings.SplitN(name, ":", 6)
	if len(parts) < 6 || !strings.HasPrefix(parts[5], aliasPrefix) {
		return at, false, nil
	}
	if parts[3] != c.Region {
		return at, true, notFound("Invalid arn %s", parts[3])
	}
	at.Account, at.ID = parts[4], parts[5]
	return at, true, nil
}

func findAlias(tx *store.Tx, at store.Key) (alias, error) {
	a, err := aliases.Get(tx, at)
	if errors.Is(err, store.ErrNotFound) {
		return a, notFound("Alias %s is not found.", aliasARN(at))
	}
	return a, err
}

func byAlias(tx *store.Tx, at store.Key) (masterKey, error) {
	a, err := findAlias(tx, at)
	if err != nil {
		return masterKey{}, err
	}
	return keys.Get(tx, store.Key{Account: at.Account, Region: at.Region, ID: a.Target})
}

// managing are the services for which AWS manages a key of the account.
// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key
var managing = []string{"acm", "backup", "codecommit", "dynamodb", "ebs", "ecr", "elasticfilesystem", "es", "fsx", "kinesis", "lambda",
	"rds", "redshift", "s3", "secretsmanager", "ses", "sns", "sqs", "ssm", "xray"}

func managedHere(ctx context.Context, at store.Key) bool {
	service, ok := strings.CutPrefix(at.ID, managedPrefix)
	return ok && at.Account == operation.CallerOf(ctx).Account && slices.Contains(managing, service)
}

// yearly is how often AWS rotates the keys it manages.
const yearly = 365

func (s *Service) makeManaged(ctx context.Context, at store.Key) (k masterKey, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err = byAlias(tx, at)
		if !wire.HasCode(err, "NotFoundException") {
			return err
		}
		service := strings.TrimPrefix(at.ID, managedPrefix)
		k = s.newKey(ctx, "AWS")
		k.Description = "Default key that protects my " + service + " data when no other key is defined"
		k.Rotating, k.Period, k.Next = true, yearly, k.Created.Add(yearly*day)
		tx.AfterCommit(s.wake.Wake)
		return errors.Join(keys.Put(tx, k.key(), k), aliases.Put(tx, at, alias{Name: at.ID, Target: k.ID, Created: k.Created, Updated: k.Created}))
	})
	return k, err
}

// checkAlias says whether a customer may make, move or delete an alias of that name.
func checkAlias(name string) error {
	switch {
	case !strings.HasPrefix(name, aliasPrefix):
		return wire.Errorf("ValidationException", "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
	case strings.HasPrefix(name, managedPrefix):
		return wire.Errorf("NotAuthorizedException", "Aliases that begin with alias/aws/ are reserved for keys that AWS manages.")
	case len(name) == len(aliasPrefix) || strings.ContainsFunc(name, unfit):
		return wire.Errorf("InvalidAliasNameException", "%s is not a valid alias name: it has letters, digits and / _ - after alias/", name)
	}
	return nil
}

func unfit(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '/' || r == '_' || r == '-')
}

func (s *Service) here(ctx context.Context, name string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: name}
}

// target is the key that an alias is to point to.
func target(ctx context.Context, tx *store.Tx, id string) (masterKey, error) {
	if strings.Contains(id, aliasPrefix) {
		return masterKey{}, wire.Errorf("ValidationException", "Aliases must refer to keys. Not aliases")
	}
	k, err := byID(ctx, tx, id)
	if err != nil {
		return k, err
	}
	if k.Account != operation.CallerOf(ctx).Account {
		return k, notFound("Key '%s' does not exist", k.arn())
	}
	return k, k.staying()
}

// CreateAlias names a key.
func (s *Service) CreateAlias(ctx context.Context, in *api.CreateAliasInput) (*api.CreateAliasOutput, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	return &api.CreateAliasOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := s.here(ctx, in.AliasName)
		there, err := aliases.Has(tx, at)
		if err != nil {
			return err
		}
		if there {
			return wire.Errorf("AlreadyExistsException", "An alias with the name %s already exists", aliasARN(at))
		}
		k, err := target(ctx, tx, in.TargetKeyId)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		return aliases.Put(tx, at, alias{Name: in.AliasName, Target: k.ID, Created: now, Updated: now})
	})
}

// UpdateAlias makes an alias name another key.
func (s *Service) UpdateAlias(ctx context.Context, in *api.UpdateAliasInput) (*api.UpdateAliasOutput, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	return &api.UpdateAliasOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := s.here(ctx, in.AliasName)
		a, err := findAlias(tx, at)
		if err != nil {
			return err
		}
		k, err := target(ctx, tx, in.TargetKeyId)
		if err != nil {
			return err
		}
		a.Target, a.Updated = k.ID, s.Clock.Now()
		return aliases.Put(tx, at, a)
	})
}

// DeleteAlias removes an alias; the key stays.
func (s *Service) DeleteAlias(ctx context.Context, in *api.DeleteAliasInput) (*api.DeleteAliasOutput, error) {
	if err := checkAlias(in.AliasName); err != nil {
		return nil, err
	}
	return &api.DeleteAliasOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := s.here(ctx, in.AliasName)
		if _, err := findAlias(tx, at); err != nil {
			return err
		}
		return aliases.Delete(tx, at)
	})
}

// ListAliases lists the aliases of the account and region, or of one key.
func (s *Service) ListAliases(ctx context.Context, in *api.ListAliasesInput) (*api.ListAliasesOutput, error) {
	c := operation.CallerOf(ctx)
	var all []alias
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if in.KeyId == nil {
			all, err = aliases.List(tx, c.Account, c.Region)
			return err
		}
		k, err := byID(ctx, tx, *in.KeyId)
		if err == nil {
			all, err = aliases.ListBy(tx, k.Account, k.Region, k.ID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Cut(all, in.Marker, in.Limit, 50, badMarker)
	out := &api.ListAliasesOutput{Aliases: []api.AliasListEntry{}, NextMarker: next, Truncated: new(next != nil)}
	for _, a := range some {
		out.Aliases = append(out.Aliases, api.AliasListEntry{AliasName: &a.Name, AliasArn: new(aliasARN(s.here(ctx, a.Name))), TargetKeyId: &a.Target,
			CreationDate: &a.Created, LastUpdatedDate: &a.Updated})
	}
	return out, err
}
