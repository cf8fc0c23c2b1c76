package ecs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway.dev/internal/engine"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// The statuses of a task, in the order of its life.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
const (
	taskProvisioning   = "PROVISIONING"
	taskPending        = "PENDING"
	taskActivating     = "ACTIVATING"
	taskRunning        = "RUNNING"
	taskDeactivating   = "DEACTIVATING"
	taskStopping       = "STOPPING"
	taskDeprovisioning = "DEPROVISIONING"
	taskStopped        = "STOPPED"
)

var lifecycle = []string{taskProvisioning, taskPending, taskActivating, taskRunning, taskDeactivating, taskStopping, taskDeprovisioning, taskStopped}

const (
	healthy       = "HEALTHY"
	unhealthy     = "UNHEALTHY"
	healthUnknown = "UNKNOWN"
)

// task is a task as it is kept. Desired is written by operations and the scheduler, Last and the rest by the task's runner.
type task struct {
	ID         string
	ARN        string
	Cluster    string
	Service    string // empty for one that RunTask started
	Deployment string
	Group      string
	StartedBy  string
	Definition string // ARN
	LaunchType string
	Provider   string // of capacity
	Platform   string
	Instance   string // ARN of the container instance
	Machine    string // id of the EC2 instance behind it
	Zone       string
	Network    *api.NetworkConfiguration
	Subnet     string
	Overrides  *api.TaskOverride
	Targets    []api.LoadBalancer
	Execute    bool
	Tags       map[string]string
	Token      string

	Desired string
	Last    string
	Version int
	Health  string
	Checked bool // a container has a health check

	Interface  nic
	Containers []container
	Registered []registration

	StopCode  string
	Reason    string
	Unhealthy bool // stopped for a failed health check
	Judged    bool // the scheduler has counted its end

	Created     time.Time
	PullStarted time.Time
	PullStopped time.Time
	Started     time.Time // RUNNING since
	Stopping    time.Time
	ExecStopped time.Time // containers have stopped
	StoppedAt   time.Time
}

// nic is a task's network interface: its address is one of the VPC, its container network one of the engine.
type nic struct {
	ID, Subnet, VPC, Address, MAC, Attachment string
}

// container is one container of a task.
type container struct {
	Name      string
	ARN       string
	Image     string
	Runtime   string // the engine's id, once it was made
	Digest    string
	Status    string // PENDING, RUNNING, STOPPED
	Exit      *int
	Reason    string
	Health    string
	Essential bool
	Ports     []engine.PublishedPort
	Output    []string // last lines of a container that failed
	Ready     bool     // it has started, and its process may not start again
	Checked   bool     // it has a health check
}

// registration is a target of a load balancer that the task is.
type registration struct {
	Group, ID string
	Port      int
}

// taskRows are grouped by cluster and service.
var taskRows = &store.Table[task]{Name: "ecs_tasks", By: func(t task) string { return t.Cluster + "/" + t.Service }}

// before reports whether the task has not reached a status of its life yet.
func (t task) before(status string) bool {
	return slices.Index(lifecycle, t.Last) < slices.Index(lifecycle, status)
}

// steadyAfter is how long a task must have run to count as one that started well.
const steadyAfter = 10 * time.Second

// stands: it runs, and has for a while.
func (t task) stands(now time.Time) bool {
	return t.Last == taskRunning && t.Desired == taskRunning && now.Sub(t.Started) >= steadyAfter
}

// stood: it had run for a while, or was stopped for its health, before it ended.
func (t task) stood() bool {
	return !t.Started.IsZero() && (t.Unhealthy || t.Stopping.Sub(t.Started) >= steadyAfter)
}

