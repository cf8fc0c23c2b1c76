package ecs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// service is a service as it is kept: what is wanted, and how far its deployments are.
type service struct {
	Name    string
	ARN     string
	Cluster string
	Status  string // ACTIVE, DRAINING until its tasks have stopped, INACTIVE
	Desired int
	Created time.Time
	By      string // who made it
	Token   string // the client token of its creation

	Wanted      configuration // of the next deployment
	Deployments []deployment  // the primary one first; the others have tasks left
	Asked       string        // id of the deployment that the last request asked for
	Completed   *deployment   // the last that completed, for a rollback
	Events      []event       // newest first
	Steady      bool          // a steady state was announced, and nothing has changed since

	Rules       api.DeploymentConfiguration
	Grace       int // seconds
	Propagate   string
	ManagedTags bool
	Execute     bool // ExecuteCommand is allowed
	Rebalancing string
	Constraints []api.PlacementConstraint
	Placement   []api.PlacementStrategy
	Role        string
	Tags        map[string]string
}

// configuration is what a service revision holds: a change of it is a new deployment.
type configuration struct {
	Definition    string // ARN of the task definition
	LaunchType    string
	Strategy      []api.CapacityProviderStrategyItem
	Platform      string
	Network       *api.NetworkConfiguration
	LoadBalancers []api.LoadBalancer
	Registries    []api.ServiceRegistry
	Connect       *api.ServiceConnectConfiguration
	Volumes       []api.ServiceVolumeConfiguration
	Lattice       []api.VpcLatticeConfiguration
}

// deployment is one rollout of a configuration.
type deployment struct {
	ID          string // "ecs-svc/1234567890123456789"
	Record      string // ARN of the service deployment
	Revision    string // ARN of the service revision
	Config      configuration
	State       string // IN_PROGRESS, COMPLETED, FAILED
	Reason      string
	Created     time.Time
	Updated     time.Time
	Failed      int       // failed tasks
	Streak      int       // tasks in a row that never came to RUNNING
	NotBefore   time.Time // no further task starts before this time
	Undoes      string    // record of the failed deployment after which it was put back
	Because     string    // why that one failed
	LastFailure time.Time // when a task last failed to start
	Stuck       bool      // the percentages leave no room, and that was said
}

const (
	inProgress = "IN_PROGRESS"
	completed  = "COMPLETED"
	failed     = "FAILED"
)

// event is one line of a service's history.
type event struct {
	ID      string
	At      time.Time
	Message string
}

var services = &store.Table[service]{Name: "ecs_services", By: func(v service) string { return v.Cluster }}

// maxEvents is how many events AWS keeps of a service.
const maxEvents = 100

func (v service) id() string { return v.Cluster + "/" + v.Name }

func (v service) primary() *deployment {
	if len(v.Deployments) == 0 {
		return nil
	}
	return &v.Deployments[0]
}

func (v service) uses(definition string) bool {
	return slices.ContainsFunc(v.Deployments, func(d deployment) bool { return d.Config.Definition == definition })
}

// minimum and maximum are the bounds of healthy and of all tasks: the lower one rounds up, the upper one down.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
func (v service) minimum() int {
	return (v.Desired*percent(v.Rules.MinimumHealthyPercent, 100) + 99) / 100
}

func (v service) maximum() int { return v.Desired * percent(v.Rules.MaximumPercent, 200) / 100 }

func percent(p *int, usual int) int {
	if p == nil {
		return usual
	}
	return *p
}

// breaker reports whether the circuit breaker is on, and whether it rolls back.
func (v service) breaker() (enabled, rollback bool) {
	b := v.Rules.DeploymentCircuitBreaker
	return b != nil && b.Enable, b != nil && b.Enable && b.Rollback
}

// threshold is how many failed tasks the circuit breaker allows.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func (v service) threshold() int { return min(max((v.Desired+1)/2, 3), 200) }

func (v *service) note(now time.Time, messages ...string) {
	for _, text := range messages {
		v.Events = append([]event{{ID: newUUID(), At: now, Message: text}}, v.Events...)
	}
	v.Events = v.Events[:min(len(v.Events), maxEvents)]
}

var errNoService = wire.Errorf("ServiceNotFoundException", "Service not found.")

// servicesOf lists the services of a cluster, INACTIVE ones too.
func (s *Service) servicesOf(ctx context.Context, tx *store.Tx, cluster string) ([]service, error) {
	k := s.key(ctx, "")
	return services.ListBy(tx, k.Account, k.Region, cluster)
}

