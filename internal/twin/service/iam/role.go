package iam

import (
	"cmp"
	"context"
	"regexp"
	"strings"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const usualSession = 3600

func (e entity) role(ctx context.Context) *api.Role {
	return &api.Role{
		Arn: e.arn(ctx), RoleName: e.Name, RoleId: e.ID, Path: e.Path, CreateDate: e.Created,
		AssumeRolePolicyDocument: new(encoded(e.Trust)), Description: wire.Maybe(e.Description), MaxSessionDuration: new(e.MaxSession),
		PermissionsBoundary: boundary(e.Boundary), Tags: maybeTags(e.Tags), RoleLastUsed: &api.RoleLastUsed{},
	}
}

// CreateRole makes a role.
func (s *Service) CreateRole(ctx context.Context, in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	e := entity{
		Kind: roleKind, Name: in.RoleName, Path: cmp.Or(wire.Value(in.Path), "/"), ID: newID("AROA"), Created: s.Clock.Now(),
		Trust: in.AssumeRolePolicyDocument, Description: wire.Value(in.Description),
		MaxSession: cmp.Or(wire.Value(in.MaxSessionDuration), usualSession),
		Boundary:   wire.Value(in.PermissionsBoundary), Tags: tagMap(in.Tags),
	}
	if strings.HasPrefix(e.Path, linkedPath) {
		return nil, &wire.Error{Code: "AccessDenied", Status: 403, Message: "User is not authorized to create a role in the path " + linkedPath + ": use CreateServiceLinkedRole"}
	}
	if err := checkTags(e.Tags); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := checkTrust(ctx, tx, e.Trust); err != nil {
			return err
		}
		return s.create(ctx, e)
	})
	if err != nil {
		return nil, err
	}
	made := e.role(ctx)
	made.RoleLastUsed, made.MaxSessionDuration = nil, in.MaxSessionDuration
	return &api.CreateRoleOutput{Role: made}, nil
}

// GetRole describes a role.
func (s *Service) GetRole(ctx context.Context, in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	e, err := s.look(ctx, roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	return &api.GetRoleOutput{Role: e.role(ctx)}, nil
}

// changeRole changes a role that is not a service's own.
func (s *Service) changeRole(ctx context.Context, name string, f func(ctx context.Context, tx *store.Tx, e *entity) error) error {
	return s.change(ctx, roleKind, name, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if err := e.modifiable(); err != nil {
			return err
		}
		return f(ctx, tx, e)
	})
}

func (e entity) modifiable() error {
	if e.LinkedTo == "" {
		return nil
	}
	return wire.Errorf("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", e.Name)
}

// UpdateRole changes the description and the longest session. What is not given goes back to its default, as on AWS.
func (s *Service) UpdateRole(ctx context.Context, in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	return &api.UpdateRoleOutput{}, s.changeRole(ctx, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		e.Description = wire.Value(in.Description)
		e.MaxSession = cmp.Or(wire.Value(in.MaxSessionDuration), usualSession)
		return nil
	})
}

// UpdateAssumeRolePolicy replaces the trust policy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	return &api.UpdateAssumeRolePolicyOutput{}, s.changeRole(ctx, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		e.Trust = in.PolicyDocument
		return checkTrust(ctx, tx, e.Trust)
	})
}

// DeleteRole removes a role that has no policies and is in no instance profile.
func (s *Service) DeleteRole(ctx context.Context, in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	return &api.DeleteRoleOutput{}, s.remove(ctx, roleKind, in.RoleName, func(ctx context.Context, tx *store.Tx, e entity) error {
		if err := e.modifiable(); err != nil {
			return err
		}
		used, err := profilesOf(ctx, tx, e.Name)
		if err == nil && len(used) > 0 {
			return conflict("remove roles from instance profile first.")
		}
		return err
	})
}

// ListRoles lists roles below a path. Tags and boundaries are left out, as on AWS.
func (s *Service) ListRoles(ctx context.Context, in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	all, err := s.list(ctx, roleKind, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(all, in.Marker, in.MaxItems)
	out := &api.ListRolesOutput{Roles: []api.Role{}, IsTruncated: more, Marker: next}
	for _, e := range some {
		r := e.role(ctx)
		r.Tags, r.PermissionsBoundary, r.RoleLastUsed = nil, nil, nil
		out.Roles = append(out.Roles, *r)
	}
	return out, err
}

// TagRole adds or changes tags.
func (s *Service) TagRole(ctx context.Context, in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	return &api.TagRoleOutput{}, s.change(ctx, roleKind, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		return addTags(&e.Tags, in.Tags)
	})
}

