// Package kms is AWS Key Management Service with symmetric keys: key material never leaves it, and what it encrypts only it
// decrypts.
// https://docs.aws.amazon.com/kms/latest/developerguide/overview.html
package kms

import (
	api "slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves KMS.
type Service struct {
	room.House
	wake room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{keys, aliases}

// New makes the service.
func New(h room.House) *Service { return &Service{House: h, wake: room.NewSignal()} }

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: s.operations()},
		Resources: s.resources(),
		Run:       s.run,
	}
}

func (s *Service) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateKey", s.CreateKey).Without("BypassPolicyLockoutSafetyCheck"),
		operation.Of("DescribeKey", s.DescribeKey).Without("GrantTokens"),
		operation.Of("ListKeys", s.ListKeys),
		operation.Of("UpdateKeyDescription", s.UpdateKeyDescription),
		operation.Of("EnableKey", s.EnableKey),
		operation.Of("DisableKey", s.DisableKey),
		operation.Of("ScheduleKeyDeletion", s.ScheduleKeyDeletion),
		operation.Of("CancelKeyDeletion", s.CancelKeyDeletion),
		operation.Of("EnableKeyRotation", s.EnableKeyRotation),
		operation.Of("DisableKeyRotation", s.DisableKeyRotation),
		operation.Of("GetKeyRotationStatus", s.GetKeyRotationStatus),
		operation.Of("RotateKeyOnDemand", s.RotateKeyOnDemand),
		operation.Of("ListKeyRotations", s.ListKeyRotations),
		operation.RecordedOf("PutKeyPolicy", s.PutKeyPolicy),
		operation.RecordedOf("GetKeyPolicy", s.GetKeyPolicy),
		operation.Of("ListKeyPolicies", s.ListKeyPolicies),
		operation.Of("TagResource", s.TagResource),
		operation.Of("UntagResource", s.UntagResource),
		operation.Of("ListResourceTags", s.ListResourceTags),
		operation.Of("CreateAlias", s.CreateAlias),
		operation.Of("UpdateAlias", s.UpdateAlias),
		operation.Of("DeleteAlias", s.DeleteAlias),
		operation.Of("ListAliases", s.ListAliases),
		operation.Of("Encrypt", s.Encrypt).Without("GrantTokens"),
		operation.Of("Decrypt", s.Decrypt).Without("GrantTokens", "DryRunModifiers"),
		operation.Of("ReEncrypt", s.ReEncrypt).Without("GrantTokens", "DryRunModifiers"),
		operation.Of("GenerateDataKey", s.GenerateDataKey).Without("GrantTokens"),
		operation.Of("GenerateDataKeyWithoutPlaintext", s.GenerateDataKeyWithoutPlaintext).Without("GrantTokens"),
		operation.Of("GenerateRandom", s.GenerateRandom),
	}
}
