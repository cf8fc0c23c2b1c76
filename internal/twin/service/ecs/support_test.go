package ecs_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// image is the name of the image of testdata/program, built on first use.
const image = "localhost/slipway/ecs-test:1"

var program struct {
	once sync.Once
	err  error
}

// docker gives the engine with the test image on it, or skips the test where there is none, unless SLIPWAY_REQUIRE_ENGINE asks
// for one.
func docker(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Find(t.Context())
	if err != nil && os.Getenv("SLIPWAY_REQUIRE_ENGINE") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("needs a container engine: ", err)
	}
	program.once.Do(func() { program.err = buildImage(e) })
	if program.err != nil {
		t.Fatal(program.err)
	}
	return e
}

func buildImage(e *engine.Engine) error {
	dir, err := os.MkdirTemp("", "ecs-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	dockerfile := "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		return err
	}
	_, err = e.Build(context.Background(), engine.Build{Dir: dir, Tags: []string{image}})
	return err
}

// world is a twin with a network to put tasks on, and what tests ask of it.
type world struct {
	*twintest.Twin
	t      testing.TB
	engine *engine.Engine
	ecs    api.Client
	logs   logs.Client
	subnet string
	vpc    string
}

func start(t testing.TB) *world { return startIn(t, t.TempDir()) }

func startIn(t testing.TB, dir string) *world {
	t.Helper()
	e := docker(t)
	w := &world{Twin: twintest.StartIn(t, dir), t: t, engine: e}
	w.ecs, w.logs = api.Client{Invoker: w.Invoker}, logs.Client{Invoker: w.Invoker}
	t.Cleanup(func() { w.Stop(t); clean(t, e, dir) })
	return w
}

// settle makes the network that tasks are put on.
func (w *world) settle() *world {
	w.t.Helper()
	client := ec2.Client{Invoker: w.Invoker}
	vpc, err := client.CreateVpc(w.Context, &ec2.CreateVpcInput{CidrBlock: new("10.0.0.0/16")})
	w.must(err)
	w.vpc = *vpc.Vpc.VpcId
	subnet, err := client.CreateSubnet(w.Context, &ec2.CreateSubnetInput{VpcId: w.vpc, CidrBlock: new("10.0.1.0/24")})
	w.must(err)
	w.subnet = *subnet.Subnet.SubnetId
	_, err = w.ecs.CreateCluster(w.Context, &api.CreateClusterInput{ClusterName: new("demo")})
	w.must(err)
	return w
}

