// Package session keeps the temporary credentials that STS gives out, for STS, which makes them, and for IAM, which knows them
// again when a request is signed with one.
package session

import (
	"context"
	"time"

	"slipway.dev/internal/twin/store"
)

// Session is one set of temporary credentials. The secret and the token are sealed.
type Session struct {
	AccessKeyID string
	Secret      []byte
	Token       []byte
	Account     string
	ARN         string // arn:aws:sts::…:assumed-role/role/session, or of the user for GetSessionToken
	UserID      string // AROA…:session, AIDA…, or the account for root
	PrincipalID string // unique id of the role or user: the session ends with it; "" for root
	Expires     time.Time
}

// Table keeps sessions by access key id in the region store.Global of their account.
var Table = &store.Table[Session]{Name: "sts_sessions"}

// Kept is how long an expired session is remembered, so that its holder is told that it expired.
const Kept = 12 * time.Hour

func key(account, id string) store.Key {
	return store.Key{Account: account, Region: store.Global, ID: id}
}

func label(id string) string { return "sts/" + id }

// Put seals and keeps a session.
func Put(tx *store.Tx, seal *store.Store, s Session, secret, token string) error {
	s.Secret, s.Token = seal.Seal([]byte(secret), label(s.AccessKeyID)), seal.Seal([]byte(token), label(s.AccessKeyID))
	return Table.Put(tx, key(s.Account, s.AccessKeyID), s)
}

// Find returns a session with its secret and token in the clear, or store.ErrNotFound.
func Find(ctx context.Context, from *store.Store, account, id string) (s Session, secret, token string, err error) {
	err = from.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		s, err = Table.Get(tx, key(account, id))
		return err
	})
	if err != nil {
		return s, "", "", err
	}
	open, err := from.Unseal(s.Secret, label(id))
	if err != nil {
		return s, "", "", err
	}
	opened, err := from.Unseal(s.Token, label(id))
	return s, string(open), string(opened), err
}

// Clean forgets the sessions that expired long ago and returns when the next one will have to be forgotten, zero where none.
func Clean(tx *store.Tx, now time.Time) (next time.Time, err error) {
	rows, err := Table.All(tx)
	if err != nil {
		return next, err
	}
	for _, row := range rows {
		gone := row.Value.Expires.Add(Kept)
		if !gone.After(now) {
			if err := Table.Delete(tx, row.Key); err != nil {
				return next, err
			}
			continue
		}
		if next.IsZero() || gone.Before(next) {
			next = gone
		}
	}
	return next, nil
}
