package twin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/accesskey"
	"slipway.dev/internal/twin/store"
)

// rootUser is the root user of the first account. Its key is made when the state is.
type rootUser struct {
	AccessKeyID string
	Sealed      []byte // the secret, encrypted
	secret      string
}

var roots = &store.Table[rootUser]{Name: "root_user"}

func openRoot(s *store.Store) (root rootUser, err error) {
	at := store.Key{Account: Account, Region: store.Global, ID: "root"}
	err = s.Update(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		root, err = roots.Get(tx, at)
		if errors.Is(err, store.ErrNotFound) {
			if root, err = newRoot(s); err != nil {
				return err
			}
			return roots.Put(tx, at, root)
		}
		return err
	})
	if err != nil {
		return root, err
	}
	secret, err := s.Unseal(root.Sealed, "root")
	root.secret = string(secret)
	return root, err
}

func newRoot(s *store.Store) (rootUser, error) {
	id, err := accesskey.NewID(accesskey.LongTerm, Account)
	if err != nil {
		return rootUser{}, err
	}
	secret := make([]byte, 30)
	rand.Read(secret)
	return rootUser{
		AccessKeyID: id,
		Sealed:      s.Seal([]byte(base64.StdEncoding.EncodeToString(secret)), "root"),
	}, nil
}

// credentials knows the root user's key; every other key is IAM's.
type credentials struct {
	root  rootUser
	users gateway.Credentials
}

func (c *credentials) Credential(ctx context.Context, id string) (gateway.Credential, error) {
	if id == c.root.AccessKeyID {
		return gateway.Credential{Secret: c.root.secret, Caller: operation.Caller{
			Account: Account, ARN: "arn:aws:iam::" + Account + ":root", UserID: Account,
		}}, nil
	}
	if c.users == nil {
		return gateway.Credential{}, gateway.ErrUnknownKey
	}
	return c.users.Credential(ctx, id)
}
