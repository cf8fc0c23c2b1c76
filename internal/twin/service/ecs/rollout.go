package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// rollout is the lasting record of a deployment: AWS's service deployment.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
type rollout struct{ api.ServiceDeployment }

// revision is a service revision: an unchanging record of what a deployment deploys.
type revision struct{ api.ServiceRevision }

var (
	serviceDeployments = &store.Table[rollout]{Name: "ecs_service_deployments", By: func(r rollout) string { return wire.Value(r.ServiceArn) }}
	revisions          = &store.Table[revision]{Name: "ecs_service_revisions", By: func(r revision) string { return wire.Value(r.ServiceArn) }}
)

// document is a value as JSON, for comparison.
func document(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (s *Service) newRevision(ctx context.Context, tx *store.Tx, v service, now time.Time) (revision, error) {
	w := v.Wanted
	arn := operation.ARN(ctx, "ecs", fmt.Sprintf("service-revision/%s/%s/%019d", v.Cluster, v.Name, rand.Int64()))
	r := revision{api.ServiceRevision{ServiceRevisionArn: &arn, ServiceArn: &v.ARN, ClusterArn: new(operation.ARN(ctx, "ecs", "cluster/"+v.Cluster)), CreatedAt: &now,
		TaskDefinition: &w.Definition, LaunchType: wire.Maybe(w.LaunchType), CapacityProviderStrategy: w.Strategy, PlatformVersion: wire.Maybe(w.Platform),
		NetworkConfiguration: w.Network, LoadBalancers: w.LoadBalancers, ServiceRegistries: w.Registries, ContainerImages: []api.ContainerImage{}, GuardDutyEnabled: new(false)}}
	d, err := s.definition(ctx, tx, w.Definition)
	if err != nil {
		return r, err
	}
	for _, c := range d.ContainerDefinitions {
		r.ContainerImages = append(r.ContainerImages, api.ContainerImage{ContainerName: c.Name, Image: c.Image})
	}
	return r, revisions.Put(tx, s.key(ctx, shortName(arn)), r)
}

func (s *Service) newRecord(ctx context.Context, tx *store.Tx, v service, d deployment) (string, error) {
	arn := operation.ARN(ctx, "ecs", fmt.Sprintf("service-deployment/%s/%s/%s", v.Cluster, v.Name, randomText(21)))
	enabled, _ := v.breaker()
	r := rollout{api.ServiceDeployment{ServiceDeploymentArn: &arn, ServiceArn: &v.ARN, ClusterArn: new(operation.ARN(ctx, "ecs", "cluster/"+v.Cluster)),
		CreatedAt: &d.Created, StartedAt: &d.Created, UpdatedAt: &d.Created, Status: new(inProgress), DeploymentConfiguration: &v.Rules,
		TargetServiceRevision:    &api.ServiceRevisionSummary{Arn: &d.Revision, RequestedTaskCount: &v.Desired, RunningTaskCount: new(0), PendingTaskCount: new(0)},
		SourceServiceRevisions:   []api.ServiceRevisionSummary{},
		DeploymentCircuitBreaker: &api.ServiceDeploymentCircuitBreaker{Status: new(map[bool]string{true: "MONITORING", false: "DISABLED"}[enabled]), FailureCount: new(0), Threshold: new(v.threshold())}}}
	for _, old := range v.Deployments {
		r.SourceServiceRevisions = append(r.SourceServiceRevisions, api.ServiceRevisionSummary{Arn: new(old.Revision), RequestedTaskCount: new(0), RunningTaskCount: new(0), PendingTaskCount: new(0)})
		if err := s.changeRecord(ctx, tx, old.Record, func(r *rollout) {
			if *r.Status == inProgress {
				r.finish("STOPPED", "A new deployment was started.", d.Created)
			}
		}); err != nil {
			return "", err
		}
	}
	return arn, serviceDeployments.Put(tx, s.key(ctx, shortName(arn)), r)
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

func randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

func (r *rollout) finish(status, reason string, now time.Time) {
	r.Status, r.StatusReason, r.FinishedAt, r.UpdatedAt = &status, wire.Maybe(reason), &now, &now
}

func (s *Service) changeRecord(ctx context.Context, tx *store.Tx, arn string, f func(r *rollout)) error {
	r, err := serviceDeployments.Get(tx, s.key(ctx, shortName(arn)))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	before := document(r)
	f(&r)
	if document(r) == before {
		return nil
	}
	return serviceDeployments.Put(tx, s.key(ctx, shortName(arn)), r)
}

// recordProgress carries what the scheduler made of a service's deployments over into their records.
func (s *Service) recordProgress(ctx context.Context, tx *store.Tx, v service, tasks []task, now time.Time) error {
	p := v.primary()
	for _, d := range v.Deployments {
		count := tally(tasks, d.ID)
		err := s.changeRecord(ctx, tx, d.Record, func(r *rollout) {
			if *r.Status != inProgress && *r.Status != "ROLLBACK_IN_PROGRESS" {
				return
			}
			r.TargetServiceRevision.RunningTaskCount, r.TargetServiceRevision.PendingTaskCount, r.TargetServiceRevision.RequestedTaskCount = &count.running, &count.pending, new(v.share(d))
			r.DeploymentCircuitBreaker.FailureCount = &d.Failed
			d.record(r, *p, now)
		})
		if err != nil {
			return err
		}
	}
	if p == nil || p.Undoes == "" {
		return nil
	}
	return s.changeRecord(ctx, tx, p.Undoes, func(r *rollout) { p.recordUndoing(r, now) })
}

// record writes the outcome of a deployment down.
func (d deployment) record(r *rollout, primary deployment, now time.Time) {
	switch {
	case d.State == completed:
		r.finish("SUCCESSFUL", "", now)
	case d.State == failed && primary.Undoes != d.Record:
		r.finish("STOPPED", d.Reason, now)
		r.DeploymentCircuitBreaker.Status = new("TRIGGERED")
	}
}

// recordUndoing writes into the record of a failed deployment how the one that replaces it gets on.
func (d deployment) recordUndoing(r *rollout, now time.Time) {
	if *r.Status == inProgress {
		r.Status, r.StatusReason, r.UpdatedAt = new("ROLLBACK_IN_PROGRESS"), &d.Because, &now
		r.Rollback = &api.Rollback{Reason: new("Service deployment rolled back because the circuit breaker threshold was exceeded."), ServiceRevisionArn: &d.Revision, StartedAt: &now}
		r.DeploymentCircuitBreaker.Status = new("TRIGGERED")
	}
	if *r.Status == "ROLLBACK_IN_PROGRESS" && d.State != inProgress {
		r.finish(map[bool]string{true: "ROLLBACK_SUCCESSFUL", false: "ROLLBACK_FAILED"}[d.State == completed], wire.Value(r.StatusReason), now)
	}
}

// DescribeServiceDeployments describes service deployments by ARN.
func (s *Service) DescribeServiceDeployments(ctx context.Context, in *api.DescribeServiceDeploymentsInput) (*api.DescribeServiceDeploymentsOutput, error) {
	out := &api.DescribeServiceDeploymentsOutput{ServiceDeployments: []api.ServiceDeployment{}, Failures: []api.Failure{}}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, arn := range in.ServiceDeploymentArns {
			r, err := serviceDeployments.Get(tx, s.key(ctx, shortName(arn)))
			if errors.Is(err, store.ErrNotFound) {
				out.Failures = append(out.Failures, missing(arn))
				continue
			}
			if err != nil {
				return err
			}
			out.ServiceDeployments = append(out.ServiceDeployments, r.ServiceDeployment)
		}
		return nil
	})
}

