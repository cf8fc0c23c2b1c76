package delivery

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway.dev/internal/blueprint"
)

// lastLines is how many lines of a failed container's output are shown.
const lastLines = 12

// taskWatch looks at the tasks of a service while it is deployed. It looks from the beginning, because a creation that is rolled
// back takes the tasks' output with it.
type taskWatch struct {
	project      *Project
	env          string
	service      string
	cancel       context.CancelFunc
	done         chan struct{}
	before       map[string]bool // tasks that were there already
	eventsBefore map[string]bool // ids of ECS's messages

	lock  sync.Mutex
	found Diagnosis
	seen  map[string]bool
}

// watchTasks begins to watch. The tasks there are do not count.
func (p *Project) watchTasks(ctx context.Context, env string) *taskWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &taskWatch{
		project: p, env: env, service: p.Manifest.Service.Name, cancel: cancel, done: make(chan struct{}),
		before: map[string]bool{}, eventsBefore: map[string]bool{}, seen: map[string]bool{},
		found: Diagnosis{Health: p.Manifest.Service.HealthEndpoint, Port: p.Manifest.Service.Port},
	}
	w.remember(ctx)
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
	return w
}

// stop ends the watch after a last look.
func (w *taskWatch) stop() {
	w.cancel()
	<-w.done
}

func (w *taskWatch) diagnosis() Diagnosis {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.found
}

// remember notes what there is before the deployment. Errors are left to run: before the first deployment there is nothing.
func (w *taskWatch) remember(ctx context.Context) {
	for _, status := range []ecstypes.DesiredStatus{ecstypes.DesiredStatusRunning, ecstypes.DesiredStatusStopped} {
		arns, _ := w.list(ctx, status)
		for _, arn := range arns {
			w.before[arn] = true
		}
	}
	if s, _ := w.project.ecsService(ctx, w.service, w.env); s != nil {
		for _, e := range s.Events {
			w.eventsBefore[aws.ToString(e.Id)] = true
		}
	}
}

func (w *taskWatch) run(ctx context.Context) {
	interval := 300 * time.Millisecond
	if !w.project.Target.local() {
		interval = 5 * time.Second
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.look(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			w.look(last)
			return
		}
	}
}

// look gathers what is wrong now. What cannot be read at this moment is read the next time.
func (w *taskWatch) look(ctx context.Context) {
	if s, err := w.project.ecsService(ctx, w.service, w.env); err == nil && s != nil {
		w.lookAtEvents(s.Events)
		for _, lb := range s.LoadBalancers {
			w.lookAtTargets(ctx, aws.ToString(lb.TargetGroupArn))
		}
	}
	arns, err := w.list(ctx, ecstypes.DesiredStatusStopped)
	if err != nil {
		return
	}
	arns = slices.DeleteFunc(arns, func(arn string) bool { return w.before[arn] || w.seen[arn] })
	for batch := range slices.Chunk(arns, 100) {
		cluster := w.project.cluster(w.env)
		out, err := w.project.Target.Clients.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: batch})
		if err != nil {
			return
		}
		for _, t := range out.Tasks {
			w.lookAtTask(ctx, t)
		}
	}
}

func (w *taskWatch) list(ctx context.Context, status ecstypes.DesiredStatus) (arns []string, err error) {
	cluster, service := w.project.cluster(w.env), w.project.ecsName(w.service, w.env)
	pages := ecs.NewListTasksPaginator(w.project.Target.Clients.ECS, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service, DesiredStatus: status})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return arns, err
		}
		arns = append(arns, page.TaskArns...)
	}
	return arns, nil
}

// lookAtTask takes down why a task stopped, once it has, if that was not asked for.
func (w *taskWatch) lookAtTask(ctx context.Context, t ecstypes.Task) {
	if aws.ToString(t.LastStatus) != "STOPPED" {
		return
	}
	w.seen[aws.ToString(t.TaskArn)] = true
	failed, ok := taskFailureOf(t)
	if !ok {
		return
	}
	failed.Log = w.lastLog(ctx, failed)
	w.lock.Lock()
	w.found.Tasks = append(w.found.Tasks, failed)
	why := w.found.headline(failed)
	w.lock.Unlock()
	w.project.warn("task " + failed.ID + " of " + w.service + " stopped: " + why)
}