// UntagRole removes tags.
func (s *Service) UntagRole(ctx context.Context, in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	return &api.UntagRoleOutput{}, s.change(ctx, roleKind, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		dropTags(e.Tags, in.TagKeys)
		return nil
	})
}

// ListRoleTags lists the tags of a role.
func (s *Service) ListRoleTags(ctx context.Context, in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	e, err := s.look(ctx, roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	some, more, next, err := cut(tagList(e.Tags), in.Marker, in.MaxItems)
	return &api.ListRoleTagsOutput{Tags: some, IsTruncated: more, Marker: next}, err
}

// PutRolePermissionsBoundary sets the boundary.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	return &api.PutRolePermissionsBoundaryOutput{}, s.changeRole(ctx, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		e.Boundary = in.PermissionsBoundary
		return attachable(ctx, tx, e.Boundary)
	})
}

// DeleteRolePermissionsBoundary removes the boundary.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	return &api.DeleteRolePermissionsBoundaryOutput{}, s.changeRole(ctx, in.RoleName, func(ctx context.Context, tx *store.Tx, e *entity) error {
		if e.Boundary == "" {
			return &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The role with name " + e.Name + " does not have a permissions boundary."}
		}
		e.Boundary = ""
		return nil
	})
}

const linkedPath = "/aws-service-role/"

// linked are the services whose service-linked roles have a name of their own and an AWS managed policy.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
var linked = map[string]struct{ name, policy string }{
	"ecs.amazonaws.com":                         {"AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"},
	"elasticloadbalancing.amazonaws.com":        {"AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"},
	"autoscaling.amazonaws.com":                 {"AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy"},
	"ecs.application-autoscaling.amazonaws.com": {"AWSServiceRoleForApplicationAutoScaling_ECSService", "AWSApplicationAutoscalingECSServicePolicy"},
	"rds.amazonaws.com":                         {"AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"},
}

var linkedService = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com$`)

// CreateServiceLinkedRole makes the role that a service uses in this account.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	known, ok := linked[in.AWSServiceName]
	if !ok {
		if !linkedService.MatchString(in.AWSServiceName) {
			return nil, wire.Errorf("InvalidInput", "The given service name is not valid: %s", in.AWSServiceName)
		}
		known.name = "AWSServiceRoleFor" + titled(strings.TrimSuffix(in.AWSServiceName, ".amazonaws.com"))
	}
	e := entity{
		Kind: roleKind, Name: known.name, Path: linkedPath + in.AWSServiceName + "/", ID: newID("AROA"), Created: s.Clock.Now(),
		Trust:       `{"Version":"2012-10-17","Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["` + in.AWSServiceName + `"]}}]}`,
		Description: wire.Value(in.Description), MaxSession: usualSession, LinkedTo: in.AWSServiceName, Tags: map[string]string{},
	}
	if known.policy != "" {
		e.Attached = []string{awsPolicy + "aws-service-role/" + known.policy}
	}
	if suffix := wire.Value(in.CustomSuffix); suffix != "" {
		e.Name += "_" + suffix
	}
	err := s.create(ctx, e)
	if wire.HasCode(err, "EntityAlreadyExists") {
		err = wire.Errorf("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", e.Name)
	}
	if err != nil {
		return nil, err
	}
	made := e.role(ctx)
	made.RoleLastUsed, made.MaxSessionDuration = nil, nil
	return &api.CreateServiceLinkedRoleOutput{Role: made}, nil
}

// titled turns "my-service.other" into "MyServiceOther".
func titled(name string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '.' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// DeleteServiceLinkedRole removes such a role. Here it is gone at once; the returned task tells so.
func (s *Service) DeleteServiceLinkedRole(ctx context.Context, in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	task := ""
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		e, err := find(ctx, tx, roleKind, in.RoleName)
		if err != nil {
			return err
		}
		if e.LinkedTo == "" {
			return wire.Errorf("InvalidInput", "The role %s is not a service-linked role", e.Name)
		}
		task = "task" + e.Path + e.Name + "/" + newID("")
		return entities.Delete(tx, entityKey(ctx, roleKind, e.Name))
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceLinkedRoleOutput{DeletionTaskId: task}, nil
}

// GetServiceLinkedRoleDeletionStatus tells how a deletion went: it has succeeded where the role of the task is gone.
func (s *Service) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	parts := strings.Split(in.DeletionTaskId, "/")
	if len(parts) != 5 || parts[0] != "task" || "/"+parts[1]+"/" != linkedPath {
		return nil, &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "The deletion task " + in.DeletionTaskId + " cannot be found."}
	}
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: "SUCCEEDED"}, nil
}