// ListServiceDeployments lists a service's deployments, the latest first.
func (s *Service) ListServiceDeployments(ctx context.Context, in *api.ListServiceDeploymentsInput) (*api.ListServiceDeploymentsOutput, error) {
	var all []rollout
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err := s.find(ctx, tx, in.Cluster, in.Service)
		if err != nil {
			return err
		}
		k := s.key(ctx, "")
		all, err = serviceDeployments.ListBy(tx, k.Account, k.Region, v.ARN)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b rollout) int {
		return cmp.Or(b.CreatedAt.Compare(*a.CreatedAt), cmp.Compare(*a.ServiceDeploymentArn, *b.ServiceDeploymentArn))
	})
	list := []api.ServiceDeploymentBrief{}
	for _, r := range all {
		if len(in.Status) > 0 && !slices.Contains(in.Status, *r.Status) || in.CreatedAt != nil && !within(*r.CreatedAt, *in.CreatedAt) {
			continue
		}
		list = append(list, api.ServiceDeploymentBrief{ServiceDeploymentArn: r.ServiceDeploymentArn, ServiceArn: r.ServiceArn, ClusterArn: r.ClusterArn, CreatedAt: r.CreatedAt,
			StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Status: r.Status, StatusReason: r.StatusReason, TargetServiceRevisionArn: r.TargetServiceRevision.Arn})
	}
	list, next, err := page.Cut(list, in.NextToken, in.MaxResults, 20, "InvalidParameterException")
	return &api.ListServiceDeploymentsOutput{ServiceDeployments: list, NextToken: next}, err
}

