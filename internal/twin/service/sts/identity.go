package sts

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/accesskey"
	"slipway.dev/internal/twin/service/sts/session"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// GetCallerIdentity tells who calls.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	c := operation.CallerOf(ctx)
	return &api.GetCallerIdentityOutput{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// GetAccessKeyInfo tells the account of an access key.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	c := operation.CallerOf(ctx)
	if in.AccessKeyId == c.AccessKeyID {
		return &api.GetAccessKeyInfoOutput{Account: &c.Account}, nil
	}
	account, ok := accesskey.Account(in.AccessKeyId)
	if !ok {
		return nil, wire.Errorf("ValidationError", "Invalid AccessKeyId: %s", in.AccessKeyId)
	}
	return &api.GetAccessKeyInfoOutput{Account: &account}, nil
}

// DecodeAuthorizationMessage decodes what a refusal of AWS carries. The twin's refusals carry no such message.
func (s *Service) DecodeAuthorizationMessage(context.Context, *api.DecodeAuthorizationMessageInput) (*api.DecodeAuthorizationMessageOutput, error) {
	return nil, wire.Errorf("InvalidAuthorizationMessageException", "Message is not valid")
}

const (
	usualToken   = 12 * time.Hour
	longestRoot  = time.Hour
	tokenRandoms = 192 // bytes of a session token
)

// GetSessionToken gives temporary credentials for the calling user, or for root, whose sessions last an hour at most.
func (s *Service) GetSessionToken(ctx context.Context, in *api.GetSessionTokenInput) (*api.GetSessionTokenOutput, error) {
	c := operation.CallerOf(ctx)
	if strings.HasPrefix(c.AccessKeyID, accesskey.Temporary) || c.Service != "" {
		return nil, &wire.Error{Code: "AccessDenied", Status: 403, Message: "Cannot call GetSessionToken with session credentials"}
	}
	lasts := cmp.Or(time.Duration(wire.Value(in.DurationSeconds))*time.Second, usualToken)
	if c.Root() {
		lasts = min(lasts, longestRoot)
	}
	made := session.Session{Account: c.Account, ARN: c.ARN, UserID: c.UserID}
	if !c.Root() {
		made.PrincipalID = c.UserID
	}
	given, err := s.give(ctx, made, lasts)
	if err != nil {
		return nil, err
	}
	return &api.GetSessionTokenOutput{Credentials: given}, nil
}

// give makes the credentials of a session and keeps them.
func (s *Service) give(ctx context.Context, made session.Session, lasts time.Duration) (*api.Credentials, error) {
	id, err := accesskey.NewID(accesskey.Temporary, made.Account)
	if err != nil {
		return nil, err
	}
	random := make([]byte, tokenRandoms)
	rand.Read(random)
	out := &api.Credentials{
		AccessKeyId: id, SecretAccessKey: accesskey.NewSecret(), Expiration: s.Clock.Now().Add(lasts).Truncate(time.Second),
		SessionToken: base64.StdEncoding.EncodeToString(random),
	}
	made.AccessKeyID, made.Expires = id, out.Expiration
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		tx.AfterCommit(s.wake.Wake)
		return session.Put(tx, s.Store, made, out.SecretAccessKey, out.SessionToken)
	})
	return out, err
}
