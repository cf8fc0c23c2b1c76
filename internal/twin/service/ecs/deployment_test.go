package ecs_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway.dev/internal/twin/api/ec2"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/wire"
)

// balancer is a load balancer with one target group; it returns the group's ARN and where the balancer answers.
func (w *world) balancer(name string) (group, host string) {
	w.t.Helper()
	elb := elbv2.Client{Invoker: w.Invoker}
	other, err := ec2.Client{Invoker: w.Invoker}.CreateSubnet(w.Context, &ec2.CreateSubnetInput{VpcId: w.vpc, CidrBlock: new("10.0.2.0/24"), AvailabilityZone: new("us-east-1b")})
	w.must(err)
	lb, err := elb.CreateLoadBalancer(w.Context, &elbv2.CreateLoadBalancerInput{Name: name, Subnets: []string{w.subnet, *other.Subnet.SubnetId}})
	w.must(err)
	g, err := elb.CreateTargetGroup(w.Context, &elbv2.CreateTargetGroupInput{Name: name, TargetType: new("ip"), VpcId: &w.vpc, Protocol: new("HTTP"), Port: new(8080),
		HealthCheckPath: new("/health"), HealthCheckIntervalSeconds: new(5), HealthCheckTimeoutSeconds: new(2), HealthyThresholdCount: new(2), UnhealthyThresholdCount: new(2)})
	w.must(err)
	group = *g.TargetGroups[0].TargetGroupArn
	_, err = elb.CreateListener(w.Context, &elbv2.CreateListenerInput{LoadBalancerArn: *lb.LoadBalancers[0].LoadBalancerArn, Protocol: new("HTTP"), Port: new(80),
		DefaultActions: []elbv2.Action{{Type: "forward", TargetGroupArn: &group}}})
	w.must(err)
	return group, *lb.LoadBalancers[0].DNSName
}

func behind(group string) func(*api.CreateServiceInput) {
	return func(in *api.CreateServiceInput) {
		in.LoadBalancers = []api.LoadBalancer{{TargetGroupArn: &group, ContainerName: new("web"), ContainerPort: new(8080)}}
	}
}

func TestALoadBalancerReachesTheTasks(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	group, host := w.balancer("web")
	begun := time.Now()
	w.create("web", w.register("web", nil, nil), 2, behind(group))
	v := w.awaitSteady("web")
	t.Logf("steady after %v", time.Since(begun))
	if got := w.through(host, "/"); got != "hello from web" {
		t.Errorf("the load balancer answers %q", got)
	}
	if want := "registered 1 targets in (target-group " + group + ")"; !strings.Contains(events(v), want) {
		t.Errorf("no event %q in\n%s", want, events(v))
	}
	_, err := w.ecs.UpdateService(w.Context, &api.UpdateServiceInput{Cluster: new("demo"), Service: "web", TaskDefinition: new(w.register("web", nil, func(in *api.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].Environment[0].Value = new("second")
	}))})
	w.must(err)
	begun = time.Now()
	v = w.awaitSteady("web")
	t.Logf("rolled after %v", time.Since(begun))
	for range 10 {
		if got := w.through(host, "/"); got != "second" {
			t.Errorf("after the deployment it answers %q", got)
		}
	}
	if !strings.Contains(events(v), "deregistered 1 targets in (target-group "+group+")") {
		t.Errorf("no word of deregistration in\n%s", events(v))
	}
}

func TestAFailingDeploymentIsRolledBackWithItsReason(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	w.create("web", w.register("web", nil, nil), 1, nil)
	w.awaitSteady("web")
	first := w.tasks("web", "RUNNING")[0]
	bad := w.register("web", []string{"fail", "3"}, nil)
	out, err := w.ecs.UpdateService(w.Context, &api.UpdateServiceInput{Cluster: new("demo"), Service: "web", TaskDefinition: &bad})
	w.must(err)
	record := *out.Service.CurrentServiceDeployment
	var d api.ServiceDeployment
	w.await("the rollback", func() bool {
		out, err := w.ecs.DescribeServiceDeployments(w.Context, &api.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{record}})
		w.must(err)
		d = out.ServiceDeployments[0]
		return *d.Status == "ROLLBACK_SUCCESSFUL"
	})
	if got := wire.Value(d.StatusReason); got != "ECS deployment circuit breaker: tasks failed to start." {
		t.Errorf("reason %q", got)
	}
	v := w.awaitSteady("web")
	for _, want := range []string{"deployment failed: tasks failed to start.", "rolling back to deployment ecs-svc/", "Essential container in task exited; container web exited with code 3, its last output: cannot find my configuration"} {
		if !strings.Contains(events(v), want) {
			t.Errorf("no event %q in\n%s", want, events(v))
		}
	}
	if now := w.tasks("web", "RUNNING"); len(now) != 1 || *now[0].TaskArn != *first.TaskArn {
		t.Error("the task that served well was replaced")
	}
	failed := w.tasks("web", "STOPPED")
	if len(failed) != 3 {
		t.Errorf("%d tasks failed", len(failed))
	}
	for _, task := range failed {
		if *task.StopCode != "EssentialContainerExited" || *task.StoppedReason != "Essential container in task exited" || *task.Containers[0].ExitCode != 3 {
			t.Errorf("%+v", task)
		}
	}
}

