package iam

import (
	"context"
	"errors"
	"regexp"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// rootCreated is the day on which root users are said to have been made: the twin's accounts have always been there.
var rootCreated = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// account is what IAM knows of an account as a whole.
type account struct{ Alias string }

var accounts = &store.Table[account]{Name: "iam_accounts"}

const accountID = "account"

func (s *Service) account(ctx context.Context) (a account, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err = accounts.Get(tx, key(ctx, accountID))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return a, err
}

var (
	validAlias = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])+$`)
	digits     = regexp.MustCompile(`^[0-9]{12}$`)
)

// CreateAccountAlias sets the account's alias, in place of an earlier one. No two accounts have the same.
func (s *Service) CreateAccountAlias(ctx context.Context, in *api.CreateAccountAliasInput) (*api.CreateAccountAliasOutput, error) {
	if !validAlias.MatchString(in.AccountAlias) || digits.MatchString(in.AccountAlias) {
		return nil, wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at 'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", in.AccountAlias)
	}
	return &api.CreateAccountAliasOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := accounts.All(tx)
		if err != nil {
			return err
		}
		for _, row := range all {
			if row.Value.Alias == in.AccountAlias && row.Key != key(ctx, accountID) {
				return &wire.Error{Code: "EntityAlreadyExists", Status: 409, Message: "The account alias " + in.AccountAlias + " already exists."}
			}
		}
		return accounts.Put(tx, key(ctx, accountID), account{Alias: in.AccountAlias})
	})
}

// DeleteAccountAlias removes the alias.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *api.DeleteAccountAliasInput) (*api.DeleteAccountAliasOutput, error) {
	return &api.DeleteAccountAliasOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := s.account(ctx)
		if err == nil && a.Alias != in.AccountAlias {
			return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The account alias with name " + in.AccountAlias + " cannot be found."}
		}
		return errors.Join(err, accounts.Delete(tx, key(ctx, accountID)))
	})
}

// ListAccountAliases lists the alias, if there is one.
func (s *Service) ListAccountAliases(ctx context.Context, in *api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	a, err := s.account(ctx)
	out := &api.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: new(false)}
	if a.Alias != "" {
		out.AccountAliases = append(out.AccountAliases, a.Alias)
	}
	return out, err
}

// quotas are the numbers of GetAccountSummary that AWS sets.
var quotas = map[string]int{
	"UsersQuota": 5000, "GroupsQuota": 300, "RolesQuota": 1000, "PoliciesQuota": 1500, "InstanceProfilesQuota": 1000,
	"ServerCertificatesQuota": 20, "AccessKeysPerUserQuota": maxKeys, "GroupsPerUserQuota": maxGroups, "SigningCertificatesPerUserQuota": 2,
	"UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "PolicySizeQuota": maxManaged,
	"AssumeRolePolicySizeQuota": maxTrust, "AttachedPoliciesPerRoleQuota": maxAttached, "AttachedPoliciesPerUserQuota": maxAttached,
	"AttachedPoliciesPerGroupQuota": maxAttached, "VersionsPerPolicyQuota": maxVersions, "PolicyVersionsInUseQuota": 10000,
	"GlobalEndpointTokenVersion": 1, "MFADevices": 0, "MFADevicesInUse": 0, "AccountMFAEnabled": 0, "ServerCertificates": 0,
	"AccountSigningCertificatesPresent": 0, "AccountPasswordPresent": 0, "Providers": 0,
}

// GetAccountSummary counts what the account has.
func (s *Service) GetAccountSummary(ctx context.Context, _ *api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	counts := map[string]int{"AccountAccessKeysPresent": 1}
	for name, n := range quotas {
		counts[name] = n
	}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		number := key(ctx, "").Account
		all, err := entities.List(tx, number, store.Global)
		if err != nil {
			return err
		}
		for _, name := range []string{"Users", "Groups", "Roles"} {
			counts[name] = 0
		}
		for _, e := range all {
			counts[titles[e.Kind]+"s"]++
		}
		own, err := policies.List(tx, number, store.Global)
		if err != nil {
			return err
		}
		counts["Policies"] = len(own)
		for _, p := range own {
			counts["PolicyVersionsInUse"] += len(p.Versions)
		}
		boxes, err := profiles.List(tx, number, store.Global)
		counts["InstanceProfiles"] = len(boxes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.GetAccountSummaryOutput{SummaryMap: counts}, nil
}
