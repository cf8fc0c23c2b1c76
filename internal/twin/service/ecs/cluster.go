package ecs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	active   = "ACTIVE"
	inactive = "INACTIVE"
	draining = "DRAINING"
)

// cluster is a cluster as it is kept. A deleted one stays, INACTIVE, as at AWS.
type cluster struct {
	Name          string
	ARN           string
	Status        string
	Settings      []api.ClusterSetting
	Configuration *api.ClusterConfiguration
	Namespace     string // Service Connect's default
	Providers     []string
	Strategy      []api.CapacityProviderStrategyItem
	Tags          map[string]string
}

var clusters = &store.Table[cluster]{Name: "ecs_clusters"}

var errNoCluster = wire.Errorf("ClusterNotFoundException", "Cluster not found.")

// shortName takes the name out of an ARN ("…:cluster/demo", "…:service/demo/web"), or a name as it is.
func shortName(nameOrARN string) string {
	return nameOrARN[strings.LastIndex(nameOrARN, "/")+1:]
}

func clusterName(given *string) string { return cmp.Or(shortName(wire.Value(given)), "default") }

// cluster returns an active cluster, given by name or ARN; without one it is the one named default.
func (s *Service) cluster(ctx context.Context, tx *store.Tx, given *string) (cluster, error) {
	c, err := clusters.Get(tx, s.key(ctx, clusterName(given)))
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Status != active {
		return c, errNoCluster
	}
	return c, err
}

// CreateCluster makes a cluster, or returns the one of that name.
func (s *Service) CreateCluster(ctx context.Context, in *api.CreateClusterInput) (*api.CreateClusterOutput, error) {
	name := cmp.Or(wire.Value(in.ClusterName), "default")
	c := cluster{Name: name, ARN: operation.ARN(ctx, "ecs", "cluster/"+name), Status: active, Settings: in.Settings, Configuration: in.Configuration,
		Providers: in.CapacityProviders, Strategy: in.DefaultCapacityProviderStrategy, Tags: tagMap(in.Tags)}
	if in.ServiceConnectDefaults != nil {
		c.Namespace = in.ServiceConnectDefaults.Namespace
	}
	if len(c.Settings) == 0 {
		c.Settings = []api.ClusterSetting{{Name: new("containerInsights"), Value: new("disabled")}}
	}
	var out *api.Cluster
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if have, err := s.cluster(ctx, tx, &name); err == nil {
			out, err = s.describeCluster(ctx, tx, have, nil)
			return err
		}
		if err := s.checkProviders(ctx, tx, c.Providers, c.Strategy); err != nil {
			return err
		}
		if err := clusters.Put(tx, s.key(ctx, name), c); err != nil {
			return err
		}
		var err error
		out, err = s.describeCluster(ctx, tx, c, []string{"TAGS", "SETTINGS", "CONFIGURATIONS"})
		return err
	})
	return &api.CreateClusterOutput{Cluster: out}, err
}

// changeCluster applies f to a cluster and describes what became of it.
func (s *Service) changeCluster(ctx context.Context, name string, f func(ctx context.Context, tx *store.Tx, c *cluster) error) (out *api.Cluster, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.cluster(ctx, tx, &name)
		if err != nil {
			return err
		}
		if err := f(ctx, tx, &c); err != nil {
			return err
		}
		if err := clusters.Put(tx, s.key(ctx, c.Name), c); err != nil {
			return err
		}
		out, err = s.describeCluster(ctx, tx, c, []string{"SETTINGS", "CONFIGURATIONS", "TAGS"})
		return err
	})
	return out, err
}

// UpdateCluster changes settings, configuration and Service Connect's default namespace.
func (s *Service) UpdateCluster(ctx context.Context, in *api.UpdateClusterInput) (*api.UpdateClusterOutput, error) {
	out, err := s.changeCluster(ctx, in.Cluster, func(_ context.Context, _ *store.Tx, c *cluster) error {
		mergeSettings(c, in.Settings)
		if in.Configuration != nil {
			c.Configuration = in.Configuration
		}
		if in.ServiceConnectDefaults != nil {
			c.Namespace = in.ServiceConnectDefaults.Namespace
		}
		return nil
	})
	return &api.UpdateClusterOutput{Cluster: out}, err
}

// UpdateClusterSettings changes settings.
func (s *Service) UpdateClusterSettings(ctx context.Context, in *api.UpdateClusterSettingsInput) (*api.UpdateClusterSettingsOutput, error) {
	out, err := s.changeCluster(ctx, in.Cluster, func(_ context.Context, _ *store.Tx, c *cluster) error {
		mergeSettings(c, in.Settings)
		return nil
	})
	return &api.UpdateClusterSettingsOutput{Cluster: out}, err
}

func mergeSettings(c *cluster, given []api.ClusterSetting) {
	for _, setting := range given {
		c.Settings = slices.DeleteFunc(c.Settings, func(have api.ClusterSetting) bool { return wire.Value(have.Name) == wire.Value(setting.Name) })
		c.Settings = append(c.Settings, setting)
	}
}

