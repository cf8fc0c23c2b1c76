package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/policy"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The size limits of documents count characters that are not white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxManaged = 6144
	maxTrust   = 2048
)

var maxInline = map[string]int{roleKind: 10240, userKind: 2048, groupKind: 5120}

func size(document string) (n int) {
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

func malformed(message string) error { return wire.Errorf("MalformedPolicyDocument", "%s", message) }

func checkIdentity(document string) error {
	if _, err := policy.Parse(document, policy.Identity); err != nil {
		return malformed(policy.Message(err))
	}
	return nil
}

// checkTrust reads a trust policy and sees whether the roles and users of this account that it names exist.
func checkTrust(ctx context.Context, tx *store.Tx, document string) error {
	d, err := policy.Parse(document, policy.Trust)
	if err != nil {
		return malformed(policy.Message(err))
	}
	if n := size(document); n > maxTrust {
		return limit("ACLSizePerRole", maxTrust)
	}
	for _, s := range d.Statements {
		if s.Principal == nil {
			continue
		}
		for _, name := range s.Principal.AWS {
			if err := checkPrincipal(ctx, tx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPrincipal(ctx context.Context, tx *store.Tx, name string) error {
	local, ok := strings.CutPrefix(name, arn(operation.CallerOf(ctx).Account, ""))
	kind, path, named := strings.Cut(local, "/")
	if !ok || !named || kind != roleKind && kind != userKind {
		return nil
	}
	e, err := entities.Get(tx, entityKey(ctx, kind, path[strings.LastIndex(path, "/")+1:]))
	if errors.Is(err, store.ErrNotFound) || err == nil && e.arn(ctx) != name {
		return malformed(fmt.Sprintf(`Invalid principal in policy: "AWS":%q`, name))
	}
	return err
}
