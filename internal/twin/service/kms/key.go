package kms

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/service/iam/policy"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The states of a key that the twin has.
// https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
const (
	enabled         = "Enabled"
	disabled        = "Disabled"
	pendingDeletion = "PendingDeletion"
)

const (
	symmetric = "SYMMETRIC_DEFAULT"
	usage     = "ENCRYPT_DECRYPT"
)

// masterKey is a KMS key. Its last material encrypts; the earlier ones only decrypt.
type masterKey struct {
	Account     string
	Region      string
	ID          string
	Manager     string // CUSTOMER or AWS
	State       string
	Created     time.Time
	Description string
	Policy      string
	Tags        map[string]string
	Materials   []material
	Deletion    time.Time // when PendingDeletion
	Window      int       // days, when PendingDeletion

	Rotating bool
	Period   int       // days
	Next     time.Time // of the automatic rotations, when Rotating
}

// material is 256 bits of key material, sealed.
type material struct {
	ID       string // 64 hex digits
	Sealed   []byte
	Created  time.Time
	OnDemand bool // why it was made; the first one was neither rotated on demand nor by itself
}

var keys = &store.Table[masterKey]{Name: "kms_keys"}

func (k masterKey) key() store.Key {
	return store.Key{Account: k.Account, Region: k.Region, ID: k.ID}
}

func (k masterKey) arn() string {
	return "arn:aws:kms:" + k.Region + ":" + k.Account + ":key/" + k.ID
}

func (k masterKey) current() material { return k.Materials[len(k.Materials)-1] }

func (s *Service) newMaterial(k masterKey) material {
	var secret [32]byte
	var id [32]byte
	rand.Read(secret[:])
	rand.Read(id[:])
	m := material{ID: hex.EncodeToString(id[:]), Created: s.Clock.Now()}
	m.Sealed = s.Store.Seal(secret[:], sealing(k, m))
	return m
}

func sealing(k masterKey, m material) string { return "kms/" + k.arn() + "/" + m.ID }

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Service) newKey(ctx context.Context, manager string) masterKey {
	c := operation.CallerOf(ctx)
	k := masterKey{Account: c.Account, Region: c.Region, ID: newUUID(), Manager: manager, State: enabled, Created: s.Clock.Now(), Tags: map[string]string{}}
	k.Materials = []material{s.newMaterial(k)}
	k.Policy = fmt.Sprintf(`{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"}]}`, c.Account)
	return k
}

func (k masterKey) metadata() *api.KeyMetadata {
	m := &api.KeyMetadata{
		AWSAccountId: &k.Account, Arn: new(k.arn()), KeyId: k.ID, CreationDate: &k.Created, Description: &k.Description,
		Enabled: new(k.State == enabled), KeyState: &k.State, KeyManager: &k.Manager, KeySpec: new(symmetric), CustomerMasterKeySpec: new(symmetric),
		KeyUsage: new(usage), Origin: new("AWS_KMS"), EncryptionAlgorithms: []string{symmetric}, MultiRegion: new(false),
		CurrentKeyMaterialId: new(k.current().ID),
	}
	if k.State == pendingDeletion {
		m.DeletionDate = &k.Deletion
	}
	return m
}

func notFound(format string, args ...any) error {
	return wire.Errorf("NotFoundException", format, args...)
}

// usable says why a key cannot be used for cryptography, nil where it can.
func (k masterKey) usable() error {
	if k.State == disabled {
		return wire.Errorf("DisabledException", "%s is disabled.", k.arn())
	}
	return k.staying()
}

// staying fails for a key that waits for its deletion.
func (k masterKey) staying() error {
	if k.State == pendingDeletion {
		return wire.Errorf("KMSInvalidStateException", "%s is pending deletion.", k.arn())
	}
	return nil
}

