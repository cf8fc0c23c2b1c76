package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// kind is one kind of thing that EC2 has: how it is stored, named, tagged, found and what it depends on.
type kind[T any] struct {
	*store.Table[T]
	prefix string // of its ids: "vpc"
	typ    string // AWS's resource type in tags: "internet-gateway"
	noun   string // in errors: "internetGateway"
	code   string // when there is none of an id: "InvalidVpcID.NotFound"
	says   string // the text of that error, with %s for the id; empty: "The vpc ID '%s' does not exist"
	id     func(*T) **string
	tags   func(*T) *[]api.Tag
	refs   func(*T) []string // ids of what cannot go while this is there
	fields map[string]func(*T) []string
	by     string // the filter that the table's groups serve: "vpc-id"
}

// define completes a kind's table. By groups rows under the value of the filter by.
func define[T any](k *kind[T]) *kind[T] {
	k.Table = &store.Table[T]{Name: "ec2_" + strings.ReplaceAll(k.typ, "-", "_")}
	if k.by != "" {
		k.By = func(v T) string { return strings.Join(k.fields[k.by](&v), ",") }
	}
	return k
}

// newID makes an id as AWS does: the prefix and 17 hexadecimal digits, of which the first is 0.
func newID(prefix string) string {
	var b [8]byte
	rand.Read(b[:])
	return prefix + "-0" + hex.EncodeToString(b[:])
}

func key(ctx context.Context, id string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: id}
}

func (k *kind[T]) name(v *T) string { return wire.Value(*k.id(v)) }

// make gives a new thing its id, where it has none yet, and its tags, and writes it.
func (k *kind[T]) make(ctx context.Context, tx *store.Tx, v *T, specifications []api.TagSpecification) error {
	tags, err := tagsFor(k.typ, specifications)
	if err != nil {
		return err
	}
	*k.tags(v) = tags
	if *k.id(v) == nil {
		*k.id(v) = new(newID(k.prefix))
	}
	return k.put(ctx, tx, v)
}

// put writes a thing and what it refers to.
func (k *kind[T]) put(ctx context.Context, tx *store.Tx, v *T) error {
	at := key(ctx, k.name(v))
	if err := k.Put(tx, at, *v); err != nil || k.refs == nil {
		return err
	}
	return refer(tx, at, k.refs(v))
}

// get returns the thing of an id or AWS's error for there being none.
func (k *kind[T]) get(ctx context.Context, tx *store.Tx, id string) (T, error) {
	v, err := k.Get(tx, key(ctx, id))
	if errors.Is(err, store.ErrNotFound) {
		return v, k.missing(id)
	}
	return v, err
}

func (k *kind[T]) missing(id string) error {
	if k.says != "" {
		return wire.Errorf(k.code, k.says, id)
	}
	return wire.Errorf(k.code, "The %s ID '%s' does not exist", k.noun, id)
}

// drop removes a thing that is there and that nothing depends on.
func (k *kind[T]) drop(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := k.get(ctx, tx, id); err != nil {
		return err
	}
	used, err := referred(tx, key(ctx, id))
	if err != nil {
		return err
	}
	if used {
		return k.dependency(id)
	}
	return k.erase(ctx, tx, id)
}

func (k *kind[T]) dependency(id string) error {
	if k.typ == "security-group" {
		return wire.Errorf("DependencyViolation", "resource %s has a dependent object", id)
	}
	return wire.Errorf("DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", k.noun, id)
}

// erase removes a thing whatever depends on it.
func (k *kind[T]) erase(ctx context.Context, tx *store.Tx, id string) error {
	at := key(ctx, id)
	if k.refs != nil {
		if err := refer(tx, at, nil); err != nil {
			return err
		}
	}
	return k.Delete(tx, at)
}

// find lists what a describe operation asks for. Every id must exist.
func (k *kind[T]) find(ctx context.Context, s *Service, ids []string, filters []api.Filter) (found []T, err error) {
	if err := s.ensureDefaults(ctx); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		found, err = k.choose(ctx, tx, ids, filters)
		return err
	})
	return found, err
}

func (k *kind[T]) choose(ctx context.Context, tx *store.Tx, ids []string, filters []api.Filter) ([]T, error) {
	if err := k.check(filters); err != nil {
		return nil, err
	}
	all, err := k.candidates(ctx, tx, ids, filters)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v T) bool { return !k.matches(&v, filters) }), nil
}

// candidates reads no more rows than the request can mean.
func (k *kind[T]) candidates(ctx context.Context, tx *store.Tx, ids []string, filters []api.Filter) (all []T, err error) {
	for _, id := range ids {
		v, err := k.get(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if len(ids) > 0 {
		return all, nil
	}
	c := operation.CallerOf(ctx)
	for _, f := range filters {
		if wire.Value(f.Name) == k.by && len(f.Values) == 1 && !strings.ContainsAny(f.Values[0], "*?") {
			return k.ListBy(tx, c.Account, c.Region, f.Values[0])
		}
	}
	return k.List(tx, c.Account, c.Region)
}

// of returns the members of a group: the subnets of a VPC.
func (k *kind[T]) of(ctx context.Context, tx *store.Tx, group string) ([]T, error) {
	c := operation.CallerOf(ctx)
	return k.ListBy(tx, c.Account, c.Region, group)
}

// check refuses filters that the kind does not have.
func (k *kind[T]) check(filters []api.Filter) error {
	for _, f := range filters {
		if !k.knows(wire.Value(f.Name)) {
			return wire.Errorf("InvalidParameterValue", "The filter '%s' is invalid", wire.Value(f.Name))
		}
	}
	return nil
}

func (k *kind[T]) knows(filter string) bool {
	_, ok := k.fields[filter]
	return ok || filter == "tag-key" || strings.HasPrefix(filter, "tag:")
}

func (k *kind[T]) matches(v *T, filters []api.Filter) bool {
	for _, f := range filters {
		if !anyMatches(f.Values, k.values(v, wire.Value(f.Name))) {
			return false
		}
	}
	return true
}

func (k *kind[T]) values(v *T, filter string) []string {
	tag, byTag := strings.CutPrefix(filter, "tag:")
	if !byTag && filter != "tag-key" {
		return k.fields[filter](v)
	}
	var values []string
	for _, t := range *k.tags(v) {
		switch {
		case !byTag:
			values = append(values, wire.Value(t.Key))
		case wire.Value(t.Key) == tag:
			values = append(values, wire.Value(t.Value))
		}
	}
	return values
}

func anyMatches(patterns, values []string) bool {
	for _, v := range values {
		if slices.ContainsFunc(patterns, func(pattern string) bool { return glob(pattern, v) }) {
			return true
		}
	}
	return false
}

// glob matches EC2's wildcards: * for anything, ? for one character.
func glob(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// text makes a filter of one member.
func text[T any](of func(*T) *string) func(*T) []string {
	return func(v *T) []string {
		if s := of(v); s != nil {
			return []string{*s}
		}
		return nil
	}
}

// truth makes a filter of a Boolean member.
func truth[T any](of func(*T) *bool) func(*T) []string {
	return func(v *T) []string {
		if b := of(v); b != nil && *b {
			return []string{"true"}
		}
		return []string{"false"}
	}
}
