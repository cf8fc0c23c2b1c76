package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway.dev/internal/blueprint"
)

// Restart replaces the tasks of a service: by a new deployment where batch is 0, else by stopping so many tasks at a time and
// waiting each time until as many run as are wanted.
func (p *Project) Restart(ctx context.Context, env, service string, batch int) error {
	env, service, err := p.deployed(env, service)
	if err != nil {
		return err
	}
	s, err := p.mustRun(ctx, service, env)
	if err != nil {
		return err
	}
	if batch > 0 {
		return p.restartBatches(ctx, env, service, s, batch)
	}
	p.step("Restarting " + service + " in " + env)
	cluster := p.cluster(env)
	_, err = p.Target.Clients.ECS.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: s.ServiceName, ForceNewDeployment: true})
	if err != nil {
		return fmt.Errorf("restart service %s: %w", service, err)
	}
	return p.awaitService(ctx, service, env, func(s *ecstypes.Service) (bool, error) {
		newest := primary(s)
		if newest == nil {
			return false, nil
		}
		if newest.RolloutState == ecstypes.DeploymentRolloutStateFailed {
			return false, fmt.Errorf("the restart failed, the old tasks go on: %s", aws.ToString(newest.RolloutStateReason))
		}
		return len(s.Deployments) == 1 && newest.RunningCount == s.DesiredCount && newest.RolloutState != ecstypes.DeploymentRolloutStateInProgress, nil
	})
}

func primary(s *ecstypes.Service) *ecstypes.Deployment {
	for i := range s.Deployments {
		if aws.ToString(s.Deployments[i].Status) == "PRIMARY" {
			return &s.Deployments[i]
		}
	}
	return nil
}

func (p *Project) mustRun(ctx context.Context, service, env string) (*ecstypes.Service, error) {
	s, err := p.ecsService(ctx, service, env)
	if err == nil && s == nil {
		err = fmt.Errorf("the service %s is not deployed in the environment %s", service, env)
	}
	return s, err
}

func (p *Project) awaitService(ctx context.Context, service, env string, settled func(*ecstypes.Service) (bool, error)) error {
	for pace := p.pace(); ; {
		s, err := p.mustRun(ctx, service, env)
		if err != nil {
			return err
		}
		if done, err := settled(s); err != nil || done {
			return err
		}
		if err := pace.wait(ctx); err != nil {
			return err
		}
	}
}

func (p *Project) restartBatches(ctx context.Context, env, service string, s *ecstypes.Service, batch int) error {
	cluster := p.cluster(env)
	tasks, err := p.tasksOf(ctx, env, aws.ToString(s.ServiceName))
	if err != nil {
		return err
	}
	for group := range slices.Chunk(tasks, batch) {
		p.step(fmt.Sprintf("Stopping %d of %d tasks of %s", len(group), len(tasks), service))
		for _, arn := range group {
			if _, err := p.Target.Clients.ECS.StopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &arn, Reason: aws.String("slipway svc restart")}); err != nil {
				return fmt.Errorf("stop task %s: %w", arn, err)
			}
		}
		if err := p.awaitReplacement(ctx, env, service, group); err != nil {
			return err
		}
	}
	return nil
}

// awaitReplacement waits until the stopped tasks are gone and as many run as are wanted.
func (p *Project) awaitReplacement(ctx context.Context, env, service string, stopped []string) error {
	return p.awaitService(ctx, service, env, func(s *ecstypes.Service) (bool, error) {
		running, err := p.tasksOf(ctx, env, aws.ToString(s.ServiceName))
		gone := !slices.ContainsFunc(stopped, func(arn string) bool { return slices.Contains(running, arn) })
		return gone && s.RunningCount == s.DesiredCount, err
	})
}

func (p *Project) tasksOf(ctx context.Context, env, service string) (arns []string, err error) {
	cluster := p.cluster(env)
	pages := ecs.NewListTasksPaginator(p.Target.Clients.ECS, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list tasks of %s: %w", service, err)
		}
		arns = append(arns, page.TaskArns...)
	}
	return arns, nil
}

// ExitError is a command in a task that ended with another code than 0.
type ExitError struct{ Code int }

// Error names the code.
func (e *ExitError) Error() string { return fmt.Sprintf("the command ended with exit code %d", e.Code) }

// ExitCode is the command's own.
func (e *ExitError) ExitCode() int { return e.Code }

