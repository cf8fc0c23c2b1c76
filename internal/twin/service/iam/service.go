// Package iam is AWS Identity and Access Management: roles, users, groups, policies, instance profiles and access keys. Policies
// are read and checked when they are written.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/introduction.html
package iam

import (
	api "slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves IAM.
type Service struct{ room.House }

// Tables are the service's tables.
var Tables = []store.Schema{entities, policies, profiles, accessKeys, accounts}

// New makes the service.
func New(h room.House) *Service { return &Service{House: h} }

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: s.operations()},
		Resources: s.resources(),
		Keys:      credentials{s.Store},
	}
}

func (s *Service) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateRole", s.CreateRole),
		operation.Of("GetRole", s.GetRole),
		operation.Of("DeleteRole", s.DeleteRole),
		operation.Of("UpdateRole", s.UpdateRole),
		operation.Of("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy),
		operation.Of("ListRoles", s.ListRoles),
		operation.Of("TagRole", s.TagRole),
		operation.Of("UntagRole", s.UntagRole),
		operation.Of("ListRoleTags", s.ListRoleTags),
		operation.Of("PutRolePolicy", s.PutRolePolicy),
		operation.Of("GetRolePolicy", s.GetRolePolicy),
		operation.Of("DeleteRolePolicy", s.DeleteRolePolicy),
		operation.Of("ListRolePolicies", s.ListRolePolicies),
		operation.Of("AttachRolePolicy", s.AttachRolePolicy),
		operation.Of("DetachRolePolicy", s.DetachRolePolicy),
		operation.Of("ListAttachedRolePolicies", s.ListAttachedRolePolicies),
		operation.Of("PutRolePermissionsBoundary", s.PutRolePermissionsBoundary),
		operation.Of("DeleteRolePermissionsBoundary", s.DeleteRolePermissionsBoundary),
		operation.Of("CreatePolicy", s.CreatePolicy),
		operation.Of("GetPolicy", s.GetPolicy),
		operation.Of("DeletePolicy", s.DeletePolicy),
		operation.Of("ListPolicies", s.ListPolicies),
		operation.Of("CreatePolicyVersion", s.CreatePolicyVersion),
		operation.Of("GetPolicyVersion", s.GetPolicyVersion),
		operation.Of("ListPolicyVersions", s.ListPolicyVersions),
		operation.Of("DeletePolicyVersion", s.DeletePolicyVersion),
		operation.Of("SetDefaultPolicyVersion", s.SetDefaultPolicyVersion),
		operation.Of("ListEntitiesForPolicy", s.ListEntitiesForPolicy),
		operation.Of("TagPolicy", s.TagPolicy),
		operation.Of("UntagPolicy", s.UntagPolicy),
		operation.Of("ListPolicyTags", s.ListPolicyTags),
		operation.Of("CreateInstanceProfile", s.CreateInstanceProfile),
		operation.Of("GetInstanceProfile", s.GetInstanceProfile),
		operation.Of("DeleteInstanceProfile", s.DeleteInstanceProfile),
		operation.Of("AddRoleToInstanceProfile", s.AddRoleToInstanceProfile),
		operation.Of("RemoveRoleFromInstanceProfile", s.RemoveRoleFromInstanceProfile),
		operation.Of("ListInstanceProfiles", s.ListInstanceProfiles),
		operation.Of("ListInstanceProfilesForRole", s.ListInstanceProfilesForRole),
		operation.Of("CreateUser", s.CreateUser),
		operation.Of("GetUser", s.GetUser),
		operation.Of("DeleteUser", s.DeleteUser),
		operation.Of("UpdateUser", s.UpdateUser),
		operation.Of("ListUsers", s.ListUsers),
		operation.Of("PutUserPolicy", s.PutUserPolicy),
		operation.Of("GetUserPolicy", s.GetUserPolicy),
		operation.Of("DeleteUserPolicy", s.DeleteUserPolicy),
		operation.Of("ListUserPolicies", s.ListUserPolicies),
		operation.Of("AttachUserPolicy", s.AttachUserPolicy),
		operation.Of("DetachUserPolicy", s.DetachUserPolicy),
		operation.Of("ListAttachedUserPolicies", s.ListAttachedUserPolicies),
		operation.Of("CreateAccessKey", s.CreateAccessKey),
		operation.Of("DeleteAccessKey", s.DeleteAccessKey),
		operation.Of("ListAccessKeys", s.ListAccessKeys),
		operation.Of("UpdateAccessKey", s.UpdateAccessKey),
		operation.RecordedOf("GetAccessKeyLastUsed", s.GetAccessKeyLastUsed),
		operation.Of("CreateGroup", s.CreateGroup),
		operation.Of("GetGroup", s.GetGroup),
		operation.Of("DeleteGroup", s.DeleteGroup),
		operation.Of("ListGroups", s.ListGroups),
		operation.Of("AddUserToGroup", s.AddUserToGroup),
		operation.Of("RemoveUserFromGroup", s.RemoveUserFromGroup),
		operation.Of("ListGroupsForUser", s.ListGroupsForUser),
		operation.Of("PutGroupPolicy", s.PutGroupPolicy),
		operation.Of("GetGroupPolicy", s.GetGroupPolicy),
		operation.Of("DeleteGroupPolicy", s.DeleteGroupPolicy),
		operation.Of("ListGroupPolicies", s.ListGroupPolicies),
		operation.Of("AttachGroupPolicy", s.AttachGroupPolicy),
		operation.Of("DetachGroupPolicy", s.DetachGroupPolicy),
		operation.Of("ListAttachedGroupPolicies", s.ListAttachedGroupPolicies),
		operation.Of("CreateServiceLinkedRole", s.CreateServiceLinkedRole),
		operation.Of("DeleteServiceLinkedRole", s.DeleteServiceLinkedRole),
		operation.Of("GetServiceLinkedRoleDeletionStatus", s.GetServiceLinkedRoleDeletionStatus),
		operation.Of("GetAccountSummary", s.GetAccountSummary),
		operation.Of("ListAccountAliases", s.ListAccountAliases),
		operation.Of("CreateAccountAlias", s.CreateAccountAlias),
		operation.Of("DeleteAccountAlias", s.DeleteAccountAlias),
		operation.Of("TagUser", s.TagUser),
		operation.Of("UntagUser", s.UntagUser),
		operation.Of("ListUserTags", s.ListUserTags),
	}
}
