package iam_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/service/iam"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/twintest"
)

// stack drives resource types as CloudFormation does.
type stack struct {
	t       *testing.T
	service *iam.Service
	types   map[string]resource.Type
	ctx     context.Context
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s, err := store.Open(t.TempDir(), iam.Tables...)
	made(t, s, err)
	t.Cleanup(func() { s.Close() })
	service := iam.New(room.House{Store: s, Changed: room.NewBroadcast()})
	k := &stack{t: t, service: service, types: map[string]resource.Type{}, ctx: twintest.As(t.Context(), "000000000000", "us-east-1")}
	for _, typ := range service.Room().Resources {
		k.types[typ.Name] = typ
	}
	return k
}

func (k *stack) request(typ, logical string, properties map[string]any) resource.Request {
	return resource.Request{StackName: "mystack", LogicalID: logical, Type: typ, Properties: properties, Token: logical, Tags: map[string]string{"owner": "team"}}
}

func (k *stack) create(typ, logical string, properties map[string]any) resource.Request {
	k.t.Helper()
	r := k.request(typ, logical, properties)
	id, err := k.types[typ].Create(k.ctx, r)
	if err != nil {
		k.t.Fatalf("create %s: %v", logical, err)
	}
	r.PhysicalID = id
	return r
}

func (k *stack) update(r resource.Request, properties map[string]any) resource.Request {
	k.t.Helper()
	r.Previous, r.Properties = r.Properties, properties
	if err := k.types[r.Type].Update(k.ctx, r); err != nil {
		k.t.Fatalf("update %s: %v", r.LogicalID, err)
	}
	return r
}

// remove deletes twice: the second time it is gone already.
func (k *stack) remove(r resource.Request) {
	k.t.Helper()
	for range 2 {
		if err := k.types[r.Type].Delete(k.ctx, r); err != nil {
			k.t.Errorf("delete %s: %v", r.LogicalID, err)
		}
	}
}

func (k *stack) attribute(r resource.Request, name string) string {
	k.t.Helper()
	all, err := k.types[r.Type].Attributes(k.ctx, r)
	if err != nil {
		k.t.Fatal(err)
	}
	return fmt.Sprint(all[name])
}

type object = map[string]any