func (t *task) container(name string) *container {
	i := slices.IndexFunc(t.Containers, func(c container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Containers[i]
}

// explain says for people why a task ended: the reason, and the container's exit code and last lines.
func (t task) explain() string {
	text := t.Reason
	for _, c := range t.Containers {
		switch {
		case c.Exit != nil && (*c.Exit != 0 || t.StopCode == exited && c.Essential):
			text += fmt.Sprintf("; container %s exited with code %d", c.Name, *c.Exit)
			if len(c.Output) > 0 {
				text += ", its last output: " + strings.Join(c.Output, "\n")
			}
		case c.Reason != "" && !strings.Contains(text, c.Reason):
			text += fmt.Sprintf("; container %s: %s", c.Name, c.Reason)
		}
	}
	return text
}

func newTaskID() string { return randomHex(16) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func newUUID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// newTask makes the row of a task that is to run.
func (s *Service) newTask(ctx context.Context, inCluster string, d definition) task {
	id := newTaskID()
	t := task{ID: id, ARN: operation.ARN(ctx, "ecs", "task/"+inCluster+"/"+id), Cluster: inCluster, Definition: *d.TaskDefinitionArn,
		Desired: taskRunning, Last: taskProvisioning, Version: 1, Health: healthUnknown, Created: s.Clock.Now()}
	for _, c := range d.ContainerDefinitions {
		t.Containers = append(t.Containers, container{Name: *c.Name, ARN: operation.ARN(ctx, "ecs", "container/"+inCluster+"/"+id+"/"+newUUID()),
			Image: *c.Image, Status: taskPending, Health: healthUnknown, Essential: *c.Essential})
		t.Checked = t.Checked || c.HealthCheck != nil && c.HealthCheck.Command[0] != "NONE"
	}
	return t
}

// tasksOf lists all tasks of a cluster.
func (s *Service) tasksOf(ctx context.Context, tx *store.Tx, inCluster string) ([]task, error) {
	k := s.key(ctx, "")
	all, err := taskRows.List(tx, k.Account, k.Region)
	return slices.DeleteFunc(all, func(t task) bool { return t.Cluster != inCluster }), err
}

func (s *Service) task(ctx context.Context, tx *store.Tx, inCluster *string, idOrARN string) (task, error) {
	c, err := s.cluster(ctx, tx, inCluster)
	if err != nil {
		return task{}, err
	}
	t, err := taskRows.Get(tx, s.key(ctx, shortName(idOrARN)))
	if errors.Is(err, store.ErrNotFound) || err == nil && t.Cluster != c.Name {
		return t, invalidf("The referenced task was not found.")
	}
	return t, err
}

// describe is the task as the API shows it.
func (t task) describe(ctx context.Context, d definition, tags bool) api.Task {
	out := api.Task{TaskArn: &t.ARN, ClusterArn: new(operation.ARN(ctx, "ecs", "cluster/"+t.Cluster)), TaskDefinitionArn: &t.Definition,
		DesiredStatus: &t.Desired, LastStatus: &t.Last, HealthStatus: &t.Health, Group: &t.Group, StartedBy: wire.Maybe(t.StartedBy), LaunchType: wire.Maybe(t.LaunchType),
		CapacityProviderName: wire.Maybe(t.Provider), ContainerInstanceArn: wire.Maybe(t.Instance), AvailabilityZone: wire.Maybe(t.Zone), Version: &t.Version,
		CreatedAt: moment(t.Created), PullStartedAt: moment(t.PullStarted), PullStoppedAt: moment(t.PullStopped), StartedAt: moment(t.Started),
		StoppingAt: moment(t.Stopping), ExecutionStoppedAt: moment(t.ExecStopped), StoppedAt: moment(t.StoppedAt), StopCode: wire.Maybe(t.StopCode), StoppedReason: wire.Maybe(t.Reason),
		EnableExecuteCommand: &t.Execute, Overrides: t.overrides(), Attachments: []api.Attachment{}, Containers: []api.Container{}, Tags: []api.Tag{},
		Cpu: new(fmt.Sprint(d.cpu())), Memory: new(fmt.Sprint(d.memory())), Attributes: []api.Attribute{{Name: "ecs.cpu-architecture", Value: new(architecture(d))}},
	}
	if t.LaunchType == "FARGATE" {
		out.PlatformVersion, out.PlatformFamily = wire.Maybe(t.Platform), new("Linux")
		out.EphemeralStorage = &api.EphemeralStorage{SizeInGiB: 20}
		if d.EphemeralStorage != nil {
			out.EphemeralStorage = d.EphemeralStorage
		}
	}
	if t.Last == taskRunning {
		out.Connectivity, out.ConnectivityAt = new("CONNECTED"), moment(t.Started)
	}
	if t.Interface.Attachment != "" {
		out.Attachments = append(out.Attachments, t.attachment())
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, c.describe(t, d))
	}
	if tags {
		out.Tags = tagList(t.Tags)
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (t task) overrides() *api.TaskOverride {
	out := &api.TaskOverride{ContainerOverrides: []api.ContainerOverride{}, InferenceAcceleratorOverrides: []api.InferenceAcceleratorOverride{}}
	if t.Overrides == nil {
		for _, c := range t.Containers {
			out.ContainerOverrides = append(out.ContainerOverrides, api.ContainerOverride{Name: &c.Name})
		}
		return out
	}
	*out = *t.Overrides
	out.ContainerOverrides = emptyFor(out.ContainerOverrides)
	return out
}

func architecture(d definition) string {
	if d.RuntimePlatform != nil && wire.Value(d.RuntimePlatform.CpuArchitecture) == "ARM64" {
		return "arm64"
	}
	return "x86_64"
}

func (t task) attachment() api.Attachment {
	status := "ATTACHED"
	switch {
	case t.before(taskPending):
		status = "PRECREATED"
	case t.Last == taskStopped:
		status = "DELETED"
	}
	a := api.Attachment{Id: &t.Interface.Attachment, Type: new("ElasticNetworkInterface"), Status: &status}
	for _, detail := range [][2]string{{"subnetId", t.Interface.Subnet}, {"networkInterfaceId", t.Interface.ID}, {"macAddress", t.Interface.MAC}, {"privateIPv4Address", t.Interface.Address}} {
		if detail[1] != "" {
			a.Details = append(a.Details, api.KeyValuePair{Name: new(detail[0]), Value: new(detail[1])})
		}
	}
	return a
}

func (c container) describe(t task, d definition) api.Container {
	out := api.Container{Name: &c.Name, ContainerArn: &c.ARN, TaskArn: &t.ARN, Image: &c.Image, ImageDigest: wire.Maybe(c.Digest), RuntimeId: wire.Maybe(c.Runtime),
		LastStatus: &c.Status, ExitCode: c.Exit, Reason: wire.Maybe(c.Reason), HealthStatus: &c.Health, NetworkBindings: []api.NetworkBinding{}, NetworkInterfaces: []api.NetworkInterface{}}
	if def, ok := d.container(c.Name); ok {
		out.Cpu = new(fmt.Sprint(wire.Value(def.Cpu)))
		if def.Memory != nil {
			out.Memory = new(fmt.Sprint(*def.Memory))
		}
		if def.MemoryReservation != nil {
			out.MemoryReservation = new(fmt.Sprint(*def.MemoryReservation))
		}
	}
	if t.Interface.Attachment != "" {
		out.NetworkInterfaces = append(out.NetworkInterfaces, api.NetworkInterface{AttachmentId: &t.Interface.Attachment, PrivateIpv4Address: wire.Maybe(t.Interface.Address)})
		return out
	}
	for _, p := range c.Ports {
		out.NetworkBindings = append(out.NetworkBindings, api.NetworkBinding{BindIP: &p.HostIP, ContainerPort: &p.Container, HostPort: &p.Host, Protocol: &p.Protocol})
	}
	return out
}

// changeTask applies f to a task's row; f says whether it changed anything.
func (s *Service) changeTask(ctx context.Context, id string, f func(ctx context.Context, tx *store.Tx, t *task) (bool, error)) (t task, err error) {
	err = s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if t, err = taskRows.Get(tx, s.key(ctx, id)); err != nil {
			return err
		}
		changed, err := f(ctx, tx, &t)
		if err != nil || !changed {
			return err
		}
		t.Version++
		tx.AfterCommit(func() { s.runners.wake(id); s.look() })
		return taskRows.Put(tx, s.key(ctx, id), t)
	})
	return t, err
}

// end makes a task stop, unless it does already; the first reason stays.
func (t *task) end(now time.Time, code, reason string) bool {
	if t.Desired == taskStopped {
		return false
	}
	t.Desired, t.StopCode, t.Reason, t.Stopping = taskStopped, code, reason, now
	return true
}

// family of the task's definition, from its ARN.
func (t task) family() string {
	name, _, _ := strings.Cut(shortName(t.Definition), ":")
	return name
}
