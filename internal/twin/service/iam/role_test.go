package iam_test

import (
	"net/url"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

const (
	trustECS  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowS3   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)

func wantCode(t *testing.T, err error, code, text string) {
	t.Helper()
	if !wire.HasCode(err, code) || !strings.Contains(err.Error(), text) {
		t.Errorf("error = %v, want %s with %q", err, code, text)
	}
}

func made(t *testing.T, _ any, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARoleIsDeletedOnlyWhenNothingHangsOnIt(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	iam, ctx := api.Client{Invoker: w.Invoker}, w.Context
	out, err := iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "task", Path: new("/app/"), AssumeRolePolicyDocument: trustECS})
	made(t, out, err)
	if r := out.Role; r.Arn != "arn:aws:iam::000000000000:role/app/task" || !strings.HasPrefix(r.RoleId, "AROA") || len(r.RoleId) != 21 {
		t.Errorf("role = %+v", r)
	}
	_, err = iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "Task", AssumeRolePolicyDocument: trustECS})
	wantCode(t, err, "EntityAlreadyExists", "Role with name Task already exists.")

	_, err = iam.AttachRolePolicy(ctx, &api.AttachRolePolicyInput{RoleName: "task", PolicyArn: execution})
	made(t, nil, err)
	_, err = iam.PutRolePolicy(ctx, &api.PutRolePolicyInput{RoleName: "task", PolicyName: "read", PolicyDocument: allowS3})
	made(t, nil, err)
	_, err = iam.CreateInstanceProfile(ctx, &api.CreateInstanceProfileInput{InstanceProfileName: "box"})
	made(t, nil, err)
	_, err = iam.AddRoleToInstanceProfile(ctx, &api.AddRoleToInstanceProfileInput{InstanceProfileName: "box", RoleName: "task"})
	made(t, nil, err)

	remove := func() error {
		_, err := iam.DeleteRole(ctx, &api.DeleteRoleInput{RoleName: "task"})
		return err
	}
	wantCode(t, remove(), "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	_, err = iam.RemoveRoleFromInstanceProfile(ctx, &api.RemoveRoleFromInstanceProfileInput{InstanceProfileName: "box", RoleName: "task"})
	made(t, nil, err)
	wantCode(t, remove(), "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	_, err = iam.DetachRolePolicy(ctx, &api.DetachRolePolicyInput{RoleName: "task", PolicyArn: execution})
	made(t, nil, err)
	wantCode(t, remove(), "DeleteConflict", "Cannot delete entity, must delete policies first.")
	_, err = iam.DeleteRolePolicy(ctx, &api.DeleteRolePolicyInput{RoleName: "task", PolicyName: "read"})
	made(t, nil, err)
	made(t, nil, remove())
	wantCode(t, remove(), "NoSuchEntity", "The role with name task cannot be found.")
}

func TestDocumentsComeBackEncoded(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	iam, ctx := api.Client{Invoker: w.Invoker}, w.Context
	spaced := strings.ReplaceAll(trustECS, ":[", ": [")
	_, err := iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "task", AssumeRolePolicyDocument: spaced})
	made(t, nil, err)
	_, err = iam.PutRolePolicy(ctx, &api.PutRolePolicyInput{RoleName: "task", PolicyName: "read", PolicyDocument: allowS3})
	made(t, nil, err)
	role, err := iam.GetRole(ctx, &api.GetRoleInput{RoleName: "task"})
	made(t, role, err)
	document, err := iam.GetRolePolicy(ctx, &api.GetRolePolicyInput{RoleName: "task", PolicyName: "read"})
	made(t, document, err)
	for got, want := range map[string]string{*role.Role.AssumeRolePolicyDocument: spaced, document.PolicyDocument: allowS3} {
		if plain, err := url.PathUnescape(got); err != nil || plain != want || strings.ContainsAny(got, `{" +`) {
			t.Errorf("document = %s", got)
		}
	}
}

func TestBrokenDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	iam, ctx := api.Client{Invoker: w.Invoker}, w.Context
	_, err := iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "task", AssumeRolePolicyDocument: trustECS})
	made(t, nil, err)
	put := func(name, document string) error {
		_, err := iam.PutRolePolicy(ctx, &api.PutRolePolicyInput{RoleName: "task", PolicyName: name, PolicyDocument: document})
		return err
	}
	wantCode(t, put("p", "{"), "MalformedPolicyDocument", "Syntax errors in policy.")
	wantCode(t, put("p", trustECS), "MalformedPolicyDocument", "Policy document should not specify a principal.")
	long := strings.Replace(allowS3, "b/*", strings.Repeat("b", 6000)+"/*", 1)
	made(t, nil, put("one", long))
	wantCode(t, put("two", long), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role task")
	absent := strings.Replace(trustECS, `"Service":"ecs-tasks.amazonaws.com"`, `"AWS":"arn:aws:iam::000000000000:role/absent"`, 1)
	_, err = iam.UpdateAssumeRolePolicy(ctx, &api.UpdateAssumeRolePolicyInput{RoleName: "task", PolicyDocument: absent})
	wantCode(t, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::000000000000:role/absent"`)
	_, err = iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: strings.Repeat("r", 65), AssumeRolePolicyDocument: trustECS})
	wantCode(t, err, "ValidationError", "Member must have length less than or equal to 64")
	_, err = iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "r", Path: new("app"), AssumeRolePolicyDocument: trustECS})
	wantCode(t, err, "ValidationError", "path")
}

func TestAttachmentsHaveALimitAndAPolicy(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	iam, ctx := api.Client{Invoker: w.Invoker}, w.Context
	_, err := iam.CreateRole(ctx, &api.CreateRoleInput{RoleName: "task", AssumeRolePolicyDocument: trustECS})
	made(t, nil, err)
	attach := func(arn string) error {
		_, err := iam.AttachRolePolicy(ctx, &api.AttachRolePolicyInput{RoleName: "task", PolicyArn: arn})
		return err
	}
	wantCode(t, attach("arn:aws:iam::aws:policy/NoSuchPolicy"), "NoSuchEntity", "does not exist or is not attachable.")
	wantCode(t, attach("arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"), "PolicyNotAttachable", "Service Role Policy")
	listed, err := iam.ListPolicies(ctx, &api.ListPoliciesInput{Scope: new("AWS"), PathPrefix: new("/service-role/")})
	made(t, listed, err)
	for _, p := range listed.Policies[:10] {
		made(t, nil, attach(*p.Arn))
		made(t, nil, attach(*p.Arn)) // again changes nothing
	}
	wantCode(t, attach("arn:aws:iam::aws:policy/ReadOnlyAccess"), "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
	attached, err := iam.ListAttachedRolePolicies(ctx, &api.ListAttachedRolePoliciesInput{RoleName: "task", MaxItems: new(4)})
	if err != nil || len(attached.AttachedPolicies) != 4 || !*attached.IsTruncated {
		t.Errorf("first page = %+v, %v", attached, err)
	}
}

func TestServiceLinkedRolesBelongToTheService(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	iam, ctx := api.Client{Invoker: w.Invoker}, w.Context
	out, err := iam.CreateServiceLinkedRole(ctx, &api.CreateServiceLinkedRoleInput{AWSServiceName: "ecs.amazonaws.com"})
	made(t, out, err)
	if out.Role.Arn != "arn:aws:iam::000000000000:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS" {
		t.Errorf("role = %+v", out.Role)
	}
	_, err = iam.CreateServiceLinkedRole(ctx, &api.CreateServiceLinkedRoleInput{AWSServiceName: "ecs.amazonaws.com"})
	wantCode(t, err, "InvalidInput", "has been taken in this account")
	_, err = iam.DeleteRole(ctx, &api.DeleteRoleInput{RoleName: "AWSServiceRoleForECS"})
	wantCode(t, err, "UnmodifiableEntity", "only modifiable by AWS")
	task, err := iam.DeleteServiceLinkedRole(ctx, &api.DeleteServiceLinkedRoleInput{RoleName: "AWSServiceRoleForECS"})
	made(t, task, err)
	status, err := iam.GetServiceLinkedRoleDeletionStatus(ctx, &api.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task.DeletionTaskId})
	if err != nil || status.Status != "SUCCEEDED" {
		t.Errorf("status = %+v, %v", status, err)
	}
}