// find returns a service of any status.
func (s *Service) find(ctx context.Context, tx *store.Tx, inCluster *string, nameOrARN string) (service, error) {
	c, err := s.cluster(ctx, tx, inCluster)
	if err != nil {
		return service{}, err
	}
	v, err := services.Get(tx, s.key(ctx, c.Name+"/"+shortName(nameOrARN)))
	if errors.Is(err, store.ErrNotFound) {
		return v, errNoService
	}
	return v, err
}

// describe is the service as the API shows it; tasks are those of the service.
func (v service) describe(ctx context.Context, tasks []task, tags bool) *api.Service {
	w := v.Wanted
	count := tally(tasks, "")
	out := &api.Service{
		ServiceName: &v.Name, ServiceArn: &v.ARN, ClusterArn: new(operation.ARN(ctx, "ecs", "cluster/"+v.Cluster)), Status: &v.Status,
		DesiredCount: &v.Desired, RunningCount: &count.running, PendingCount: &count.pending, CreatedAt: &v.Created, CreatedBy: &v.By,
		TaskDefinition: &w.Definition, LaunchType: wire.Maybe(w.LaunchType), CapacityProviderStrategy: w.Strategy, PlatformVersion: wire.Maybe(w.Platform),
		NetworkConfiguration: w.Network, LoadBalancers: emptyFor(w.LoadBalancers), ServiceRegistries: emptyFor(w.Registries),
		DeploymentConfiguration: &v.Rules, DeploymentController: &api.DeploymentController{Type: "ECS"}, HealthCheckGracePeriodSeconds: wire.Maybe(v.Grace),
		PlacementConstraints: emptyFor(v.Constraints), PlacementStrategy: emptyFor(v.Placement), RoleArn: wire.Maybe(v.Role), SchedulingStrategy: new("REPLICA"),
		EnableECSManagedTags: &v.ManagedTags, EnableExecuteCommand: &v.Execute, PropagateTags: new(cmp.Or(v.Propagate, "NONE")),
		AvailabilityZoneRebalancing: new(cmp.Or(v.Rebalancing, "DISABLED")), Deployments: []api.Deployment{}, Events: []api.ServiceEvent{},
	}
	if w.Platform != "" {
		out.PlatformFamily = new("Linux")
	}
	for i, d := range v.Deployments {
		out.Deployments = append(out.Deployments, d.describe(v, i == 0, tally(tasks, d.ID)))
	}
	for _, e := range v.Events {
		out.Events = append(out.Events, api.ServiceEvent{Id: &e.ID, CreatedAt: &e.At, Message: &e.Message})
	}
	if p := v.primary(); p != nil {
		out.CurrentServiceDeployment = &p.Record
		for _, d := range v.Deployments {
			c := tally(tasks, d.ID)
			out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, api.ServiceCurrentRevisionSummary{
				Arn: &d.Revision, PendingTaskCount: &c.pending, RunningTaskCount: &c.running, RequestedTaskCount: new(v.share(d))})
		}
	}
	if tags {
		out.Tags = tagList(v.Tags)
	}
	return out
}

// share is how many tasks of a deployment are wanted: all of the primary one, none of the others.
func (v service) share(d deployment) int {
	if p := v.primary(); p != nil && p.ID == d.ID {
		return v.Desired
	}
	return 0
}

func (d deployment) describe(v service, primary bool, c counts) api.Deployment {
	status := active
	if primary {
		status = "PRIMARY"
	}
	w := d.Config
	out := api.Deployment{Id: &d.ID, Status: &status, TaskDefinition: &w.Definition, DesiredCount: new(v.share(d)), RunningCount: &c.running, PendingCount: &c.pending,
		FailedTasks: &d.Failed, CreatedAt: &d.Created, UpdatedAt: &d.Updated, LaunchType: wire.Maybe(w.LaunchType), CapacityProviderStrategy: w.Strategy,
		PlatformVersion: wire.Maybe(w.Platform), NetworkConfiguration: w.Network, RolloutState: &d.State, RolloutStateReason: &d.Reason,
		ServiceConnectConfiguration: w.Connect, VolumeConfigurations: w.Volumes, VpcLatticeConfigurations: w.Lattice}
	if w.Platform != "" {
		out.PlatformFamily = new("Linux")
	}
	return out
}

// counts are the tasks of a service, or of one of its deployments.
type counts struct{ running, pending int }

func tally(tasks []task, deployment string) (c counts) {
	for _, t := range tasks {
		switch {
		case deployment != "" && t.Deployment != deployment:
		case t.Last == taskRunning:
			c.running++
		case t.Desired != taskStopped && (t.Last == taskProvisioning || t.Last == taskPending || t.Last == taskActivating):
			c.pending++
		}
	}
	return c
}
