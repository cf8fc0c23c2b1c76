package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The kinds of entities that carry policies.
const (
	roleKind  = "role"
	userKind  = "user"
	groupKind = "group"
)

// entity is a role, a user or a group: what has a name, a path and policies.
type entity struct {
	Kind     string
	Name     string
	Path     string
	ID       string // AROA…, AIDA…, AGPA…
	Created  time.Time
	Inline   map[string]string // documents by policy name
	Attached []string          // ARNs of managed policies
	Boundary string            // ARN of a managed policy
	Tags     map[string]string

	// of roles
	Trust       string
	Description string
	MaxSession  int
	LinkedTo    string // the service of a service-linked role

	// of users: the names of their groups
	Groups []string
}

var entities = &store.Table[entity]{Name: "iam_entities", By: func(e entity) string { return e.Kind }}

func key(ctx context.Context, id string) store.Key {
	return store.Key{Account: operation.CallerOf(ctx).Account, Region: store.Global, ID: id}
}

// entityKey: names differ by more than case within an account.
func entityKey(ctx context.Context, kind, name string) store.Key {
	return key(ctx, kind+"/"+strings.ToLower(name))
}

func arn(account, resource string) string { return "arn:aws:iam::" + account + ":" + resource }

func (e entity) arn(ctx context.Context) string {
	return arn(operation.CallerOf(ctx).Account, e.Kind+e.Path+e.Name)
}

// newID makes a unique id: a prefix that tells the kind, and seventeen characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func newID(prefix string) string {
	var b [11]byte
	rand.Read(b[:])
	return prefix + base32.StdEncoding.EncodeToString(b[:])[:17]
}

func noSuch(kind, name string) error {
	return &wire.Error{Code: "NoSuchEntity", Message: "The " + kind + " with name " + name + " cannot be found.", Status: 404}
}

func exists(what, name string) error {
	return &wire.Error{Code: "EntityAlreadyExists", Message: what + " with name " + name + " already exists.", Status: 409}
}

func conflict(text string) error {
	return &wire.Error{Code: "DeleteConflict", Message: "Cannot delete entity, must " + text, Status: 409}
}

func limit(quota string, n int) error {
	return wireLimit("Cannot exceed quota for %s: %d", quota, n)
}

func wireLimit(format string, args ...any) error {
	e := wire.Errorf("LimitExceeded", format, args...)
	e.Status = 409
	return e
}

// checkPath holds a path against AWS's rule: "/" or "/…/" of printable characters. The model's pattern is in a dialect that is
// not checked before.
func checkPath(path string) error {
	if validPath.MatchString(path) {
		return nil
	}
	return wire.Errorf("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
}

var validPath = regexp.MustCompile(`^(/|/[\x21-\x7E]+/)$`)

// find reads an entity within a transaction.
func find(ctx context.Context, tx *store.Tx, kind, name string) (entity, error) {
	e, err := entities.Get(tx, entityKey(ctx, kind, name))
	if errors.Is(err, store.ErrNotFound) {
		return e, noSuch(kind, name)
	}
	return e, err
}

// look reads an entity.
func (s *Service) look(ctx context.Context, kind, name string) (e entity, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err = find(ctx, tx, kind, name)
		return err
	})
	return e, err
}

// change reads an entity, lets f change it, and writes it back.
func (s *Service) change(ctx context.Context, kind, name string, f func(ctx context.Context, tx *store.Tx, e *entity) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		if err := f(ctx, tx, &e); err != nil {
			return err
		}
		return entities.Put(tx, entityKey(ctx, kind, e.Name), e)
	})
}

var titles = map[string]string{roleKind: "Role", userKind: "User", groupKind: "Group"}

// create writes a new entity.
func (s *Service) create(ctx context.Context, e entity) error {
	if err := checkPath(e.Path); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		there, err := entities.Has(tx, entityKey(ctx, e.Kind, e.Name))
		if err != nil {
			return err
		}
		if there {
			return exists(titles[e.Kind], e.Name)
		}
		if e.Boundary != "" {
			if err := attachable(ctx, tx, e.Boundary); err != nil {
				return err
			}
		}
		return entities.Put(tx, entityKey(ctx, e.Kind, e.Name), e)
	})
}

// remove deletes an entity that nothing hangs on any more.
func (s *Service) remove(ctx context.Context, kind, name string, free func(ctx context.Context, tx *store.Tx, e entity) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, kind, name)
		if err != nil {
			return err
		}
		if err := free(ctx, tx, e); err != nil {
			return err
		}
		switch {
		case len(e.Attached) > 0:
			return conflict("detach all policies first.")
		case len(e.Inline) > 0:
			return conflict("delete policies first.")
		}
		return entities.Delete(tx, entityKey(ctx, kind, name))
	})
}

// list returns the entities of a kind below a path.
func (s *Service) list(ctx context.Context, kind string, prefix *string) (below []entity, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := entities.ListBy(tx, key(ctx, "").Account, store.Global, kind)
		for _, e := range all {
			if strings.HasPrefix(e.Path, wire.Value(prefix)) {
				below = append(below, e)
			}
		}
		return err
	})
	return below, err
}

// cut is IAM's paging: a marker, at most 1000 items, 100 where nothing is asked for.
func cut[T any](items []T, marker *string, size *int) (some []T, more *bool, next *string, err error) {
	usual := 100
	if size != nil {
		usual = *size
	}
	some, next, err = page.Cut(items, marker, nil, usual, "ValidationError")
	if some == nil {
		some = []T{}
	}
	return some, new(next != nil), next, err
}

// encoded is how IAM returns documents: as RFC 3986 has it.
func encoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func tagMap(tags []api.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func tagList(tags map[string]string) []api.Tag {
	return resource.TagList(tags, func(k, v string) api.Tag { return api.Tag{Key: k, Value: v} })
}

// maybeTags is the tag list of a description, which lacks it where there are none.
func maybeTags(tags map[string]string) []api.Tag {
	if len(tags) == 0 {
		return nil
	}
	return tagList(tags)
}

const maxTags = 50

func addTags(tags *map[string]string, more []api.Tag) error {
	if *tags == nil {
		*tags = map[string]string{}
	}
	maps.Copy(*tags, tagMap(more))
	return checkTags(*tags)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return limit("TagsPerResource", maxTags)
	}
	return nil
}

func dropTags(tags map[string]string, keys []string) {
	for _, k := range keys {
		delete(tags, k)
	}
}

func boundary(arn string) *api.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: new("PermissionsBoundaryPolicy")}
}

func without(list []string, item string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == item })
}
