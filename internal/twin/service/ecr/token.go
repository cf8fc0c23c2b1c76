package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
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
	password, err := s.seal(t, tokenUse)
	if err != nil {
		return nil, err
	}
	return &api.GetAuthorizationTokenOutput{AuthorizationData: []api.AuthorizationData{{
		AuthorizationToken: new(base64.StdEncoding.EncodeToString([]byte("AWS:" + password))),
		ExpiresAt:          &t.Expires, ProxyEndpoint: &s.Endpoint,
	}}}, nil
}

// caller is who the password was given to.
func (s *Service) caller(password string) (operation.Caller, error) {
	t, err := s.unseal(password, tokenUse)
	if err != nil || s.Clock.Now().After(t.Expires) {
		return operation.Caller{}, errToken
	}
	return t.caller(), nil
}

func (t token) caller() operation.Caller {
	return operation.Caller{Account: t.Account, ARN: t.ARN, UserID: t.UserID, AccessKeyID: t.AccessKeyID}
}

// seal writes a token that opens for the same use only.
func (s *Service) seal(t token, use string) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.Store.Seal(plain, use)), nil
}

func (s *Service) unseal(text, use string) (t token, err error) {
	// Strict, or the last letter could be another one and mean the same.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return t, err
	}
	plain, err := s.Store.Unseal(sealed, use)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(plain, &t)
}

// downloadLife is how long the address of a layer works. AWS documents no length; the addresses it returns say X-Amz-Expires=3600.
const downloadLife = time.Hour

// signature is the parameter of a layer's address that stands for the password.
const signature = "signature"

// downloadUse is what the signature of an address is bound to: the path names account, region, repository and digest.
func downloadUse(path string) string { return "ecr/download " + path }

// sign makes the address of a layer one that needs no password for an hour.
func (s *Service) sign(ctx context.Context, path string) (string, error) {
	c := operation.CallerOf(ctx)
	sealed, err := s.seal(token{Account: c.Account, ARN: c.ARN, UserID: c.UserID, AccessKeyID: c.AccessKeyID, Expires: s.Clock.Now().Add(downloadLife)}, downloadUse(path))
	return s.Endpoint + path + "?" + signature + "=" + sealed, err
}

var (
	errSignature = errors.New("the request signature does not match: the address of a layer works as GetDownloadUrlForLayer returned it, for GET")
	errExpired   = errors.New("request has expired: the address of a layer works for an hour; ask GetDownloadUrlForLayer for a new one")
)

// signer is who the address of a layer was given to; ok is false for a request that has no signature.
func (s *Service) signer(r *http.Request) (c operation.Caller, ok bool, err error) {
	sealed, ok := r.URL.Query()[signature]
	if !ok {
		return c, false, nil
	}
	t, err := s.unseal(sealed[0], downloadUse(r.URL.Path))
	switch {
	case err != nil, r.Method != http.MethodGet:
		return c, true, errSignature
	case s.Clock.Now().After(t.Expires):
		return c, true, errExpired
	}
	return t.caller(), true, nil
}