// byID reads a key named by its id or ARN.
func byID(ctx context.Context, tx *store.Tx, name string) (masterKey, error) {
	c := operation.CallerOf(ctx)
	at := store.Key{Account: c.Account, Region: c.Region, ID: name}
	if strings.HasPrefix(name, "arn:") {
		parts := strings.SplitN(name, ":", 6)
		id, isKey := "", false
		if len(parts) == 6 {
			id, isKey = strings.CutPrefix(parts[5], "key/")
		}
		if !isKey || parts[2] != "kms" {
			return masterKey{}, notFound("Invalid arn %s", name)
		}
		if parts[3] != c.Region {
			return masterKey{}, notFound("Invalid arn %s", parts[3])
		}
		at.Account, at.ID = parts[4], id
	}
	k, err := keys.Get(tx, at)
	if errors.Is(err, store.ErrNotFound) {
		if !looksLikeID(at.ID) {
			return k, notFound("Invalid keyId '%s'", name)
		}
		return k, notFound("Key '%s' does not exist", masterKey{Account: at.Account, Region: at.Region, ID: at.ID}.arn())
	}
	return k, err
}

func looksLikeID(id string) bool {
	plain := strings.ReplaceAll(id, "-", "")
	_, err := hex.DecodeString(plain)
	return err == nil && len(plain) == 32
}

func (s *Service) view(ctx context.Context, name string) (k masterKey, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err = byID(ctx, tx, name)
		return err
	})
	return k, err
}

// change changes a key that the customer manages.
func (s *Service) change(ctx context.Context, name string, f func(k *masterKey) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err := byID(ctx, tx, name)
		if err != nil {
			return err
		}
		if k.Manager != "CUSTOMER" {
			return wire.Errorf("AccessDeniedException", "User: %s is not authorized to perform this operation on resource: %s because AWS manages the key", operation.CallerOf(ctx).ARN, k.arn())
		}
		if err := f(&k); err != nil {
			return err
		}
		tx.AfterCommit(s.wake.Wake)
		return keys.Put(tx, k.key(), k)
	})
}

func unsupported(format string, args ...any) error {
	return wire.Errorf("UnsupportedOperationException", format, args...)
}

// supported refuses what the twin's keys cannot do.
func supported(in *api.CreateKeyInput) error {
	spec := cmp.Or(wire.Value(in.KeySpec), wire.Value(in.CustomerMasterKeySpec), symmetric)
	switch {
	case spec != symmetric:
		return unsupported("The twin has symmetric encryption keys only: KeySpec %s is not supported.", spec)
	case cmp.Or(wire.Value(in.KeyUsage), usage) != usage:
		return wire.Errorf("ValidationException", "The operation failed because the KeyUsage value of the CMK is %s. KeySpec %s is incompatible with it.", *in.KeyUsage, spec)
	case cmp.Or(wire.Value(in.Origin), "AWS_KMS") != "AWS_KMS" || in.CustomKeyStoreId != nil || in.XksKeyId != nil:
		return unsupported("The twin makes its key material itself: Origin must be AWS_KMS, without a custom key store.")
	case wire.Value(in.MultiRegion):
		return unsupported("The twin has no multi-Region keys.")
	}
	return nil
}

func checkPolicy(document string) error {
	if len(document) > 32<<10 {
		return wire.Errorf("LimitExceededException", "The key policy is larger than 32768 bytes.")
	}
	if _, err := policy.Parse(document, policy.Resource); err != nil {
		return wire.Errorf("MalformedPolicyDocumentException", "%s", policy.Message(err))
	}
	return nil
}

// CreateKey makes a key with new material.
func (s *Service) CreateKey(ctx context.Context, in *api.CreateKeyInput) (*api.CreateKeyOutput, error) {
	if err := supported(in); err != nil {
		return nil, err
	}
	k := s.newKey(ctx, "CUSTOMER")
	k.Description = wire.Value(in.Description)
	if in.Policy != nil {
		if err := checkPolicy(*in.Policy); err != nil {
			return nil, err
		}
		k.Policy = *in.Policy
	}
	if err := k.tag(in.Tags); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error { return keys.Put(tx, k.key(), k) })
	if err != nil {
		return nil, err
	}
	return &api.CreateKeyOutput{KeyMetadata: k.metadata()}, nil
}

