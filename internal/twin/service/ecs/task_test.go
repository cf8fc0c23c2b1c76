package ecs_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/wire"
)

// run starts one task.
func (w *world) run(definition string, change func(*api.RunTaskInput)) api.Task {
	w.t.Helper()
	in := &api.RunTaskInput{Cluster: new("demo"), TaskDefinition: definition, LaunchType: new("FARGATE"), NetworkConfiguration: w.fargate()}
	if change != nil {
		change(in)
	}
	out, err := w.ecs.RunTask(w.Context, in)
	w.must(err)
	if len(out.Tasks) != 1 {
		w.t.Fatalf("%+v", out.Failures)
	}
	return out.Tasks[0]
}

func TestATaskRunsToItsEnd(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	_, err := w.logs.CreateLogGroup(w.Context, &logs.CreateLogGroupInput{LogGroupName: "/app"})
	w.must(err)
	_, err = ssm.Client{Invoker: w.Invoker}.PutParameter(w.Context, &ssm.PutParameterInput{Name: "/app/secret", Value: "whispered", Type: new("SecureString")})
	w.must(err)
	definition := w.register("job", []string{"print", "a result"}, logged)
	task := w.run(definition, func(in *api.RunTaskInput) { in.StartedBy = new("me") })
	if *task.LastStatus != "PROVISIONING" || *task.Group != "family:job" {
		t.Errorf("%+v", task)
	}
	task = w.awaitTask(*task.TaskArn, "STOPPED")
	if *task.StopCode != "EssentialContainerExited" || *task.Containers[0].ExitCode != 0 {
		t.Errorf("%s, %+v", *task.StopCode, task.Containers[0])
	}
	stream := "svc/web/" + (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]
	if got := w.lines("/app", stream); len(got) != 1 || got[0] != "a result" {
		t.Errorf("output %q", got)
	}
	overridden := w.run(definition, func(in *api.RunTaskInput) {
		in.Overrides = &api.TaskOverride{ContainerOverrides: []api.ContainerOverride{{Name: new("web"), Command: []string{"fail", "4"}}}}
	})
	if got := w.awaitTask(*overridden.TaskArn, "STOPPED"); *got.Containers[0].ExitCode != 4 {
		t.Errorf("%+v", got.Containers[0])
	}
}

func TestAnInitContainerGoesFirstAndASidecarShares(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	_, err := w.logs.CreateLogGroup(w.Context, &logs.CreateLogGroupInput{LogGroupName: "/app"})
	w.must(err)
	definition := w.register("team", nil, func(in *api.RegisterTaskDefinitionInput) {
		logged(in)
		web := &in.ContainerDefinitions[0]
		web.DependsOn = []api.ContainerDependency{{ContainerName: "init", Condition: "SUCCESS"}}
		web.HealthCheck = &api.HealthCheck{Command: []string{"CMD", "/program", "check"}, Interval: new(5), Timeout: new(2)}
		in.ContainerDefinitions = append(in.ContainerDefinitions,
			api.ContainerDefinition{Name: new("init"), Image: new(image), Command: []string{"print", "ready"}, Essential: new(false), LogConfiguration: web.LogConfiguration},
			api.ContainerDefinition{Name: new("side"), Image: new(image), Command: []string{"fetch", "http://127.0.0.1:8080/"}, Essential: new(false), LogConfiguration: web.LogConfiguration,
				DependsOn: []api.ContainerDependency{{ContainerName: "web", Condition: "HEALTHY"}}})
	})
	task := w.run(definition, nil)
	task = w.awaitTask(*task.TaskArn, "RUNNING")
	if *task.HealthStatus != "HEALTHY" {
		t.Errorf("health %s", *task.HealthStatus)
	}
	id := (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]
	w.await("the sidecar's output", func() bool { return len(w.lines("/app", "svc/side/"+id)) > 1 })
	if got := w.lines("/app", "svc/side/"+id); got[0] != "200 OK" || got[1] != "hello from team" {
		t.Errorf("the sidecar heard %q", got)
	}
	if got := w.lines("/app", "svc/init/"+id); len(got) != 1 || got[0] != "ready" {
		t.Errorf("init said %q", got)
	}
	_, err = w.ecs.StopTask(w.Context, &api.StopTaskInput{Cluster: new("demo"), Task: id, Reason: new("enough")})
	w.must(err)
	task = w.awaitTask(*task.TaskArn, "STOPPED")
	if *task.StopCode != "UserInitiated" || *task.StoppedReason != "enough" || *task.Containers[0].ExitCode != 0 {
		t.Errorf("%s: %s; %+v", *task.StopCode, *task.StoppedReason, task.Containers[0])
	}
	if got := w.lines("/app", "svc/web/"+id); got[len(got)-1] != "terminated" {
		t.Errorf("the last words of web: %q", got)
	}
}

