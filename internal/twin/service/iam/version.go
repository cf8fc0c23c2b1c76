package iam

import (
	"context"
	"slices"
	"strconv"

	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/wire"
)

func versionID(n int) string { return "v" + strconv.Itoa(n) }

func (p managed) index(id string) (int, error) {
	i := slices.IndexFunc(p.Versions, func(v version) bool { return versionID(v.Number) == id })
	if i < 0 {
		return 0, &wire.Error{Code: "NoSuchEntity", Status: 404, Message: "Policy " + p.ARN + " version " + id + " does not exist or is not attachable."}
	}
	return i, nil
}

func (p managed) version(v version) api.PolicyVersion {
	return api.PolicyVersion{VersionId: new(versionID(v.Number)), IsDefaultVersion: new(v.Number == p.Default), CreateDate: &v.Created}
}

// CreatePolicyVersion adds a version, up to five.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *api.CreatePolicyVersionInput) (*api.CreatePolicyVersionOutput, error) {
	if err := checkManaged(in.PolicyDocument); err != nil {
		return nil, err
	}
	out := &api.CreatePolicyVersionOutput{}
	err := s.changePolicy(ctx, in.PolicyArn, func(p *managed) error {
		if len(p.Versions) >= maxVersions {
			return wireLimit("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Last++
		v := version{Number: p.Last, Document: in.PolicyDocument, Created: s.Clock.Now()}
		p.Versions, p.Updated = append(p.Versions, v), v.Created
		if wire.Value(in.SetAsDefault) {
			p.Default = v.Number
		}
		out.PolicyVersion = new(p.version(v))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetPolicyVersion returns a version with its document.
func (s *Service) GetPolicyVersion(ctx context.Context, in *api.GetPolicyVersionInput) (*api.GetPolicyVersionOutput, error) {
	p, err := s.lookPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	i, err := p.index(in.VersionId)
	if err != nil {
		return nil, err
	}
	v := p.version(p.Versions[i])
	v.Document = new(encoded(p.Versions[i].Document))
	return &api.GetPolicyVersionOutput{PolicyVersion: &v}, nil
}

// ListPolicyVersions lists the versions, newest first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *api.ListPolicyVersionsInput) (*api.ListPolicyVersionsOutput, error) {
	p, err := s.lookPolicy(ctx, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var list []api.PolicyVersion
	for _, v := range slices.Backward(p.Versions) {
		list = append(list, p.version(v))
	}
	some, more, next, err := cut(list, in.Marker, in.MaxItems)
	return &api.ListPolicyVersionsOutput{Versions: some, IsTruncated: more, Marker: next}, err
}

// DeletePolicyVersion removes a version that is not the default one.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *api.DeletePolicyVersionInput) (*api.DeletePolicyVersionOutput, error) {
	return &api.DeletePolicyVersionOutput{}, s.changePolicy(ctx, in.PolicyArn, func(p *managed) error {
		i, err := p.index(in.VersionId)
		if err != nil {
			return err
		}
		if p.Versions[i].Number == p.Default {
			return &wire.Error{Code: "DeleteConflict", Status: 409, Message: "Cannot delete the default version of a policy."}
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}

// SetDefaultPolicyVersion chooses the version that counts.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *api.SetDefaultPolicyVersionInput) (*api.SetDefaultPolicyVersionOutput, error) {
	return &api.SetDefaultPolicyVersionOutput{}, s.changePolicy(ctx, in.PolicyArn, func(p *managed) error {
		i, err := p.index(in.VersionId)
		if err != nil {
			return err
		}
		p.Default, p.Updated = p.Versions[i].Number, s.Clock.Now()
		return nil
	})
}
