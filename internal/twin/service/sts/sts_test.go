package sts_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"slipway.dev/internal/twin/api/iam"
	api "slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/service/sts/session"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// client signs with the given credentials and talks to the twin over HTTP.
func client(w *twintest.Twin, id, secret, token string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: new("http://" + w.Address()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
	})
}

func wantAPICode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("error = %v, want %s", err, code)
	}
}

func made(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// user makes a user with an access key.
func user(t *testing.T, w *twintest.Twin, name string) *iam.AccessKey {
	t.Helper()
	c := iam.Client{Invoker: w.Invoker}
	_, err := c.CreateUser(w.Context, &iam.CreateUserInput{UserName: name})
	made(t, err)
	out, err := c.CreateAccessKey(w.Context, &iam.CreateAccessKeyInput{UserName: &name})
	made(t, err)
	return out.AccessKey
}

// role makes a role that the AWS principal may assume; more is put behind the principal in the statement.
func role(t *testing.T, w *twintest.Twin, name, principal, more string) *iam.Role {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal + more + `}]}`
	out, err := iam.Client{Invoker: w.Invoker}.CreateRole(w.Context, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust})
	made(t, err)
	return out.Role
}

func TestAUsersKeySignsUntilItIsTakenAway(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	key := user(t, w, "ann")
	signed := client(w, key.AccessKeyId, key.SecretAccessKey, "")
	who, err := signed.GetCallerIdentity(t.Context(), nil)
	made(t, err)
	if *who.Arn != "arn:aws:iam::000000000000:user/ann" || !strings.HasPrefix(*who.UserId, "AIDA") {
		t.Errorf("identity = %s, %s", *who.Arn, *who.UserId)
	}
	_, err = client(w, key.AccessKeyId, "wrong", "").GetCallerIdentity(t.Context(), nil)
	wantAPICode(t, err, "SignatureDoesNotMatch")
	_, err = client(w, "AKIAIOSFODNN7EXAMPLE", "wrong", "").GetCallerIdentity(t.Context(), nil)
	wantAPICode(t, err, "InvalidClientTokenId")

	c := iam.Client{Invoker: w.Invoker}
	turn := func(status string) {
		_, err := c.UpdateAccessKey(w.Context, &iam.UpdateAccessKeyInput{AccessKeyId: key.AccessKeyId, UserName: new("ann"), Status: status})
		made(t, err)
	}
	turn("Inactive")
	_, err = signed.GetCallerIdentity(t.Context(), nil)
	wantAPICode(t, err, "InvalidClientTokenId")
	turn("Active")
	_, err = signed.GetCallerIdentity(t.Context(), nil)
	made(t, err)
	_, err = c.DeleteUser(w.Context, &iam.DeleteUserInput{UserName: "ann"})
	if !wire.HasCode(err, "DeleteConflict") {
		t.Errorf("deleted a user with a key: %v", err)
	}
	_, err = c.DeleteAccessKey(w.Context, &iam.DeleteAccessKeyInput{AccessKeyId: key.AccessKeyId, UserName: new("ann")})
	made(t, err)
	_, err = signed.GetCallerIdentity(t.Context(), nil)
	wantAPICode(t, err, "InvalidClientTokenId")
}

func TestAnAssumedRoleSignsWithItsToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := twintest.StartIn(t, dir)
	key := user(t, w, "ann")
	r := role(t, w, "deploy", `{"AWS":"arn:aws:iam::000000000000:user/ann"}`, "")
	out, err := client(w, key.AccessKeyId, key.SecretAccessKey, "").AssumeRole(t.Context(), &sdk.AssumeRoleInput{
		RoleArn: &r.Arn, RoleSessionName: new("build-7"), DurationSeconds: new(int32(900))})
	made(t, err)
	given := out.Credentials
	if !strings.HasPrefix(*given.AccessKeyId, "ASIA") || *out.AssumedRoleUser.AssumedRoleId != r.RoleId+":build-7" {
		t.Errorf("out = %+v", out)
	}
	if left := time.Until(*given.Expiration); left < 890*time.Second || left > 900*time.Second {
		t.Errorf("expires in %v", left)
	}
	w.Stop(t)
	w = twintest.StartIn(t, dir)
	who, err := client(w, *given.AccessKeyId, *given.SecretAccessKey, *given.SessionToken).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.Arn != "arn:aws:sts::000000000000:assumed-role/deploy/build-7" {
		t.Fatalf("after a restart: %+v, %v", who, err)
	}
	for _, token := range []string{"", "forged"} {
		_, err = client(w, *given.AccessKeyId, *given.SecretAccessKey, token).GetCallerIdentity(t.Context(), nil)
		wantAPICode(t, err, "InvalidClientTokenId")
	}
	_, err = iam.Client{Invoker: w.Invoker}.DeleteRole(w.Context, &iam.DeleteRoleInput{RoleName: "deploy"})
	made(t, err)
	_, err = client(w, *given.AccessKeyId, *given.SecretAccessKey, *given.SessionToken).GetCallerIdentity(t.Context(), nil)
	wantAPICode(t, err, "InvalidClientTokenId")
}

// age moves the end of every session in a stopped twin's state.
func age(t *testing.T, dir string, to time.Time) {
	t.Helper()
	s, err := store.Open(dir, session.Table)
	made(t, err)
	defer s.Close()
	made(t, s.Update(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		rows, err := session.Table.All(tx)
		for _, row := range rows {
			row.Value.Expires = to
			err = errors.Join(err, session.Table.Put(tx, row.Key, row.Value))
		}
		return err
	}))
}