func within(t time.Time, span api.CreatedAt) bool {
	return (span.After == nil || t.After(*span.After)) && (span.Before == nil || t.Before(*span.Before))
}

// DescribeServiceRevisions describes service revisions by ARN.
func (s *Service) DescribeServiceRevisions(ctx context.Context, in *api.DescribeServiceRevisionsInput) (*api.DescribeServiceRevisionsOutput, error) {
	out := &api.DescribeServiceRevisionsOutput{ServiceRevisions: []api.ServiceRevision{}, Failures: []api.Failure{}}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, arn := range in.ServiceRevisionArns {
			r, err := revisions.Get(tx, s.key(ctx, shortName(arn)))
			if errors.Is(err, store.ErrNotFound) {
				out.Failures = append(out.Failures, missing(arn))
				continue
			}
			if err != nil {
				return err
			}
			out.ServiceRevisions = append(out.ServiceRevisions, r.ServiceRevision)
		}
		return nil
	})
}

// StopServiceDeployment ends a deployment that is under way and brings the last completed one back.
func (s *Service) StopServiceDeployment(ctx context.Context, in *api.StopServiceDeploymentInput) (*api.StopServiceDeploymentOutput, error) {
	if wire.Value(in.StopType) == "ABORT" {
		return nil, invalidf("The stop type ABORT is not supported yet by the twin: use ROLLBACK.")
	}
	return &api.StopServiceDeploymentOutput{ServiceDeploymentArn: &in.ServiceDeploymentArn}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := serviceDeployments.Get(tx, s.key(ctx, shortName(in.ServiceDeploymentArn)))
		if errors.Is(err, store.ErrNotFound) {
			return wire.Errorf("ServiceDeploymentNotFoundException", "The service deployment %s could not be found.", in.ServiceDeploymentArn)
		}
		if err != nil {
			return err
		}
		v, err := s.find(ctx, tx, r.ClusterArn, *r.ServiceArn)
		if err != nil {
			return err
		}
		p := v.primary()
		if p == nil || p.Record != *r.ServiceDeploymentArn || p.State != inProgress {
			return wire.Errorf("ConflictException", "The service deployment is not in progress.")
		}
		if v.Completed == nil {
			return wire.Errorf("ConflictException", "There is no completed service deployment to roll back to.")
		}
		now := s.Clock.Now()
		p.State, p.Reason, p.Updated = failed, "Service deployment was stopped by the user.", now
		v.rollBack(now, fmt.Sprintf("Service deployment stopped: rolling back to deploymentId %s.", v.Completed.ID))
		v.note(now, fmt.Sprintf("(service %s) rolling back to deployment %s.", v.Name, v.Completed.ID))
		if err := s.recordProgress(ctx, tx, v, nil, now); err != nil {
			return err
		}
		return services.Put(tx, s.key(ctx, v.id()), v)
	})
}

// rollBack makes the last completed deployment the primary one again.
func (v *service) rollBack(now time.Time, reason string) {
	back := *v.Completed
	undone := v.primary()
	back.State, back.Reason, back.Updated, back.Undoes, back.Because = inProgress, reason, now, undone.Record, undone.Reason
	back.Failed, back.Streak, back.NotBefore = 0, 0, time.Time{}
	others := slices.DeleteFunc(slices.Clone(v.Deployments), func(o deployment) bool { return o.ID == back.ID })
	v.Deployments = append([]deployment{back}, others...)
	v.Wanted, v.Steady = back.Config, false
}
