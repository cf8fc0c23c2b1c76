package sts

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway.dev/internal/twin/api/iam"
	api "slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/iam/policy"
	"slipway.dev/internal/twin/service/sts/session"
	"slipway.dev/internal/twin/wire"
)

const (
	principal  = "sts.amazonaws.com"
	usualRole  = time.Hour
	chainedMax = time.Hour // for a role that assumes a role
)

var roleARN = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role/(?:.+/)?([\w+=,.@-]+)$`)

// AssumeRole gives temporary credentials of a role to a caller whom its trust policy names. Of the conditions of a trust policy
// sts:ExternalId is looked at; a statement that allows under other conditions allows, one that denies under others does not deny.
func (s *Service) AssumeRole(ctx context.Context, in *api.AssumeRoleInput) (*api.AssumeRoleOutput, error) {
	parts := roleARN.FindStringSubmatch(in.RoleArn)
	if parts == nil {
		return nil, wire.Errorf("ValidationError", "%s is invalid", in.RoleArn)
	}
	account, name := parts[1], parts[2]
	role, trust, err := s.role(ctx, account, name)
	if err != nil {
		return nil, err
	}
	caller := operation.CallerOf(ctx)
	if role == nil || role.Arn != in.RoleArn || !trusts(trust, caller, in.ExternalId) {
		return nil, denied(caller, in.RoleArn)
	}
	lasts, err := duration(in.DurationSeconds, role, caller)
	if err != nil {
		return nil, err
	}
	user := &api.AssumedRoleUser{
		Arn:           fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, role.RoleName, in.RoleSessionName),
		AssumedRoleId: role.RoleId + ":" + in.RoleSessionName,
	}
	given, err := s.give(ctx, session.Session{Account: account, ARN: user.Arn, UserID: user.AssumedRoleId, PrincipalID: role.RoleId}, lasts)
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleOutput{AssumedRoleUser: user, Credentials: given, SourceIdentity: in.SourceIdentity}, nil
}

// role reads the role and its trust policy, wherever the caller comes from; nil where there is no such role.
func (s *Service) role(ctx context.Context, account, name string) (*iam.Role, *policy.Document, error) {
	within := operation.AsService(ctx, principal, account, operation.CallerOf(ctx).Region)
	out, err := s.iam.GetRole(within, &iam.GetRoleInput{RoleName: name})
	if wire.HasCode(err, "NoSuchEntity") {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := url.PathUnescape(wire.Value(out.Role.AssumeRolePolicyDocument))
	if err != nil {
		return nil, nil, fmt.Errorf("trust policy of role %s: %w", name, err)
	}
	trust, err := policy.Parse(text, policy.Trust)
	if err != nil {
		return nil, nil, fmt.Errorf("trust policy of role %s: %w", name, err)
	}
	return out.Role, trust, nil
}

func denied(c operation.Caller, role string) error {
	who := "User: " + c.ARN
	if c.Service != "" {
		who = "Service: " + c.Service
	}
	return &wire.Error{Code: "AccessDenied", Status: 403, Message: who + " is not authorized to perform: sts:AssumeRole on resource: " + role}
}

func duration(asked *int, role *iam.Role, c operation.Caller) (time.Duration, error) {
	lasts := cmp.Or(time.Duration(wire.Value(asked))*time.Second, usualRole)
	longest := time.Duration(wire.Value(role.MaxSessionDuration)) * time.Second
	if lasts > longest && asked != nil {
		return 0, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if strings.Contains(c.ARN, ":assumed-role/") && lasts > chainedMax {
		return 0, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return lasts, nil
}

// trusts reports whether a trust policy lets the caller assume the role: some statement allows it, none denies it.
func trusts(d *policy.Document, c operation.Caller, externalID *string) bool {
	allowed := false
	for _, s := range d.Statements {
		if !grants(s.Action) || !names(s, c) {
			continue
		}
		held, certain := holds(s.Condition, externalID)
		switch {
		case s.Effect == "Deny" && held && certain:
			return false
		case s.Effect == "Allow" && held:
			allowed = true
		}
	}
	return allowed
}

func grants(actions []string) bool {
	return slices.ContainsFunc(actions, func(a string) bool {
		a = strings.ToLower(a)
		return a == "sts:assumerole" || a == "sts:*" || a == "*"
	})
}

func names(s policy.Statement, c operation.Caller) bool {
	if s.NotPrincipal != nil {
		return !matches(s.NotPrincipal, c)
	}
	return s.Principal != nil && matches(s.Principal, c)
}

// matches reports whether the caller is one of the principals. An account, or its root user, stands for all of its own.
func matches(p *policy.Principal, c operation.Caller) bool {
	if c.Service != "" {
		return p.Any || slices.Contains(p.Service, c.Service)
	}
	return p.Any || slices.ContainsFunc(p.AWS, func(name string) bool {
		return name == c.Account || name == "arn:aws:iam::"+c.Account+":root" || name == c.ARN || name == owner(c.UserID) || isRoleOf(name, c)
	})
}

// owner is the unique id of the role or user in "AROA…:session".
func owner(userID string) string {
	id, _, _ := strings.Cut(userID, ":")
	return id
}

// isRoleOf reports whether name is the ARN of the role that the caller's session is one of. A session's ARN lacks the role's
// path, but a role's name is its own in its account whatever the path.
func isRoleOf(name string, c operation.Caller) bool {
	rest, ok := strings.CutPrefix(c.ARN, "arn:aws:sts::"+c.Account+":assumed-role/")
	role, _, _ := strings.Cut(rest, "/")
	parts := roleARN.FindStringSubmatch(name)
	return ok && parts != nil && parts[1] == c.Account && parts[2] == role
}

// holds looks at the conditions. certain is false where some are of a kind that is not looked at; these count as met.
func holds(conditions map[string]map[string][]string, externalID *string) (held, certain bool) {
	certain = true
	for operator, keys := range conditions {
		for key, values := range keys {
			if !strings.EqualFold(key, "sts:ExternalId") {
				certain = false
				continue
			}
			met, known := compare(operator, values, externalID)
			if known && !met {
				return false, true
			}
			certain = certain && known
		}
	}
	return true, certain
}

func compare(operator string, values []string, given *string) (met, known bool) {
	plain, ifExists := strings.CutSuffix(operator, "IfExists")
	if given == nil && ifExists {
		return true, true
	}
	found := func(same func(a, b string) bool) bool {
		return given != nil && slices.ContainsFunc(values, func(v string) bool { return same(v, *given) })
	}
	switch plain {
	case "StringEquals":
		return found(func(a, b string) bool { return a == b }), true
	case "StringNotEquals":
		return !found(func(a, b string) bool { return a == b }), true
	case "StringEqualsIgnoreCase":
		return found(strings.EqualFold), true
	case "StringLike":
		return found(like), true
	case "StringNotLike":
		return !found(like), true
	case "Null":
		return slices.Contains(values, "true") == (given == nil), true
	}
	return false, false
}

// like matches with * and ?.
func like(pattern, text string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	ok, err := regexp.MatchString("(?s)^"+quoted+"$", text)
	return ok && err == nil
}