func TestAContainerThatDoesNotHeedIsKilled(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	task := w.run(w.register("stubborn", []string{"stubborn"}, func(in *api.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].StopTimeout = new(1) }), nil)
	task = w.awaitTask(*task.TaskArn, "RUNNING")
	begun := time.Now()
	_, err := w.ecs.StopTask(w.Context, &api.StopTaskInput{Cluster: new("demo"), Task: *task.TaskArn})
	w.must(err)
	task = w.awaitTask(*task.TaskArn, "STOPPED")
	if took := time.Since(begun); took < time.Second || took > 10*time.Second {
		t.Errorf("stopped after %v", took)
	}
	if *task.Containers[0].ExitCode != 137 {
		t.Errorf("exit code %d", *task.Containers[0].ExitCode)
	}
}

func TestSecretsAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	_, err := ssm.Client{Invoker: w.Invoker}.PutParameter(w.Context, &ssm.PutParameterInput{Name: "/app/greeting", Value: "whispered", Type: new("SecureString")})
	w.must(err)
	secret := func(from string) func(*api.RegisterTaskDefinitionInput) {
		return func(in *api.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Environment = nil
			in.ContainerDefinitions[0].Secrets = []api.Secret{{Name: "GREETING", ValueFrom: from}}
		}
	}
	for _, from := range []string{"/app/greeting", "arn:aws:ssm:us-east-1:000000000000:parameter/app/greeting"} {
		task := w.awaitTask(*w.run(w.register("kept", nil, secret(from)), nil).TaskArn, "RUNNING")
		if got := w.get(w.dial(task, 8080), "/"); got != "whispered" {
			t.Errorf("%s is %q", from, got)
		}
	}
	for name, definition := range map[string]string{
		"unable to pull secrets or registry auth: unable to retrieve secret GREETING from ssm": w.register("lost", nil, secret("/app/absent")),
		"failed to create Cloudwatch log stream: ResourceNotFoundException":                    w.register("mute", nil, logged),
	} {
		task := w.awaitTask(*w.run(definition, nil).TaskArn, "STOPPED")
		if *task.StopCode != "TaskFailedToStart" || !strings.HasPrefix(*task.StoppedReason, "ResourceInitializationError: ") || !strings.Contains(*task.StoppedReason, name) {
			t.Errorf("%s: %s", *task.StopCode, *task.StoppedReason)
		}
	}
}

func TestExecuteCommand(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	definition := w.register("web", nil, nil)
	closed := w.awaitTask(*w.run(definition, nil).TaskArn, "RUNNING")
	_, err := w.ecs.ExecuteCommand(w.Context, &api.ExecuteCommandInput{Cluster: new("demo"), Task: *closed.TaskArn, Command: "sh", Interactive: true})
	if !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("without its permission: %v", err)
	}
	task := w.awaitTask(*w.run(definition, func(in *api.RunTaskInput) { in.EnableExecuteCommand = new(true) }).TaskArn, "RUNNING")
	out, err := w.ecs.ExecuteCommand(w.Context, &api.ExecuteCommandInput{Cluster: new("demo"), Task: *task.TaskArn, Command: "/program echo", Interactive: true})
	w.must(err)
	conn, _, err := websocket.Dial(w.Context, *out.Session.StreamUrl, nil)
	w.must(err)
	defer conn.CloseNow()
	opening, err := json.Marshal(map[string]any{"token": out.Session.TokenValue})
	w.must(err)
	w.must(conn.Write(w.Context, websocket.MessageText, opening))
	w.must(conn.Write(w.Context, websocket.MessageBinary, append([]byte{0}, "you\n"...)))
	w.must(conn.Write(w.Context, websocket.MessageBinary, []byte{5}))
	stdout, stderr, code := listen(t, w.Context, conn)
	if stdout != "heard you\n" || stderr != "end\n" || code != 7 {
		t.Errorf("output %q, errors %q, code %d", stdout, stderr, code)
	}
	if _, _, err := websocket.Dial(w.Context, *out.Session.StreamUrl, nil); err == nil {
		t.Error("a session can be used twice")
	}
}

func listen(t *testing.T, ctx context.Context, conn *websocket.Conn) (stdout, stderr string, code uint32) {
	t.Helper()
	for {
		_, m, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		switch m[0] {
		case 1:
			stdout += string(m[1:])
		case 2:
			stderr += string(m[1:])
		case 4:
			return stdout, stderr, binary.BigEndian.Uint32(m[1:])
		}
	}
}

func TestAContainerReachesALoadBalancerByName(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	_, err := w.logs.CreateLogGroup(w.Context, &logs.CreateLogGroupInput{LogGroupName: "/app"})
	w.must(err)
	group, host := w.balancer("front")
	w.create("web", w.register("web", nil, nil), 1, behind(group))
	w.awaitSteady("web")
	task := w.run(w.register("caller", []string{"fetch", "http://" + host + "/"}, logged), nil)
	task = w.awaitTask(*task.TaskArn, "STOPPED")
	stream := "svc/web/" + (*task.TaskArn)[strings.LastIndex(*task.TaskArn, "/")+1:]
	if got := w.lines("/app", stream); len(got) != 2 || got[1] != "hello from web" {
		t.Errorf("by its name %s it answers %q; %s %v", host, got, *task.StoppedReason, task.Containers[0].ExitCode)
	}
}