// PutClusterCapacityProviders replaces the cluster's capacity providers and its default strategy.
func (s *Service) PutClusterCapacityProviders(ctx context.Context, in *api.PutClusterCapacityProvidersInput) (*api.PutClusterCapacityProvidersOutput, error) {
	out, err := s.changeCluster(ctx, in.Cluster, func(ctx context.Context, tx *store.Tx, c *cluster) error {
		if err := s.checkProviders(ctx, tx, in.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
			return err
		}
		c.Providers, c.Strategy = in.CapacityProviders, in.DefaultCapacityProviderStrategy
		return nil
	})
	return &api.PutClusterCapacityProvidersOutput{Cluster: out}, err
}

// DescribeClusters describes clusters; INACTIVE ones are described, unknown ones are failures.
func (s *Service) DescribeClusters(ctx context.Context, in *api.DescribeClustersInput) (*api.DescribeClustersOutput, error) {
	out := &api.DescribeClustersOutput{Clusters: []api.Cluster{}, Failures: []api.Failure{}}
	names := in.Clusters
	if len(names) == 0 {
		names = []string{"default"}
	}
	return out, s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, name := range names {
			c, err := clusters.Get(tx, s.key(ctx, shortName(name)))
			if errors.Is(err, store.ErrNotFound) {
				out.Failures = append(out.Failures, missing(operation.ARN(ctx, "ecs", "cluster/"+shortName(name))))
				continue
			}
			if err != nil {
				return err
			}
			described, err := s.describeCluster(ctx, tx, c, in.Include)
			if err != nil {
				return err
			}
			out.Clusters = append(out.Clusters, *described)
		}
		return nil
	})
}

func missing(arn string) api.Failure { return api.Failure{Arn: &arn, Reason: new("MISSING")} }

func (s *Service) describeCluster(ctx context.Context, tx *store.Tx, c cluster, include []string) (*api.Cluster, error) {
	out := &api.Cluster{ClusterArn: &c.ARN, ClusterName: &c.Name, Status: &c.Status, CapacityProviders: emptyFor(c.Providers),
		DefaultCapacityProviderStrategy: emptyFor(c.Strategy), Statistics: []api.KeyValuePair{}, Settings: []api.ClusterSetting{}, Tags: []api.Tag{}}
	if c.Namespace != "" {
		out.ServiceConnectDefaults = &api.ClusterServiceConnectDefaults{Namespace: &c.Namespace}
	}
	if slices.Contains(include, "TAGS") {
		out.Tags = tagList(c.Tags)
	}
	if slices.Contains(include, "SETTINGS") {
		out.Settings = emptyFor(c.Settings)
	}
	if slices.Contains(include, "CONFIGURATIONS") {
		out.Configuration = c.Configuration
	}
	all, err := s.tasksOf(ctx, tx, c.Name)
	if err != nil {
		return nil, err
	}
	running, pending := 0, 0
	for _, t := range all {
		switch t.Last {
		case taskRunning:
			running++
		case taskPending, taskProvisioning, taskActivating:
			pending++
		}
	}
	served, err := s.servicesOf(ctx, tx, c.Name)
	if err != nil {
		return nil, err
	}
	instances, err := s.instancesOf(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	services := len(slices.DeleteFunc(served, func(v service) bool { return v.Status != active }))
	out.RunningTasksCount, out.PendingTasksCount, out.ActiveServicesCount = &running, &pending, &services
	out.RegisteredContainerInstancesCount = new(len(instances))
	return out, nil
}

// emptyFor makes a list that is there, if empty: AWS's answers say [] where nothing is.
func emptyFor[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ListClusters lists the ARNs of active clusters.
func (s *Service) ListClusters(ctx context.Context, in *api.ListClustersInput) (*api.ListClustersOutput, error) {
	arns := []string{}
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := s.key(ctx, "")
		all, err := clusters.List(tx, k.Account, k.Region)
		for _, c := range all {
			if c.Status == active {
				arns = append(arns, c.ARN)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page.Cut(arns, in.NextToken, in.MaxResults, 100, "InvalidParameterException")
	return &api.ListClustersOutput{ClusterArns: arns, NextToken: next}, err
}

// DeleteCluster makes a cluster INACTIVE. Services and tasks in it forbid that.
func (s *Service) DeleteCluster(ctx context.Context, in *api.DeleteClusterInput) (*api.DeleteClusterOutput, error) {
	out, err := s.changeCluster(ctx, in.Cluster, func(ctx context.Context, tx *store.Tx, c *cluster) error {
		served, err := s.servicesOf(ctx, tx, c.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(served, func(v service) bool { return v.Status != inactive }) {
			return wire.Errorf("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
		}
		all, err := s.tasksOf(ctx, tx, c.Name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(t task) bool { return t.Last != taskStopped }) {
			return wire.Errorf("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
		}
		c.Status = inactive
		return nil
	})
	return &api.DeleteClusterOutput{Cluster: out}, err
}
