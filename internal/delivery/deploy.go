package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway.dev/internal/blueprint"
)

// deploy brings up the service's stack with an image. The other stacks of the service are there.
func (p *Project) deploy(ctx context.Context, env string, image *Image) (*Deployment, error) {
	facts, balancer, err := p.serviceFacts(ctx, env, image)
	if err != nil {
		return nil, err
	}
	stacks, err := blueprint.Service(p.Manifest, env, facts)
	if err != nil {
		return nil, err
	}
	stack := stacks[len(stacks)-1]
	if err := p.upsertWatched(ctx, env, stack); err != nil {
		return nil, err
	}
	d := &Deployment{Environment: env, Service: p.Manifest.Service.Name, Revision: image.Tag, Image: image.Reference}
	if p.Manifest.Service.Exposed() {
		d.URL = p.Target.serviceURL(balancer.Outputs["BaseUrl"], p.Manifest.Service)
	}
	return d, nil
}

// upsertWatched upserts the service's stack, watches its tasks meanwhile, and tells why they failed where they did.
func (p *Project) upsertWatched(ctx context.Context, env string, stack blueprint.Stack) error {
	w := p.watchTasks(ctx, env)
	_, err := p.Upsert(ctx, stack)
	w.stop()
	var failed *StackError
	if errors.As(err, &failed) {
		return &DeployError{Stack: failed, Diagnosis: w.diagnosis()}
	}
	return err
}

// serviceFacts reads from the environment what the service's stack depends on.
func (p *Project) serviceFacts(ctx context.Context, env string, image *Image) (blueprint.Facts, *Stack, error) {
	facts := p.facts()
	facts.Image = image.Reference
	if image.Tag != "" {
		facts.Revision = image.Tag
	}
	cluster, err := p.ready(ctx, blueprint.KindEnvironment, env)
	if err != nil {
		return facts, nil, err
	}
	facts.Provider = cluster.Tag("provider")
	balancer, err := p.ready(ctx, blueprint.KindLoadBalancer, env)
	if err != nil {
		return facts, nil, err
	}
	deployed, err := p.settle(ctx, p.name(blueprint.KindService, p.Manifest.Service.Name, env))
	if err != nil {
		return facts, nil, err
	}
	if facts.NextPriority, err = p.priority(ctx, balancer.Outputs["ElbHttpListenerArn"], p.Manifest.Service, deployed); err != nil {
		return facts, nil, err
	}
	if err := p.settleArchitecture(ctx, image, deployed); err != nil {
		return facts, nil, err
	}
	facts.CPUArchitecture = image.Architecture
	if deployed.exists() {
		facts.CurrentCount, err = p.currentCount(ctx, env)
	}
	return facts, balancer, err
}

// ready waits for a stack of the environment and returns it.
func (p *Project) ready(ctx context.Context, kind blueprint.Kind, env string) (*Stack, error) {
	name := p.name(kind, env)
	s, err := p.settle(ctx, name)
	if err != nil {
		return nil, err
	}
	if !s.exists() || s.isHusk() {
		return nil, fmt.Errorf("the environment %s is not up (%w: %s): run slipway env up %s, or slipway up", env, ErrNoStack, name, env)
	}
	return s, nil
}

// currentCount is how many tasks the deployed service wants; nil when there is none.
func (p *Project) currentCount(ctx context.Context, env string) (*int, error) {
	s, err := p.ecsService(ctx, p.Manifest.Service.Name, env)
	if err != nil || s == nil {
		return nil, err
	}
	return new(int(s.DesiredCount)), nil
}

// ecsService reads the service as ECS has it; nil when there is none that is active.
func (p *Project) ecsService(ctx context.Context, service, env string) (*ecstypes.Service, error) {
	cluster, name := p.cluster(env), p.ecsName(service, env)
	out, err := p.Target.Clients.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
	var noCluster *ecstypes.ClusterNotFoundException
	if errors.As(err, &noCluster) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe service %s: %w", name, err)
	}
	for i := range out.Services {
		if aws.ToString(out.Services[i].Status) != "INACTIVE" {
			return &out.Services[i], nil
		}
	}
	return nil, nil
}

// cluster is the name of the environment's cluster: that of its stack.
func (p *Project) cluster(env string) string { return p.name(blueprint.KindEnvironment, env) }

// ecsName is the name of a service in ECS.
func (p *Project) ecsName(service, env string) string {
	return p.Manifest.Namespace + "-" + service + "-" + env
}
