// Package ecs is Amazon Elastic Container Service: its tasks are containers of this machine's engine.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
//
// Two loops make it so. The scheduler looks at a service, its tasks and the health of its targets and decides (decide.go) which
// tasks to start and stop; what it decides is rows of tasks. A runner a task then takes that task through its life
// (lifecycle.go): its containers have names made of the task's id, so that a runner of the next process finds and adopts them.
//
//	PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED
//	network        images,   targets                targets        SIGTERM,   containers and
//	interface      containers registered            drained        SIGKILL    interface removed
//
// How busy a service is, is sampled from the engine and kept for Application Auto Scaling: see Usage.
package ecs

import (
	"context"
	"sync"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/api/autoscaling"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/ecr"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// principal is who the service acts as, by itself.
const principal = "ecs.amazonaws.com"

// Service serves ECS.
type Service struct {
	room.House
	autoscaling autoscaling.Client
	ec2         ec2.Client
	ecr         ecr.Client
	elb         elbv2.Client
	logs        logs.Client
	ssm         ssm.Client

	schedule room.Signal // a service or one of its tasks has changed
	tasks    room.Signal // there is a task without a runner
	runners  runners
	shippers shippers
	sessions sessions
	found    connection
}

// connection is the engine once it was found, with what the service wants to know of it.
type connection struct {
	lock   sync.Mutex
	docker *engine.Engine
	info   engine.Info
	pause  string
	twin   string // the twin's id
}

// Tables are the service's tables.
var Tables = []store.Schema{
	clusters, providers, families, definitions, services, revisions, serviceDeployments, taskRows, settings, positions, usages,
}

// New makes the service.
func New(h room.House) *Service {
	return &Service{
		House:       h,
		autoscaling: autoscaling.Client{Invoker: h.Invoker}, ec2: ec2.Client{Invoker: h.Invoker}, ecr: ecr.Client{Invoker: h.Invoker},
		elb: elbv2.Client{Invoker: h.Invoker}, logs: logs.Client{Invoker: h.Invoker}, ssm: ssm.Client{Invoker: h.Invoker},
		schedule: room.NewSignal(), tasks: room.NewSignal(),
	}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.Of("CreateCluster", s.CreateCluster).Without("configuration", "serviceConnectDefaults", "settings"),
			operation.Of("UpdateCluster", s.UpdateCluster).Without("configuration", "serviceConnectDefaults", "settings"),
			operation.RecordedOf("UpdateClusterSettings", s.UpdateClusterSettings),
			operation.Of("PutClusterCapacityProviders", s.PutClusterCapacityProviders),
			operation.Of("DescribeClusters", s.DescribeClusters),
			operation.Of("ListClusters", s.ListClusters),
			operation.Of("DeleteCluster", s.DeleteCluster),
			operation.Of("CreateCapacityProvider", s.CreateCapacityProvider).Without(inertProvider...),
			operation.Of("UpdateCapacityProvider", s.UpdateCapacityProvider).Without(inertProvider...),
			operation.Of("DescribeCapacityProviders", s.DescribeCapacityProviders),
			operation.Of("DeleteCapacityProvider", s.DeleteCapacityProvider),
			operation.Of("RegisterTaskDefinition", s.RegisterTaskDefinition).Without(inertDefinition...),
			operation.Of("DeregisterTaskDefinition", s.DeregisterTaskDefinition),
			operation.Of("DeleteTaskDefinitions", s.DeleteTaskDefinitions),
			operation.Of("DescribeTaskDefinition", s.DescribeTaskDefinition),
			operation.Of("ListTaskDefinitions", s.ListTaskDefinitions),
			operation.Of("ListTaskDefinitionFamilies", s.ListTaskDefinitionFamilies),
			operation.Of("CreateService", s.CreateService).Without(inertService...),
			operation.Of("UpdateService", s.UpdateService).Without(inertService...),
			operation.Of("DeleteService", s.DeleteService),
			operation.Of("DescribeServices", s.DescribeServices),
			operation.Of("ListServices", s.ListServices),
			operation.Of("ListServicesByNamespace", s.ListServicesByNamespace),
			operation.Of("DescribeServiceDeployments", s.DescribeServiceDeployments),
			operation.Of("ListServiceDeployments", s.ListServiceDeployments),
			operation.Of("DescribeServiceRevisions", s.DescribeServiceRevisions),
			operation.Of("StopServiceDeployment", s.StopServiceDeployment),
			operation.Of("RunTask", s.RunTask).Without("placementConstraints", "placementStrategy", "platformVersion", "referenceId", "volumeConfigurations"),
			operation.Of("StopTask", s.StopTask),
			operation.Of("DescribeTasks", s.DescribeTasks),
			operation.Of("ListTasks", s.ListTasks),
			operation.Of("ExecuteCommand", s.ExecuteCommand).Without("session: its stream is the twin's own, not that of the Session Manager plugin"),
			operation.Of("ListContainerInstances", s.ListContainerInstances),
			operation.Of("DescribeContainerInstances", s.DescribeContainerInstances),
			operation.Of("TagResource", s.TagResource),
			operation.Of("UntagResource", s.UntagResource),
			operation.Of("ListTagsForResource", s.ListTagsForResource),
			operation.RecordedOf("PutAccountSetting", s.PutAccountSetting),
			operation.RecordedOf("PutAccountSettingDefault", s.PutAccountSettingDefault),
			operation.Of("ListAccountSettings", s.ListAccountSettings),
		}},
		Resources: s.resources(),
		Run:       s.run,
		Handler:   &s.sessions,
	}
}

// run runs the service's loops until ctx ends. Containers go on without them.
func (s *Service) run(ctx context.Context) error {
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){s.runScheduler, s.runTasks, s.runEvents, s.runUsage} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
	s.shippers.wait()
	return nil
}

// docker finds the engine, and what containers of this twin need, once.
func (s *Service) docker(ctx context.Context) (*engine.Engine, error) {
	c := &s.found
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.docker != nil {
		return c.docker, nil
	}
	docker, err := s.Engine(ctx)
	if err != nil {
		return nil, err
	}
	if c.info, err = docker.Info(ctx); err != nil {
		return nil, err
	}
	if c.pause, err = docker.PauseImage(ctx); err != nil {
		return nil, err
	}
	if c.twin, err = s.twinID(ctx); err != nil {
		return nil, err
	}
	c.docker = docker
	return docker, nil
}

func (s *Service) key(ctx context.Context, id string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: id}
}

// view and change run f in a transaction of the state.
func (s *Service) view(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return s.Store.View(ctx, f)
}

// change commits f and then has the loops look.
func (s *Service) change(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		tx.AfterCommit(s.look)
		return f(ctx, tx)
	})
}

func (s *Service) look() {
	s.schedule.Wake()
	s.tasks.Wake()
	s.Changed.Notify()
}
