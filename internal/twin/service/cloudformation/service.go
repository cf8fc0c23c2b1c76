// Package cloudformation is AWS CloudFormation: stacks, change sets, and the engine that makes a template so.
//
// A stack operation is a row in the store. The engine takes one step at a time: in one transaction it calls the services whose
// turn it is and writes down what came of it. A kill between two steps loses nothing, and the next start goes on from there.
package cloudformation

import (
	"context"
	"sync"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// Service serves CloudFormation.
type Service struct {
	room.House
	types map[string]resource.Type
	ec2   ec2.Client
	s3    s3.Client
	ssm   ssm.Client

	lock    sync.Mutex
	driving map[store.Key]bool
	wake    room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{stacks, names, resources, events, changeSets, exports, imports}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, ec2: ec2.Client{Invoker: h.Invoker}, s3: s3.Client{Invoker: h.Invoker}, ssm: ssm.Client{Invoker: h.Invoker},
		driving: map[store.Key]bool{}, wake: room.NewSignal()}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service:   &operation.Service{API: api.API, Operations: s.operations()},
		Resources: s.resources(),
		Run:       s.run,
		Use:       func(types map[string]resource.Type) { s.types = types },
	}
}

func (s *Service) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of("CreateStack", s.CreateStack).Without("NotificationARNs", "RollbackConfiguration", "ResourceTypes"),
		operation.Of("UpdateStack", s.UpdateStack).Without("NotificationARNs", "RollbackConfiguration", "ResourceTypes", "StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL"),
		operation.Of("DeleteStack", s.DeleteStack).Without("DeletionMode"),
		operation.Of("DescribeStacks", s.DescribeStacks),
		operation.Of("ListStacks", s.ListStacks),
		operation.Of("DescribeStackEvents", s.DescribeStackEvents),
		operation.Of("DescribeStackResources", s.DescribeStackResources),
		operation.Of("DescribeStackResource", s.DescribeStackResource),
		operation.Of("ListStackResources", s.ListStackResources),
		operation.Of("GetTemplate", s.GetTemplate),
		operation.Of("GetTemplateSummary", s.GetTemplateSummary),
		operation.Of("ValidateTemplate", s.ValidateTemplate),
		operation.Of("CreateChangeSet", s.CreateChangeSet).Without("NotificationARNs", "RollbackConfiguration", "ResourceTypes"),
		operation.Of("DescribeChangeSet", s.DescribeChangeSet),
		operation.Of("ExecuteChangeSet", s.ExecuteChangeSet),
		operation.Of("DeleteChangeSet", s.DeleteChangeSet),
		operation.Of("ListChangeSets", s.ListChangeSets),
		operation.Of("ListExports", s.ListExports),
		operation.Of("ListImports", s.ListImports),
		operation.Of("UpdateTerminationProtection", s.UpdateTerminationProtection),
		operation.Of("CancelUpdateStack", s.CancelUpdateStack),
		operation.Of("ContinueUpdateRollback", s.ContinueUpdateRollback).Without("RoleARN"),
		operation.RecordedOf("SetStackPolicy", s.SetStackPolicy),
		operation.RecordedOf("GetStackPolicy", s.GetStackPolicy),
	}
}

// run drives every stack operation that is under way, those of an earlier process first.
func (s *Service) run(ctx context.Context) error {
	var drivers sync.WaitGroup
	defer drivers.Wait()
	for {
		if err := s.startDrivers(ctx, &drivers); err != nil && ctx.Err() == nil {
			s.Log.Error("stack operations not read", "error", err)
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Service) startDrivers(ctx context.Context, drivers *sync.WaitGroup) error {
	return s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := stacks.AllBy(tx, underWay)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !s.claim(row.Key) {
				continue
			}
			drivers.Go(func() {
				s.drive(store.Detached(ctx), ctx, row.Key)
				s.release(row.Key)
			})
		}
		return nil
	})
}

// claim makes sure that one goroutine drives a stack.
func (s *Service) claim(k store.Key) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.driving[k] {
		return false
	}
	s.driving[k] = true
	return true
}

func (s *Service) release(k store.Key) {
	s.lock.Lock()
	delete(s.driving, k)
	s.lock.Unlock()
	s.wake.Wake()
}