// Exec runs a command in a task of its own with everything of the service's tasks, gives what it writes to take, and returns when
// it has ended: an *ExitError where its exit code is not 0. When ctx ends, the task is stopped.
func (p *Project) Exec(ctx context.Context, env, service string, command []string, take func(LogLine)) error {
	env, service, err := p.deployed(env, service)
	if err != nil {
		return err
	}
	s, err := p.mustRun(ctx, service, env)
	if err != nil {
		return err
	}
	task, err := p.runTask(ctx, env, service, s, command)
	if err != nil {
		return err
	}
	p.step("Running in task " + task.id)
	code, err := p.followTask(ctx, task, take)
	switch {
	case ctx.Err() != nil:
		p.stopTask(ctx, task)
		return err
	case err == nil && code != 0:
		return &ExitError{code}
	}
	return err
}

// oneTask is a task that runs a command.
type oneTask struct {
	arn, id, cluster, container string
	log                         logTail
}

func (p *Project) runTask(ctx context.Context, env, service string, s *ecstypes.Service, command []string) (*oneTask, error) {
	cluster := p.cluster(env)
	out, err := p.Target.Clients.ECS.RunTask(ctx, &ecs.RunTaskInput{
		Cluster: &cluster, TaskDefinition: s.TaskDefinition, LaunchType: s.LaunchType, NetworkConfiguration: s.NetworkConfiguration,
		CapacityProviderStrategy: s.CapacityProviderStrategy, StartedBy: aws.String("slipway svc exec"), PropagateTags: ecstypes.PropagateTagsTaskDefinition,
		Overrides: &ecstypes.TaskOverride{ContainerOverrides: []ecstypes.ContainerOverride{{Name: &service, Command: command}}},
	})
	if err != nil {
		return nil, fmt.Errorf("run a task of %s: %w", service, err)
	}
	if len(out.Failures) > 0 || len(out.Tasks) == 0 {
		return nil, fmt.Errorf("run a task of %s: %s", service, failures(out.Failures))
	}
	arn := aws.ToString(out.Tasks[0].TaskArn)
	task := &oneTask{arn: arn, id: arn[strings.LastIndex(arn, "/")+1:], cluster: cluster, container: service}
	task.log = logTail{
		project: p, group: p.name(blueprint.KindService, service, env), stream: "container/" + service + "/" + task.id,
		from: time.Now().Add(-time.Hour), seen: map[string]time.Time{},
	}
	return task, nil
}

func failures(list []ecstypes.Failure) string {
	var text []string
	for _, f := range list {
		text = append(text, strings.TrimSpace(aws.ToString(f.Reason)+" "+aws.ToString(f.Detail)))
	}
	return strings.Join(text, "; ")
}

// followTask gives the task's output until it has stopped, and returns its exit code.
func (p *Project) followTask(ctx context.Context, task *oneTask, take func(LogLine)) (int, error) {
	for pace := p.pace(); ; {
		out, err := p.Target.Clients.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &task.cluster, Tasks: []string{task.arn}})
		if err != nil {
			return 0, fmt.Errorf("describe task %s: %w", task.id, err)
		}
		fresh, err := task.log.read(ctx, take)
		if err != nil {
			return 0, err
		}
		if len(out.Tasks) == 1 && aws.ToString(out.Tasks[0].LastStatus) == "STOPPED" {
			_, err := task.log.read(ctx, take) // what was written last
			if err != nil {
				return 0, err
			}
			return exitCode(out.Tasks[0], task.container)
		}
		if fresh {
			pace = p.pace()
		}
		if err := pace.wait(ctx); err != nil {
			return 0, err
		}
	}
}

func exitCode(t ecstypes.Task, container string) (int, error) {
	for _, c := range t.Containers {
		if aws.ToString(c.Name) == container && c.ExitCode != nil {
			return int(*c.ExitCode), nil
		}
		if aws.ToString(c.Name) == container && c.Reason != nil {
			return 0, errors.New(aws.ToString(c.Reason))
		}
	}
	return 0, fmt.Errorf("the task did not run: %s", aws.ToString(t.StoppedReason))
}

// stopTask stops a task nobody waits for any more.
func (p *Project) stopTask(ctx context.Context, task *oneTask) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := p.Target.Clients.ECS.StopTask(ctx, &ecs.StopTaskInput{Cluster: &task.cluster, Task: &task.arn, Reason: aws.String("slipway svc exec was interrupted")})
	if err != nil {
		p.warn(fmt.Sprintf("task %s may go on: %v", task.id, err))
		return
	}
	p.step("Interrupted: task " + task.id + " is being stopped")
}