func TestAnImageThatIsNotToBeHadFailsTheDeployment(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	definition := w.register("web", nil, func(in *api.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].Image = new("000000000000.dkr.ecr.us-east-1.amazonaws.com/nothing/here:1")
	})
	w.create("web", definition, 1, nil)
	var v api.Service
	w.await("the failure", func() bool { v = w.service("web"); return *v.Deployments[0].RolloutState == "FAILED" })
	if *v.Deployments[0].FailedTasks != 3 {
		t.Errorf("%d tasks failed", *v.Deployments[0].FailedTasks)
	}
	if !strings.Contains(events(v), "CannotPullContainerError: pull image "+w.Address()+"/000000000000/us-east-1/nothing/here:1") {
		t.Errorf("no reason in\n%s", events(v))
	}
	w.await("the end of a task", func() bool {
		all := w.tasks("web", "STOPPED")
		return len(all) > 0 && wire.Value(all[0].LastStatus) == "STOPPED" && *all[0].StopCode == "TaskFailedToStart"
	})
}

func TestAServerThatIsNotWellFailsTheDeployment(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	group, _ := w.balancer("ill")
	definition := w.register("web", nil, func(in *api.RegisterTaskDefinitionInput) {
		in.ContainerDefinitions[0].Environment = append(in.ContainerDefinitions[0].Environment, api.KeyValuePair{Name: new("HEALTH"), Value: new("500")})
	})
	w.create("web", definition, 3, behind(group))
	var v api.Service
	w.await("the failure", func() bool { v = w.service("web"); return *v.Deployments[0].RolloutState == "FAILED" })
	for _, want := range []string{"is unhealthy in (target-group " + group + ") due to (reason Health checks failed with these codes: [500])", "Task failed ELB health checks in (target-group " + group + ")"} {
		if !strings.Contains(events(v), want) {
			t.Errorf("no event %q in\n%s", want, events(v))
		}
	}
}

func TestDeletingAServiceStopsItsTasks(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	w.create("web", w.register("web", nil, nil), 1, nil)
	w.awaitSteady("web")
	_, err := w.ecs.DeleteService(w.Context, &api.DeleteServiceInput{Cluster: new("demo"), Service: "web"})
	if !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("unforced: %v", err)
	}
	_, err = w.ecs.DeleteService(w.Context, &api.DeleteServiceInput{Cluster: new("demo"), Service: "web", Force: new(true)})
	w.must(err)
	w.await("the end of the service", func() bool { return *w.service("web").Status == "INACTIVE" })
	list, err := w.engine.List(w.Context, map[string]string{"dev.slipway.region": "us-east-1"})
	w.must(err)
	for _, c := range list {
		for _, task := range w.tasks("web", "STOPPED") {
			if strings.HasSuffix(*task.TaskArn, c.Labels["dev.slipway.task"]) {
				t.Errorf("container %s is left", c.Name)
			}
		}
	}
	w.create("web", w.register("web", nil, nil), 1, nil) // the name is free again
	w.awaitSteady("web")
}

func TestNoRequestFailsWhileAServiceIsDeployed(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	group, host := w.balancer("busy")
	w.create("web", w.register("web", nil, nil), 2, behind(group))
	w.awaitSteady("web")
	ctx, stop := context.WithCancel(w.Context)
	var clients sync.WaitGroup
	var served, failed atomic.Int64
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if status, err := w.request(host); err != nil || status != http.StatusOK {
					failed.Add(1)
					t.Logf("status %d, %v", status, err)
				}
				served.Add(1)
			}
		})
	}
	for range 3 {
		_, err := w.ecs.UpdateService(w.Context, &api.UpdateServiceInput{Cluster: new("demo"), Service: "web", ForceNewDeployment: new(true)})
		w.must(err)
		w.awaitSteady("web")
	}
	stop()
	clients.Wait()
	if failed.Load() > 0 || served.Load() < 100 {
		t.Errorf("%d of %d requests failed", failed.Load(), served.Load())
	}
}

func (w *world) request(host string) (int, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+w.Address()+"/", nil)
	if err != nil {
		return 0, err
	}
	request.Host = host
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
