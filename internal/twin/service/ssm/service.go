// Package ssm is AWS Systems Manager as far as the twin has it: Parameter Store.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html
package ssm

import (
	"slipway.dev/internal/twin/api/kms"
	api "slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves Parameter Store.
type Service struct {
	room.House
	kms kms.Client
}

// Tables are the service's tables.
var Tables = []store.Schema{parameters}

// New makes the service.
func New(h room.House) *Service { return &Service{House: h, kms: kms.Client{Invoker: h.Invoker}} }

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.Of("PutParameter", s.PutParameter).Without("Policies", "Tier"),
			operation.Of("GetParameter", s.GetParameter),
			operation.Of("GetParameters", s.GetParameters),
			operation.Of("GetParametersByPath", s.GetParametersByPath),
			operation.Of("GetParameterHistory", s.GetParameterHistory),
			operation.Of("DescribeParameters", s.DescribeParameters),
			operation.Of("DeleteParameter", s.DeleteParameter),
			operation.Of("DeleteParameters", s.DeleteParameters),
			operation.Of("AddTagsToResource", s.AddTagsToResource),
			operation.Of("RemoveTagsFromResource", s.RemoveTagsFromResource),
			operation.Of("ListTagsForResource", s.ListTagsForResource),
		}},
		Resources: s.resources(),
	}
}