func trustOf(service string) object {
	return object{"Version": "2012-10-17", "Statement": []any{object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": service}}}}
}

func allow(action string) object {
	return object{"Version": "2012-10-17", "Statement": object{"Effect": "Allow", "Action": action, "Resource": "*"}}
}

func TestARoleOfAStack(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	inline := func(name, action string) any { return object{"PolicyName": name, "PolicyDocument": allow(action)} }
	r := k.create("AWS::IAM::Role", "TaskRole", object{"AssumeRolePolicyDocument": trustOf("ecs-tasks.amazonaws.com"), "Path": "/app/", "MaxSessionDuration": 7200,
		"ManagedPolicyArns": []any{execution}, "Policies": []any{inline("one", "s3:GetObject"), inline("two", "s3:PutObject")},
		"Tags": []any{object{"Key": "a", "Value": "1"}}})
	if !strings.HasPrefix(r.PhysicalID, "mystack-TaskRole-") || k.attribute(r, "Arn") != "arn:aws:iam::000000000000:role/app/"+r.PhysicalID {
		t.Errorf("role %s, %s", r.PhysicalID, k.attribute(r, "Arn"))
	}
	other := "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
	r = k.update(r, object{"AssumeRolePolicyDocument": trustOf("ec2.amazonaws.com"), "Path": "/app/",
		"ManagedPolicyArns": []any{other}, "Policies": []any{inline("two", "s3:ListBucket"), inline("three", "s3:PutObject")}})
	names, err := k.service.ListRolePolicies(k.ctx, &api.ListRolePoliciesInput{RoleName: r.PhysicalID})
	if err != nil || !slices.Equal(names.PolicyNames, []string{"three", "two"}) {
		t.Errorf("inline policies: %+v, %v", names, err)
	}
	attached, err := k.service.ListAttachedRolePolicies(k.ctx, &api.ListAttachedRolePoliciesInput{RoleName: r.PhysicalID})
	if err != nil || len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyArn != other {
		t.Errorf("attached policies: %+v, %v", attached, err)
	}
	role, err := k.service.GetRole(k.ctx, &api.GetRoleInput{RoleName: r.PhysicalID})
	if err != nil || !strings.Contains(*role.Role.AssumeRolePolicyDocument, "ec2.amazonaws.com") || *role.Role.MaxSessionDuration != 3600 ||
		!slices.Equal(role.Role.Tags, []api.Tag{{Key: "owner", Value: "team"}}) {
		t.Errorf("role: %+v, %v", role, err)
	}
	extra := k.create("AWS::IAM::Policy", "Extra", object{"PolicyName": "extra", "PolicyDocument": allow("s3:*"), "Roles": []any{r.PhysicalID}})
	profile := k.create("AWS::IAM::InstanceProfile", "Box", object{"Roles": []any{r.PhysicalID}})
	if !strings.HasSuffix(k.attribute(profile, "Arn"), ":instance-profile/"+profile.PhysicalID) {
		t.Errorf("profile %s", k.attribute(profile, "Arn"))
	}
	k.remove(profile)
	k.remove(r) // with its policies, the one of the other resource too
	k.remove(extra)
	_, err = k.service.GetRole(k.ctx, &api.GetRoleInput{RoleName: r.PhysicalID})
	wantCode(t, err, "NoSuchEntity", "")
}

func TestAManagedPolicyOfAStackKeepsFiveVersions(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	r := k.create("AWS::IAM::Role", "Role", object{"AssumeRolePolicyDocument": trustOf("ecs-tasks.amazonaws.com")})
	properties := func(action string, roles ...any) object {
		return object{"PolicyDocument": allow(action), "Roles": roles, "Description": "of a test"}
	}
	p := k.create("AWS::IAM::ManagedPolicy", "Managed", properties("s3:A0", r.PhysicalID))
	for i := range 7 {
		p = k.update(p, properties(fmt.Sprintf("s3:A%d", i+1), r.PhysicalID))
	}
	if k.attribute(p, "DefaultVersionId") != "v8" || k.attribute(p, "AttachmentCount") != "1" {
		t.Errorf("version %s, %s attachments", k.attribute(p, "DefaultVersionId"), k.attribute(p, "AttachmentCount"))
	}
	versions, err := k.service.ListPolicyVersions(k.ctx, &api.ListPolicyVersionsInput{PolicyArn: p.PhysicalID})
	if err != nil || len(versions.Versions) != 5 || *versions.Versions[0].VersionId != "v8" {
		t.Errorf("%+v, %v", versions, err)
	}
	_, err = k.service.DeletePolicy(k.ctx, &api.DeletePolicyInput{PolicyArn: p.PhysicalID})
	wantCode(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
	p = k.update(p, properties("s3:A7"))
	if k.attribute(p, "AttachmentCount") != "0" || k.attribute(p, "DefaultVersionId") != "v8" {
		t.Error("not detached, or a new version of the same document")
	}
	k.remove(p)
	k.remove(r)
}

func TestUsersAndGroupsOfAStack(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	g := k.create("AWS::IAM::Group", "Group", object{"ManagedPolicyArns": []any{execution}})
	u := k.create("AWS::IAM::User", "User", object{"Groups": []any{g.PhysicalID}, "Policies": []any{object{"PolicyName": "p", "PolicyDocument": allow("s3:*")}}})
	v := k.create("AWS::IAM::User", "Other", object{"UserName": "other"})
	in := k.create("AWS::IAM::UserToGroupAddition", "Addition", object{"GroupName": g.PhysicalID, "Users": []any{"other"}})
	members := func() (names []string) {
		out, err := k.service.GetGroup(k.ctx, &api.GetGroupInput{GroupName: g.PhysicalID})
		made(t, out, err)
		for _, user := range out.Users {
			names = append(names, user.UserName)
		}
		return names
	}
	if !slices.Equal(members(), []string{u.PhysicalID, "other"}) {
		t.Errorf("members %v", members())
	}
	_, err := k.service.DeleteGroup(k.ctx, &api.DeleteGroupInput{GroupName: g.PhysicalID})
	wantCode(t, err, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	key := k.create("AWS::IAM::AccessKey", "Key", object{"UserName": "other", "Serial": 1})
	secret := k.attribute(key, "SecretAccessKey")
	if len(secret) != 40 || !strings.HasPrefix(key.PhysicalID, "AKIA") {
		t.Errorf("key %s", key.PhysicalID)
	}
	key = k.update(key, object{"UserName": "other", "Serial": 1, "Status": "Inactive"})
	listed, err := k.service.ListAccessKeys(k.ctx, &api.ListAccessKeysInput{UserName: new("other")})
	if err != nil || len(listed.AccessKeyMetadata) != 1 || *listed.AccessKeyMetadata[0].Status != "Inactive" {
		t.Errorf("%+v, %v", listed, err)
	}
	u = k.update(u, object{})
	k.remove(in)
	if len(members()) != 0 {
		t.Errorf("members %v", members())
	}
	for _, r := range []resource.Request{key, u, v, g} {
		k.remove(r)
	}
	linked := k.create("AWS::IAM::ServiceLinkedRole", "Linked", object{"AWSServiceName": "ecs.amazonaws.com"})
	if k.attribute(linked, "RoleName") != "AWSServiceRoleForECS" {
		t.Errorf("role %s", linked.PhysicalID)
	}
	k.remove(linked)
	summary, err := k.service.GetAccountSummary(k.ctx, &api.GetAccountSummaryInput{})
	if err != nil || summary.SummaryMap["Users"]+summary.SummaryMap["Groups"]+summary.SummaryMap["Roles"] != 0 {
		t.Errorf("left over: %+v, %v", summary, err)
	}
}

func TestAPropertyThatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	for name, typ := range k.types {
		_, err := typ.Create(k.ctx, k.request(name, "R", object{"Colour": "red"}))
		if err == nil || !strings.Contains(err.Error(), "Colour") {
			t.Errorf("%s takes Colour: %v", name, err)
		}
	}
}