// clean removes what a twin leaves on the engine.
func clean(t testing.TB, e *engine.Engine, dir string) {
	ctx := context.Background()
	state, err := store.Open(dir, network.Tables...)
	if err != nil {
		t.Error(err)
		return
	}
	defer state.Close()
	id, err := network.Identity(ctx, state)
	if err != nil {
		t.Error(err)
		return
	}
	if err := network.Purge(ctx, e, id); err != nil {
		t.Error(err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// register makes a Fargate task definition of one container, which change may change.
func (w *world) register(family string, command []string, change func(*api.RegisterTaskDefinitionInput)) string {
	w.t.Helper()
	in := &api.RegisterTaskDefinitionInput{Family: family, Cpu: new("256"), Memory: new("512"), NetworkMode: new("awsvpc"), RequiresCompatibilities: []string{"FARGATE"},
		ExecutionRoleArn: new("arn:aws:iam::000000000000:role/execution"),
		ContainerDefinitions: []api.ContainerDefinition{{Name: new("web"), Image: new(image), Command: command,
			PortMappings: []api.PortMapping{{ContainerPort: new(8080)}}, Environment: []api.KeyValuePair{{Name: new("GREETING"), Value: new("hello from " + family)}}}}}
	if change != nil {
		change(in)
	}
	out, err := w.ecs.RegisterTaskDefinition(w.Context, in)
	w.must(err)
	return *out.TaskDefinition.TaskDefinitionArn
}

func (w *world) fargate() *api.NetworkConfiguration {
	return &api.NetworkConfiguration{AwsvpcConfiguration: &api.AwsVpcConfiguration{Subnets: []string{w.subnet}}}
}

func (w *world) create(name, definition string, desired int, change func(*api.CreateServiceInput)) {
	w.t.Helper()
	in := &api.CreateServiceInput{Cluster: new("demo"), ServiceName: name, TaskDefinition: &definition, DesiredCount: &desired, LaunchType: new("FARGATE"), NetworkConfiguration: w.fargate(),
		DeploymentConfiguration: &api.DeploymentConfiguration{DeploymentCircuitBreaker: &api.DeploymentCircuitBreaker{Enable: true, Rollback: true}}}
	if change != nil {
		change(in)
	}
	_, err := w.ecs.CreateService(w.Context, in)
	w.must(err)
}

func (w *world) service(name string) api.Service {
	w.t.Helper()
	out, err := w.ecs.DescribeServices(w.Context, &api.DescribeServicesInput{Cluster: new("demo"), Services: []string{name}})
	w.must(err)
	if len(out.Services) != 1 {
		w.t.Fatalf("service %s: %+v", name, out.Failures)
	}
	return out.Services[0]
}

// patience is far more than anything here takes.
const patience = 60 * time.Second

// await looks whenever something has changed until the condition holds.
func (w *world) await(what string, holds func() bool) {
	w.t.Helper()
	end := time.After(patience)
	for {
		changed := w.Changed()
		if holds() {
			return
		}
		select {
		case <-end:
			w.t.Fatalf("in vain for %s", what)
		case <-changed:
		case <-time.After(time.Second): // containers change without the twin's state changing
		}
	}
}

func (w *world) awaitSteady(name string) api.Service {
	w.t.Helper()
	var v api.Service
	defer func() {
		if w.t.Failed() {
			w.t.Log(events(v))
		}
	}()
	w.await("a steady state of "+name, func() bool {
		v = w.service(name)
		return len(v.Deployments) == 1 && *v.Deployments[0].RolloutState == "COMPLETED" && *v.RunningCount == *v.DesiredCount
	})
	return v
}

func events(v api.Service) string {
	var lines []string
	for _, e := range slices.Backward(v.Events) {
		lines = append(lines, *e.Message)
	}
	return strings.Join(lines, "\n")
}

func (w *world) tasks(name, desired string) []api.Task {
	w.t.Helper()
	list, err := w.ecs.ListTasks(w.Context, &api.ListTasksInput{Cluster: new("demo"), ServiceName: &name, DesiredStatus: &desired})
	w.must(err)
	if len(list.TaskArns) == 0 {
		return nil
	}
	out, err := w.ecs.DescribeTasks(w.Context, &api.DescribeTasksInput{Cluster: new("demo"), Tasks: list.TaskArns})
	w.must(err)
	return out.Tasks
}

func (w *world) awaitTask(arn, status string) api.Task {
	w.t.Helper()
	var t api.Task
	w.await("task "+status, func() bool {
		out, err := w.ecs.DescribeTasks(w.Context, &api.DescribeTasksInput{Cluster: new("demo"), Tasks: []string{arn}})
		w.must(err)
		t = out.Tasks[0]
		if *t.LastStatus == "STOPPED" && status != "STOPPED" {
			w.t.Fatalf("task stopped: %s; %s", wire.Value(t.StoppedReason), wire.Value(t.Containers[0].Reason))
		}
		return *t.LastStatus == status
	})
	return t
}

// dial is where a port of a task answers on this machine.
func (w *world) dial(t api.Task, port int) string {
	w.t.Helper()
	id := (*t.TaskArn)[strings.LastIndex(*t.TaskArn, "/")+1:]
	list, err := w.engine.List(w.Context, map[string]string{"dev.slipway.task": id})
	w.must(err)
	for _, c := range list {
		state, err := w.engine.Inspect(w.Context, c.ID)
		w.must(err)
		if p, ok := state.HostPort(port, "tcp"); ok {
			return net.JoinHostPort(p.HostIP, fmt.Sprint(p.Host))
		}
	}
	w.t.Fatalf("port %d of task %s is not published", port, id)
	return ""
}

// get is the answer of a server in a task; it may have to begin listening first.
func (w *world) get(address, path string) (body string) {
	w.t.Helper()
	w.await("an answer of "+address, func() bool {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		body = string(text)
		return err == nil
	})
	return body
}

// through is the answer to a request for a host by way of the twin's own port.
func (w *world) through(host, path string) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.Context, http.MethodGet, "http://"+w.Address()+path, nil)
	w.must(err)
	request.Host = host
	answer, err := http.DefaultClient.Do(request)
	w.must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	w.must(err)
	return string(body)
}