// DescribeKey describes a key, which may be named by an alias.
func (s *Service) DescribeKey(ctx context.Context, in *api.DescribeKeyInput) (*api.DescribeKeyOutput, error) {
	k, err := s.resolve(ctx, in.KeyId)
	if err != nil {
		return nil, err
	}
	return &api.DescribeKeyOutput{KeyMetadata: k.metadata()}, nil
}

func (s *Service) all(ctx context.Context) (all []masterKey, err error) {
	c := operation.CallerOf(ctx)
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err = keys.List(tx, c.Account, c.Region)
		return err
	})
	return all, err
}

const badMarker = "InvalidMarkerException"

// ListKeys lists the keys of the account and region.
func (s *Service) ListKeys(ctx context.Context, in *api.ListKeysInput) (*api.ListKeysOutput, error) {
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	some, next, err := page.Cut(all, in.Marker, in.Limit, 1000, badMarker)
	out := &api.ListKeysOutput{Keys: []api.KeyListEntry{}, NextMarker: next, Truncated: new(next != nil)}
	for _, k := range some {
		out.Keys = append(out.Keys, api.KeyListEntry{KeyId: &k.ID, KeyArn: new(k.arn())})
	}
	return out, err
}

// UpdateKeyDescription changes the description.
func (s *Service) UpdateKeyDescription(ctx context.Context, in *api.UpdateKeyDescriptionInput) (*api.UpdateKeyDescriptionOutput, error) {
	return &api.UpdateKeyDescriptionOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error {
		k.Description = in.Description
		return k.staying()
	})
}

// EnableKey lets a disabled key be used again.
func (s *Service) EnableKey(ctx context.Context, in *api.EnableKeyInput) (*api.EnableKeyOutput, error) {
	return &api.EnableKeyOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error { return k.turn(enabled) })
}

// DisableKey keeps a key from being used.
func (s *Service) DisableKey(ctx context.Context, in *api.DisableKeyInput) (*api.DisableKeyOutput, error) {
	return &api.DisableKeyOutput{}, s.change(ctx, in.KeyId, func(k *masterKey) error { return k.turn(disabled) })
}

func (k *masterKey) turn(state string) error {
	if err := k.staying(); err != nil {
		return err
	}
	k.State = state
	return nil
}

const (
	shortestWindow = 7
	longestWindow  = 30
	day            = 24 * time.Hour
)

// ScheduleKeyDeletion sets the day on which the key is destroyed.
func (s *Service) ScheduleKeyDeletion(ctx context.Context, in *api.ScheduleKeyDeletionInput) (*api.ScheduleKeyDeletionOutput, error) {
	window := cmp.Or(wire.Value(in.PendingWindowInDays), longestWindow)
	if window < shortestWindow || window > longestWindow {
		return nil, wire.Errorf("ValidationException", "PendingWindowInDays must be between %d and %d", shortestWindow, longestWindow)
	}
	out := &api.ScheduleKeyDeletionOutput{KeyState: new(pendingDeletion), PendingWindowInDays: &window}
	err := s.change(ctx, in.KeyId, func(k *masterKey) error {
		if err := k.staying(); err != nil {
			return err
		}
		k.State, k.Window, k.Deletion = pendingDeletion, window, s.Clock.Now().Add(time.Duration(window)*day)
		out.KeyId, out.DeletionDate = new(k.arn()), &k.Deletion
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CancelKeyDeletion keeps the key, disabled.
func (s *Service) CancelKeyDeletion(ctx context.Context, in *api.CancelKeyDeletionInput) (*api.CancelKeyDeletionOutput, error) {
	out := &api.CancelKeyDeletionOutput{}
	err := s.change(ctx, in.KeyId, func(k *masterKey) error {
		if k.State != pendingDeletion {
			return wire.Errorf("KMSInvalidStateException", "%s is not pending deletion.", k.arn())
		}
		k.State, k.Deletion, k.Window = disabled, time.Time{}, 0
		out.KeyId = new(k.arn())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
