package ecs

import (
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

// provider is a capacity provider of the account's own. FARGATE and FARGATE_SPOT are AWS's and always there.
type provider struct {
	Name   string
	ARN    string
	Status string
	Group  *api.AutoScalingGroupProvider
	Tags   map[string]string
}

var providers = &store.Table[provider]{Name: "ecs_capacity_providers"}

var awsProviders = []string{"FARGATE", "FARGATE_SPOT"}

// inertProvider: instances of a group are recorded, so nothing is scaled, drained or protected.
var inertProvider = []string{"autoScalingGroupProvider.managedDraining", "autoScalingGroupProvider.managedScaling", "autoScalingGroupProvider.managedTerminationProtection"}

var errManagedInstances = wire.Errorf("UnsupportedFeatureException", "ECS Managed Instances are not supported yet by the twin: use autoScalingGroupProvider.")

// CreateCapacityProvider makes a capacity provider of an Auto Scaling group.
func (s *Service) CreateCapacityProvider(ctx context.Context, in *api.CreateCapacityProviderInput) (*api.CreateCapacityProviderOutput, error) {
	switch {
	case in.ManagedInstancesProvider != nil:
		return nil, errManagedInstances
	case in.AutoScalingGroupProvider == nil:
		return nil, wire.Errorf("ClientException", "The specified capacity provider must have an Auto Scaling group provider.")
	case slices.ContainsFunc([]string{"aws", "ecs", "fargate"}, func(p string) bool { return strings.HasPrefix(strings.ToLower(in.Name), p) }):
		return nil, wire.Errorf("ClientException", "The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with \"aws\", \"ecs\", or \"fargate\". Specify a valid name and try again.")
	}
	p := provider{Name: in.Name, ARN: operation.ARN(ctx, "ecs", "capacity-provider/"+in.Name), Status: active, Group: in.AutoScalingGroupProvider, Tags: tagMap(in.Tags)}
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if has, err := providers.Has(tx, s.key(ctx, in.Name)); has || err != nil {
			return errors.Join(err, wire.Errorf("ClientException", "The specified capacity provider already exists. To change the configuration of an existing capacity provider, update the capacity provider."))
		}
		return providers.Put(tx, s.key(ctx, in.Name), p)
	})
	return &api.CreateCapacityProviderOutput{CapacityProvider: p.describe(true)}, err
}

func (s *Service) provider(ctx context.Context, tx *store.Tx, nameOrARN string) (provider, error) {
	p, err := providers.Get(tx, s.key(ctx, shortName(nameOrARN)))
	if errors.Is(err, store.ErrNotFound) {
		return p, wire.Errorf("ClientException", "The specified capacity provider does not exist. Specify a valid name or ARN and try again.")
	}
	return p, err
}

// UpdateCapacityProvider changes what is recorded of a capacity provider.
func (s *Service) UpdateCapacityProvider(ctx context.Context, in *api.UpdateCapacityProviderInput) (*api.UpdateCapacityProviderOutput, error) {
	if in.ManagedInstancesProvider != nil {
		return nil, errManagedInstances
	}
	var p provider
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if p, err = s.provider(ctx, tx, in.Name); err != nil {
			return err
		}
		if given := in.AutoScalingGroupProvider; given != nil {
			p.Group = &api.AutoScalingGroupProvider{AutoScalingGroupArn: p.Group.AutoScalingGroupArn,
				ManagedDraining: given.ManagedDraining, ManagedScaling: given.ManagedScaling, ManagedTerminationProtection: given.ManagedTerminationProtection}
		}
		return providers.Put(tx, s.key(ctx, p.Name), p)
	})
	return &api.UpdateCapacityProviderOutput{CapacityProvider: p.describe(true)}, err
}

// DeleteCapacityProvider removes a capacity provider that no cluster uses.
func (s *Service) DeleteCapacityProvider(ctx context.Context, in *api.DeleteCapacityProviderInput) (*api.DeleteCapacityProviderOutput, error) {
	var p provider
	err := s.change(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if p, err = s.provider(ctx, tx, in.CapacityProvider); err != nil {
			return err
		}
		k := s.key(ctx, p.Name)
		all, err := clusters.List(tx, k.Account, k.Region)
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.Status == active && slices.Contains(c.Providers, p.Name) {
				return wire.Errorf("ClientException", "The specified capacity provider is in use and cannot be removed.")
			}
		}
		return providers.Delete(tx, k)
	})
	p.Status = inactive
	return &api.DeleteCapacityProviderOutput{CapacityProvider: p.describe(false)}, err
}

// DescribeCapacityProviders describes those named, else all.
func (s *Service) DescribeCapacityProviders(ctx context.Context, in *api.DescribeCapacityProvidersInput) (*api.DescribeCapacityProvidersOutput, error) {
	all := []provider{}
	for _, name := range awsProviders {
		all = append(all, provider{Name: name, ARN: operation.ARN(ctx, "ecs", "capacity-provider/"+name), Status: active})
	}
	err := s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := s.key(ctx, "")
		own, err := providers.List(tx, k.Account, k.Region)
		all = append(all, own...)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, failures := []api.CapacityProvider{}, []api.Failure{}
	for _, p := range all {
		if len(in.CapacityProviders) == 0 || slices.ContainsFunc(in.CapacityProviders, func(n string) bool { return shortName(n) == p.Name }) {
			found = append(found, *p.describe(slices.Contains(in.Include, "TAGS")))
		}
	}
	for _, name := range in.CapacityProviders {
		if !slices.ContainsFunc(all, func(p provider) bool { return p.Name == shortName(name) }) {
			failures = append(failures, missing(operation.ARN(ctx, "ecs", "capacity-provider/"+shortName(name))))
		}
	}
	found, next, err := page.Cut(found, in.NextToken, in.MaxResults, 10, "InvalidParameterException")
	return &api.DescribeCapacityProvidersOutput{CapacityProviders: found, Failures: failures, NextToken: next}, err
}

func (p provider) describe(tags bool) *api.CapacityProvider {
	out := &api.CapacityProvider{Name: &p.Name, CapacityProviderArn: &p.ARN, Status: &p.Status, AutoScalingGroupProvider: p.Group, Tags: []api.Tag{}}
	if tags {
		out.Tags = tagList(p.Tags)
	}
	return out
}

// checkProviders: each must exist, and a strategy may name no other.
func (s *Service) checkProviders(ctx context.Context, tx *store.Tx, names []string, strategy []api.CapacityProviderStrategyItem) error {
	for _, name := range names {
		if slices.Contains(awsProviders, name) {
			continue
		}
		if _, err := s.provider(ctx, tx, name); err != nil {
			return wire.Errorf("InvalidParameterException", "The specified capacity provider '%s' was not found. Specify a valid capacity provider and try again.", name)
		}
	}
	return checkStrategy(names, strategy)
}

func checkStrategy(names []string, strategy []api.CapacityProviderStrategyItem) error {
	bases := 0
	for _, item := range strategy {
		if !slices.Contains(names, item.CapacityProvider) {
			return wire.Errorf("InvalidParameterException", "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
		}
		if wire.Value(item.Base) > 0 {
			bases++
		}
	}
	if bases > 1 {
		return wire.Errorf("InvalidParameterException", "The specified capacity provider strategy can only have one capacity provider with a base. Remove a base and try again.")
	}
	return nil
}
