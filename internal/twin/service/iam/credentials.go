package iam

import (
	"context"
	"errors"

	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/accesskey"
	"slipway.dev/internal/twin/service/sts/session"
	"slipway.dev/internal/twin/store"
)

// credentials tells the gateway who holds an access key: a user's, or that of a session of STS.
type credentials struct{ store *store.Store }

var _ gateway.Credentials = credentials{}

// Credential implements gateway.Credentials.
func (c credentials) Credential(ctx context.Context, id string) (gateway.Credential, error) {
	account, ok := accesskey.Account(id)
	if !ok {
		return gateway.Credential{}, gateway.ErrUnknownKey
	}
	find := c.longTerm
	if id[:4] == accesskey.Temporary {
		find = c.temporary
	}
	credential, err := find(ctx, account, id)
	if errors.Is(err, store.ErrNotFound) {
		err = gateway.ErrUnknownKey
	}
	return credential, err
}

func (c credentials) longTerm(ctx context.Context, account, id string) (found gateway.Credential, err error) {
	err = c.store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		k, err := accessKeys.Get(tx, store.Key{Account: account, Region: store.Global, ID: id})
		switch {
		case err != nil:
			return err
		case k.Status != "Active":
			return gateway.ErrUnknownKey
		}
		found.Caller, err = holder(ctx, tx, account, k.Owner)
		return err
	})
	if err != nil {
		return found, err
	}
	found.Secret, err = c.secret(ctx, account, id)
	return found, err
}

// secret is the secret of a long-term key in the clear.
func (c credentials) secret(ctx context.Context, account, id string) (string, error) {
	var k accessKey
	err := c.store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		k, err = accessKeys.Get(tx, store.Key{Account: account, Region: store.Global, ID: id})
		return err
	})
	if err != nil {
		return "", err
	}
	secret, err := c.store.Unseal(k.Secret, keyLabel(id))
	return string(secret), err
}

func holder(ctx context.Context, tx *store.Tx, account, ownerID string) (operation.Caller, error) {
	if ownerID == account {
		return operation.Caller{Account: account, ARN: arn(account, "root"), UserID: account}, nil
	}
	e, err := byID(tx, account, ownerID)
	if err == nil && e.Name == "" {
		err = gateway.ErrUnknownKey
	}
	ctx = operation.WithCaller(ctx, operation.Caller{Account: account})
	return operation.Caller{Account: account, ARN: e.arn(ctx), UserID: e.ID}, err
}

// temporary finds a session's key. It ends with the role or user that it stands for.
func (c credentials) temporary(ctx context.Context, account, id string) (found gateway.Credential, err error) {
	s, secret, token, err := session.Find(ctx, c.store, account, id)
	if err != nil {
		return found, err
	}
	if s.PrincipalID != "" {
		err = c.store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := holder(ctx, tx, account, s.PrincipalID)
			return err
		})
	}
	return gateway.Credential{
		Secret: secret, SessionToken: token, Expires: s.Expires,
		Caller: operation.Caller{Account: account, ARN: s.ARN, UserID: s.UserID},
	}, err
}
