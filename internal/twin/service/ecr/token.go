package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
)

// tokenLife is how long a registry password works.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
const tokenLife = 12 * time.Hour

const tokenUse = "ecr/token" // what the sealed password is bound to

// token is what a registry password says, sealed with the store's key: it needs no row and survives a restart.
type token struct {
	Account     string
	ARN         string
	UserID      string
	AccessKeyID string
	Expires     time.Time
}

var errToken = errors.New("your authorization token has expired or is not valid: run aws ecr get-login-password again")

// GetAuthorizationToken returns a password for the registry that works for twelve hours.
func (s *Service) GetAuthorizationToken(ctx context.Context, in *api.GetAuthorizationTokenInput) (*api.GetAuthorizationTokenOutput, error) {
	c := operation.CallerOf(ctx)
	t := token{Account: c.Account, ARN: c.ARN, UserID: c.UserID, AccessKeyID: c.AccessKeyID, Expires: s.Clock.Now().Add(tokenLife)}
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	password := base64.RawURLEncoding.EncodeToString(s.Store.Seal(plain, tokenUse))
	return &api.GetAuthorizationTokenOutput{AuthorizationData: []api.AuthorizationData{{
		AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte("AWS:" + password))),
		ExpiresAt:          &t.Expires, ProxyEndpoint: &s.Endpoint,
	}}}, nil
}

// caller is who the password was given to.
func (s *Service) caller(password string) (operation.Caller, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil {
		return operation.Caller{}, errToken
	}
	plain, err := s.Store.Unseal(sealed, tokenUse)
	if err != nil {
		return operation.Caller{}, errToken
	}
	var t token
	if err := json.Unmarshal(plain, &t); err != nil || s.Clock.Now().After(t.Expires) {
		return operation.Caller{}, errToken
	}
	return operation.Caller{Account: t.Account, ARN: t.ARN, UserID: t.UserID, AccessKeyID: t.AccessKeyID}, nil
}
