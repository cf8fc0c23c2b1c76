package iam

import (
	"context"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/wire"
)

// target is an entity that a policy resource names.
type target struct{ kind, name string }

// targets are those of the properties Roles, Users and Groups.
func targets(properties map[string]any) (all []target) {
	for _, of := range []struct{ property, kind string }{{"Roles", roleKind}, {"Users", userKind}, {"Groups", groupKind}} {
		for _, name := range texts(properties[of.property]) {
			all = append(all, target{of.kind, name})
		}
	}
	return all
}

// idAttribute is for resources that have no more than an id.
func idAttribute(_ context.Context, r resource.Request) (map[string]any, error) {
	return map[string]any{"Id": r.PhysicalID}, nil
}

// shortName is the kind of name that CloudFormation gives to what has no name of its own: "mysta-Poli-1A2B3C4D5E6F".
func shortName(r resource.Request) string {
	return r.StackName[:min(5, len(r.StackName))] + "-" + r.LogicalID[:min(4, len(r.LogicalID))] + "-" + resource.Suffix(r.Token, 12)
}

func (s *Service) createInlineResource(ctx context.Context, r resource.Request) (string, error) {
	in := struct{ PolicyName string }{}
	if err := r.Into(&in, "PolicyDocument", "Roles", "Users", "Groups"); err != nil {
		return "", err
	}
	return shortName(r), s.putInlines(ctx, r)
}

func (s *Service) putInlines(ctx context.Context, r resource.Request) error {
	all := targets(r.Properties)
	if len(all) == 0 {
		return wire.Errorf("InvalidRequest", "At least one of [Groups,Roles,Users] must be non-empty.")
	}
	doc, err := document(r.Properties["PolicyDocument"])
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := s.putInline(ctx, t.kind, t.name, r.Text("PolicyName"), doc); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) updateInlineResource(ctx context.Context, r resource.Request) error {
	if err := s.putInlines(ctx, r); err != nil {
		return err
	}
	now, before := targets(r.Properties), resource.Request{Properties: r.Previous}
	for _, t := range targets(r.Previous) {
		if slices.Contains(now, t) && before.Text("PolicyName") == r.Text("PolicyName") {
			continue
		}
		if err := resource.Absent(s.deleteInline(ctx, t.kind, t.name, before.Text("PolicyName")), gone); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) deleteInlineResource(ctx context.Context, r resource.Request) error {
	for _, t := range targets(r.Properties) {
		if err := resource.Absent(s.deleteInline(ctx, t.kind, t.name, r.Text("PolicyName")), gone); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) createManagedResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreatePolicyInput{PolicyName: r.Name("ManagedPolicyName", 128)}
	if err := r.Into(in, "ManagedPolicyName", "PolicyDocument", "Roles", "Users", "Groups"); err != nil {
		return "", err
	}
	var err error
	if in.PolicyDocument, err = document(r.Properties["PolicyDocument"]); err != nil {
		return "", err
	}
	made, err := s.CreatePolicy(ctx, in)
	if err != nil {
		return "", err
	}
	for _, t := range targets(r.Properties) {
		if err := s.attach(ctx, t.kind, t.name, *made.Policy.Arn); err != nil {
			return "", err
		}
	}
	return *made.Policy.Arn, nil
}

func (s *Service) updateManagedResource(ctx context.Context, r resource.Request) error {
	doc, err := document(r.Properties["PolicyDocument"])
	if err != nil {
		return err
	}
	p, err := s.lookPolicy(ctx, r.PhysicalID)
	if err != nil {
		return err
	}
	if i, err := p.index(versionID(p.Default)); err == nil && p.Versions[i].Document != doc {
		if err := s.newDefault(ctx, p, doc); err != nil {
			return err
		}
	}
	now := targets(r.Properties)
	for _, t := range now {
		if err := s.attach(ctx, t.kind, t.name, p.ARN); err != nil {
			return err
		}
	}
	for _, t := range targets(r.Previous) {
		if slices.Contains(now, t) {
			continue
		}
		if err := resource.Absent(s.detach(ctx, t.kind, t.name, p.ARN), gone); err != nil {
			return err
		}
	}
	return nil
}

// newDefault adds a version and makes it the default; the oldest other one gives way where there are five.
func (s *Service) newDefault(ctx context.Context, p managed, doc string) error {
	if len(p.Versions) >= maxVersions {
		i := slices.IndexFunc(p.Versions, func(v version) bool { return v.Number != p.Default })
		if _, err := s.DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: p.ARN, VersionId: versionID(p.Versions[i].Number)}); err != nil {
			return err
		}
	}
	_, err := s.CreatePolicyVersion(ctx, &api.CreatePolicyVersionInput{PolicyArn: p.ARN, PolicyDocument: doc, SetAsDefault: new(true)})
	return err
}

func (s *Service) deleteManagedResource(ctx context.Context, r resource.Request) error {
	for _, t := range targets(r.Properties) {
		if err := resource.Absent(s.detach(ctx, t.kind, t.name, r.PhysicalID), gone); err != nil {
			return err
		}
	}
	p, err := s.lookPolicy(ctx, r.PhysicalID)
	if err != nil {
		return resource.Absent(err, gone)
	}
	for _, v := range p.Versions {
		if v.Number == p.Default {
			continue
		}
		if _, err := s.DeletePolicyVersion(ctx, &api.DeletePolicyVersionInput{PolicyArn: p.ARN, VersionId: versionID(v.Number)}); err != nil {
			return err
		}
	}
	_, err = s.DeletePolicy(ctx, &api.DeletePolicyInput{PolicyArn: p.ARN})
	return err
}

func (s *Service) managedAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	out, err := s.GetPolicy(ctx, &api.GetPolicyInput{PolicyArn: r.PhysicalID})
	if err != nil {
		return nil, err
	}
	p := out.Policy
	return map[string]any{
		"PolicyArn": *p.Arn, "PolicyId": *p.PolicyId, "DefaultVersionId": *p.DefaultVersionId, "IsAttachable": *p.IsAttachable,
		"AttachmentCount": *p.AttachmentCount, "PermissionsBoundaryUsageCount": *p.PermissionsBoundaryUsageCount,
		"CreateDate": p.CreateDate.Format(time.RFC3339), "UpdateDate": p.UpdateDate.Format(time.RFC3339),
	}, nil
}