// taskFailureOf reads why a task stopped; not ok is a task that was stopped on purpose.
func taskFailureOf(t ecstypes.Task) (f TaskFailure, ok bool) {
	arn := aws.ToString(t.TaskArn)
	f = TaskFailure{ID: arn[strings.LastIndex(arn, "/")+1:], Reason: aws.ToString(t.StoppedReason), StoppedAt: aws.ToTime(t.StoppedAt)}
	for _, c := range t.Containers {
		if c.ExitCode != nil || c.Reason != nil {
			f.Container, f.Detail = aws.ToString(c.Name), aws.ToString(c.Reason)
			if c.ExitCode != nil {
				f.ExitCode = new(int(*c.ExitCode))
			}
		}
		if c.ExitCode != nil && *c.ExitCode != 0 || c.Reason != nil {
			break
		}
	}
	f.Unhealthy = strings.Contains(f.Reason, "health check")
	switch t.StopCode {
	case ecstypes.TaskStopCodeEssentialContainerExited, ecstypes.TaskStopCodeTaskFailedToStart:
		return f, true
	}
	return f, f.Unhealthy
}

// lastLog reads the end of what a task's container wrote; nothing when there is none.
func (w *taskWatch) lastLog(ctx context.Context, f TaskFailure) []string {
	if f.Container == "" {
		return nil
	}
	out, err := w.project.Target.Clients.Logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName:  aws.String(w.project.name(blueprint.KindService, w.service, w.env)),
		LogStreamName: aws.String("container/" + f.Container + "/" + f.ID),
		Limit:         aws.Int32(lastLines), StartFromHead: aws.Bool(false),
	})
	if err != nil {
		return nil
	}
	var text []string
	for _, e := range out.Events {
		text = append(text, strings.TrimRight(aws.ToString(e.Message), "\r\n"))
	}
	return text
}

func (w *taskWatch) lookAtTargets(ctx context.Context, group string) {
	out, err := w.project.Target.Clients.LoadBalancers.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &group})
	if err != nil {
		return
	}
	for _, d := range out.TargetHealthDescriptions {
		if d.TargetHealth == nil || d.TargetHealth.State != elbtypes.TargetHealthStateEnumUnhealthy {
			continue
		}
		text := aws.ToString(d.TargetHealth.Description)
		if text == "" {
			text = string(d.TargetHealth.Reason)
		}
		w.lock.Lock()
		isNews := w.found.Answer != text
		w.found.Answer = text
		health := w.found.ofHealth()
		w.lock.Unlock()
		if isNews {
			w.project.warn(health)
		}
	}
}

// lookAtEvents keeps what ECS complains of.
func (w *taskWatch) lookAtEvents(events []ecstypes.ServiceEvent) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, e := range slices.Backward(events) {
		id, text := aws.ToString(e.Id), aws.ToString(e.Message)
		if w.eventsBefore[id] {
			continue
		}
		w.eventsBefore[id] = true
		if strings.Contains(text, "unable to") || strings.Contains(text, "unhealthy") || strings.Contains(text, "failed") {
			w.found.Messages = append(w.found.Messages, text)
		}
		if answer := unhealthyReason(text); answer != "" {
			w.found.Answer = answer
		}
	}
}

// unhealthyReason is what a health check answered, as the event tells it with which ECS stops an unhealthy task. The load balancer
// itself has forgotten it by then: the task's target leaves at once.
func unhealthyReason(event string) string {
	_, reason, _ := strings.Cut(event, "due to (reason ")
	return strings.TrimSuffix(strings.TrimSuffix(reason, "."), ")")
}