func TestAnExpiredSessionIsToldSoAndForgottenLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := twintest.StartIn(t, dir)
	key := user(t, w, "ann")
	out, err := client(w, key.AccessKeyId, key.SecretAccessKey, "").GetSessionToken(t.Context(), nil)
	made(t, err)
	given := out.Credentials
	ask := func() (*sdk.GetCallerIdentityOutput, error) {
		return client(w, *given.AccessKeyId, *given.SecretAccessKey, *given.SessionToken).GetCallerIdentity(t.Context(), nil)
	}
	who, err := ask()
	if err != nil || *who.Arn != "arn:aws:iam::000000000000:user/ann" {
		t.Fatalf("%+v, %v", who, err)
	}
	w.Stop(t)
	age(t, dir, time.Now().Add(-time.Minute))
	w = twintest.StartIn(t, dir)
	_, err = ask()
	wantAPICode(t, err, "ExpiredToken")
	w.Stop(t)

	s, err := store.Open(dir, session.Table)
	made(t, err)
	defer s.Close()
	made(t, s.Update(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		if _, err := session.Clean(tx, time.Now().Add(session.Kept)); err != nil {
			return err
		}
		rows, err := session.Table.All(tx)
		if len(rows) != 0 {
			t.Errorf("%d sessions are left", len(rows))
		}
		return err
	}))
}

func TestWhoMayAssumeARole(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	user(t, w, "ann")
	user(t, w, "bob")
	caller := func(account, arn, service string) operation.Caller {
		return operation.Caller{Account: account, ARN: arn, Service: service, Region: "us-east-1"}
	}
	ann := caller("000000000000", "arn:aws:iam::000000000000:user/ann", "")
	bob := caller("000000000000", "arn:aws:iam::000000000000:user/bob", "")
	other := caller("111122223333", "arn:aws:iam::111122223333:user/eve", "")
	chained := caller("000000000000", "arn:aws:sts::000000000000:assumed-role/first/s", "")
	tasks := caller("000000000000", "", "ecs-tasks.amazonaws.com")
	role(t, w, "first", `"*"`, "")
	external := `,"Condition":{"StringEquals":{"sts:ExternalId":"secret"}}`
	for name, c := range map[string]struct {
		principal, more string
		external        *string
		caller          operation.Caller
		want            bool
	}{
		"user-itself":          {`{"AWS":"arn:aws:iam::000000000000:user/ann"}`, "", nil, ann, true},
		"user-another":         {`{"AWS":"arn:aws:iam::000000000000:user/ann"}`, "", nil, bob, false},
		"account-own":          {`{"AWS":"000000000000"}`, "", nil, bob, true},
		"account-root":         {`{"AWS":"arn:aws:iam::111122223333:root"}`, "", nil, other, true},
		"account-foreign":      {`{"AWS":"000000000000"}`, "", nil, other, false},
		"everybody":            {`"*"`, "", nil, other, true},
		"role-chained":         {`{"AWS":"arn:aws:iam::000000000000:role/first"}`, "", nil, chained, true},
		"role-not-user":        {`{"AWS":"arn:aws:iam::000000000000:role/first"}`, "", nil, ann, false},
		"service":              {`{"Service":["ecs.amazonaws.com","ecs-tasks.amazonaws.com"]}`, "", nil, tasks, true},
		"service-another":      {`{"Service":"ecs.amazonaws.com"}`, "", nil, tasks, false},
		"service-not-user":     {`{"Service":"ecs-tasks.amazonaws.com"}`, "", nil, ann, false},
		"external-id":          {`"*"`, external, new("secret"), other, true},
		"external-id-wrong":    {`"*"`, external, new("guess"), other, false},
		"external-id-missing":  {`"*"`, external, nil, other, false},
		"condition-not-looked": {`"*"`, `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}`, nil, ann, true},
		"denied":               {`"*"`, `},{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::000000000000:user/ann"}`, nil, ann, false},
	} {
		r := role(t, w, name, c.principal, c.more)
		_, err := api.Client{Invoker: w.Invoker}.AssumeRole(operation.WithCaller(w.Context, c.caller), &api.AssumeRoleInput{
			RoleArn: r.Arn, RoleSessionName: "s1", ExternalId: c.external})
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!wire.HasCode(err, "AccessDenied") || !strings.Contains(err.Error(), "is not authorized to perform: sts:AssumeRole on resource: "+r.Arn)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSessionsLastAsLongAsTheRoleAllows(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	r := role(t, w, "deploy", `"*"`, "")
	for seconds, code := range map[int]string{899: "ValidationError", 900: "", 3600: "", 3601: "ValidationError"} {
		_, err := api.Client{Invoker: w.Invoker}.AssumeRole(w.Context, &api.AssumeRoleInput{RoleArn: r.Arn, RoleSessionName: "s1", DurationSeconds: &seconds})
		if code == "" && err != nil || code != "" && !wire.HasCode(err, code) {
			t.Errorf("%d s: %v", seconds, err)
		}
	}
	_, err := api.Client{Invoker: w.Invoker}.AssumeRole(w.Context, &api.AssumeRoleInput{RoleArn: "arn:aws:iam::000000000000:role/none", RoleSessionName: "s1"})
	if !wire.HasCode(err, "AccessDenied") {
		t.Errorf("an absent role: %v", err)
	}
}

func TestAccessKeysTellTheirAccount(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	key := user(t, w, "ann")
	out, err := client(w, key.AccessKeyId, key.SecretAccessKey, "").GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &key.AccessKeyId})
	if err != nil || *out.Account != "000000000000" {
		t.Errorf("%+v, %v", out, err)
	}
}
