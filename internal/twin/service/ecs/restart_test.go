package ecs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin"
	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/twintest"
)

// order is what a twin in a process of its own is told to do before it is killed.
type order struct {
	Dir        string
	Desired    int
	Definition string
}

const orderVariable = "SLIPWAY_ECS_TEST_ORDER"

func TestMain(m *testing.M) {
	if text := os.Getenv(orderVariable); text != "" {
		if err := obey(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// obey runs a twin until it is killed, and says "done" once the order was given to it.
func obey(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	opened, err := twin.Open(twin.Options{Dir: o.Dir, Address: "127.0.0.1:0", Region: "us-east-1", Engine: engine.Find, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	go func() {
		ctx := twintest.As(context.Background(), twin.Account, "us-east-1")
		_, err := api.Client{Invoker: opened.Gateway()}.UpdateService(ctx, &api.UpdateServiceInput{Cluster: new("demo"), Service: "web", DesiredCount: &o.Desired, TaskDefinition: &o.Definition})
		fmt.Println("done", err)
	}()
	return opened.Run(context.Background())
}

// killed runs a twin in a process of its own and kills it a moment after it took the order.
func killed(t *testing.T, o order, after time.Duration) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=none")
	child.Env = append(os.Environ(), orderVariable+"="+string(text))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || said != "done <nil>\n" {
		t.Errorf("the twin says %q, %v", said, err)
	}
	<-time.After(after)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed, and says so
}

func TestAKilledTwinFindsItsContainersAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := startIn(t, dir).settle()
	var versions []string
	for _, family := range []string{"one", "two"} {
		versions = append(versions, w.register(family, nil, nil))
	}
	w.create("web", versions[0], 1, nil)
	w.awaitSteady("web")
	w.Stop(t)
	killed(t, order{dir, 2, versions[0]}, 100*time.Millisecond)
	for round := range 6 {
		killed(t, order{dir, 1 + rand.IntN(3), versions[round/2%2]}, time.Duration(rand.IntN(900))*time.Millisecond)
	}
	killed(t, order{dir, 2, versions[0]}, 0)

	w = resume(t, w, dir)
	w.awaitSteady("web")
	w.await("the end of the others", func() bool {
		for _, task := range w.tasks("web", "STOPPED") {
			if *task.LastStatus != "STOPPED" {
				return false
			}
		}
		return true
	})
	w.checkContainers()
}

// resume starts a twin on the state of another.
func resume(t *testing.T, before *world, dir string) *world {
	t.Helper()
	w := &world{Twin: twintest.StartIn(t, dir), t: t, engine: before.engine, subnet: before.subnet, vpc: before.vpc}
	w.ecs, w.logs = api.Client{Invoker: w.Invoker}, logs.Client{Invoker: w.Invoker}
	t.Cleanup(func() { w.Stop(t) })
	return w
}

// checkContainers: each running task has its two containers and answers, nothing else is on the engine, and no interface is left.
func (w *world) checkContainers() {
	w.t.Helper()
	running := w.tasks("web", "RUNNING")
	label := map[string]string{}
	for _, task := range running {
		if got := w.get(w.dial(task, 8080), "/"); got != "hello from one" {
			w.t.Errorf("it answers %q", got)
		}
		list, err := w.engine.List(w.Context, map[string]string{"dev.slipway.task": (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]})
		w.must(err)
		if len(list) != 2 {
			w.t.Errorf("task has %d containers", len(list))
			continue
		}
		label["dev.slipway.twin"] = list[0].Labels["dev.slipway.twin"]
	}
	all, err := w.engine.List(w.Context, label)
	w.must(err)
	if len(all) != 2*len(running) {
		w.t.Errorf("%d containers for %d tasks: %+v", len(all), len(running), all)
	}
	out, err := ec2.Client{Invoker: w.Invoker}.DescribeNetworkInterfaces(w.Context, &ec2.DescribeNetworkInterfacesInput{})
	w.must(err)
	if len(out.NetworkInterfaces) != len(running) {
		w.t.Errorf("%d interfaces for %d tasks", len(out.NetworkInterfaces), len(running))
	}
}

func TestARestartLeavesTasksAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := startIn(t, dir).settle()
	_, err := w.logs.CreateLogGroup(w.Context, &logs.CreateLogGroupInput{LogGroupName: "/app"})
	w.must(err)
	w.create("web", w.register("web", []string{"count", "300"}, logged), 1, nil)
	w.awaitSteady("web")
	before := w.tasks("web", "RUNNING")[0]
	w.Stop(t)
	w = resume(t, w, dir)
	stream := "svc/web/" + (*before.TaskArn)[strings.LastIndex(*before.TaskArn, "/")+1:]
	w.await("all the output", func() bool { return len(w.lines("/app", stream)) >= 300 })
	for i, line := range w.lines("/app", stream) {
		if line != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	after := w.tasks("web", "RUNNING")
	if len(after) != 1 || *after[0].TaskArn != *before.TaskArn || *after[0].Containers[0].RuntimeId != *before.Containers[0].RuntimeId {
		t.Errorf("%+v became %+v", before, after)
	}
}

// logged has a container's output shipped to the log group /app.
func logged(in *api.RegisterTaskDefinitionInput) {
	in.ContainerDefinitions[0].LogConfiguration = &api.LogConfiguration{LogDriver: "awslogs", Options: map[string]string{
		"awslogs-group": "/app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "svc"}}
}

func (w *world) lines(group, stream string) (lines []string) {
	w.t.Helper()
	var token *string
	for {
		out, err := w.logs.GetLogEvents(w.Context, &logs.GetLogEventsInput{LogGroupName: &group, LogStreamName: stream, StartFromHead: new(true), NextToken: token})
		w.must(err)
		for _, e := range out.Events {
			lines = append(lines, *e.Message)
		}
		if len(out.Events) == 0 {
			return lines
		}
		token = out.NextForwardToken
	}
}

func TestWhatDiedWhileTheTwinWasAwayIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := startIn(t, dir).settle()
	w.create("web", w.register("web", nil, nil), 2, nil)
	w.awaitSteady("web")
	before := w.tasks("web", "RUNNING")
	w.Stop(t)
	w.must(w.engine.Kill(w.Context, *before[0].Containers[0].RuntimeId, "SIGKILL"))
	w.must(w.engine.Remove(w.Context, *before[1].Containers[0].RuntimeId, true))
	w = resume(t, w, dir)
	for i, want := range []string{"Essential container in task exited", "Essential container in task exited"} {
		task := w.awaitTask(*before[i].TaskArn, "STOPPED")
		if *task.StoppedReason != want || *task.StopCode != "EssentialContainerExited" {
			t.Errorf("%s: %s", *task.StopCode, *task.StoppedReason)
		}
		if code := task.Containers[0].ExitCode; i == 0 && (code == nil || *code != 137) || i == 1 && code != nil {
			t.Errorf("exit code %v", code)
		}
	}
	w.await("two others", func() bool { v := w.service("web"); return *v.RunningCount == 2 })
	for _, task := range w.tasks("web", "RUNNING") {
		if got := w.get(w.dial(task, 8080), "/"); got != "hello from web" {
			t.Errorf("it answers %q", got)
		}
	}
}
