package ecs

import (
	"context"
	"fmt"
	"strings"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

func (s *Service) resources() []resource.Type {
	return []resource.Type{
		{Name: "AWS::ECS::Cluster", Fidelity: operation.Runs, Inert: []string{"Configuration", "ServiceConnectDefaults", "ClusterSettings"},
			Create: s.createClusterResource, Update: s.updateClusterResource, Delete: s.deleteClusterResource, Attributes: s.clusterAttributes},
		{Name: "AWS::ECS::TaskDefinition", Fidelity: operation.Runs, Inert: asProperties(inertDefinition),
			Create: s.createDefinitionResource, Update: s.retagResource, Delete: s.deleteDefinitionResource,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"TaskDefinitionArn": r.PhysicalID}, nil
			}},
		{Name: "AWS::ECS::Service", Fidelity: operation.Runs, Inert: asProperties(inertService),
			Create: s.createServiceResource, Update: s.updateServiceResource, Delete: s.deleteServiceResource,
			Settled: s.serviceSettled, Gone: s.serviceGone,
			Attributes: func(_ context.Context, r resource.Request) (map[string]any, error) {
				return map[string]any{"Name": shortName(r.PhysicalID), "ServiceArn": r.PhysicalID}, nil
			}},
		{Name: "AWS::ECS::CapacityProvider", Fidelity: operation.Runs, Inert: asProperties(inertProvider),
			Create: s.createProviderResource, Update: s.updateProviderResource, Delete: s.deleteProviderResource},
		{Name: "AWS::ECS::ClusterCapacityProviderAssociations", Fidelity: operation.Runs,
			Create: s.associate, Update: func(ctx context.Context, r resource.Request) error { _, err := s.associate(ctx, r); return err }, Delete: s.dissociate},
	}
}

// asProperties spells the API's member names as templates do.
func asProperties(members []string) (names []string) {
	for _, m := range members {
		parts := strings.Split(m, ".")
		for i, p := range parts {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
		names = append(names, strings.Join(parts, "."))
	}
	return names
}

func tagsOf(r resource.Request) []api.Tag {
	return resource.TagList(r.AllTags(), func(k, v string) api.Tag { return api.Tag{Key: &k, Value: &v} })
}

// retagResource makes the tags of what the physical id names those of the template.
func (s *Service) retagResource(ctx context.Context, r resource.Request) error {
	return s.retagARN(ctx, r.PhysicalID, r)
}

func (s *Service) retagARN(ctx context.Context, arn string, r resource.Request) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.tagged(ctx, tx, arn, func(tags map[string]string) {
			clear(tags)
			for k, v := range r.AllTags() {
				tags[k] = v
			}
		})
	})
}

func (s *Service) createClusterResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateClusterInput{}
	if err := r.Into(in, "Tags", "ClusterSettings"); err != nil {
		return "", err
	}
	if err := resource.Into(map[string]any{"Settings": r.Properties["ClusterSettings"]}, in); err != nil {
		return "", err
	}
	in.ClusterName, in.Tags = new(r.Name("ClusterName", 255)), tagsOf(r)
	_, err := s.CreateCluster(ctx, in)
	return *in.ClusterName, err
}

func (s *Service) updateClusterResource(ctx context.Context, r resource.Request) error {
	in := &api.UpdateClusterInput{}
	if err := r.Into(in, "Tags", "ClusterSettings", "ClusterName", "CapacityProviders", "DefaultCapacityProviderStrategy"); err != nil {
		return err
	}
	if err := resource.Into(map[string]any{"Settings": r.Properties["ClusterSettings"]}, in); err != nil {
		return err
	}
	in.Cluster = r.PhysicalID
	if _, err := s.UpdateCluster(ctx, in); err != nil {
		return err
	}
	put := &api.PutClusterCapacityProvidersInput{}
	chosen := map[string]any{}
	for _, name := range []string{"CapacityProviders", "DefaultCapacityProviderStrategy"} {
		if v, given := r.Properties[name]; given {
			chosen[name] = v
		}
	}
	if len(chosen) > 0 {
		if err := resource.Into(chosen, put); err != nil {
			return err
		}
		put.Cluster = r.PhysicalID
		if _, err := s.PutClusterCapacityProviders(ctx, put); err != nil {
			return err
		}
	}
	return s.retagARN(ctx, operation.ARN(ctx, "ecs", "cluster/"+r.PhysicalID), r)
}

func (s *Service) deleteClusterResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteCluster(ctx, &api.DeleteClusterInput{Cluster: r.PhysicalID})
	return resource.Absent(err, "ClusterNotFoundException")
}

func (s *Service) clusterAttributes(ctx context.Context, r resource.Request) (map[string]any, error) {
	return map[string]any{"Arn": operation.ARN(ctx, "ecs", "cluster/"+r.PhysicalID)}, nil
}

func (s *Service) createDefinitionResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.RegisterTaskDefinitionInput{}
	if err := r.Into(in, "Tags"); err != nil {
		return "", err
	}
	in.Family, in.Tags = r.Name("Family", 255), tagsOf(r)
	out, err := s.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.TaskDefinition.TaskDefinitionArn, nil
}

func (s *Service) deleteDefinitionResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeregisterTaskDefinition(ctx, &api.DeregisterTaskDefinitionInput{TaskDefinition: r.PhysicalID})
	return resource.Absent(err, "ClientException")
}

// placementOf: placement strategies are spelt otherwise in templates than in the API.
func placementOf(r resource.Request, into any) error {
	if v, given := r.Properties["PlacementStrategies"]; given {
		return resource.Into(map[string]any{"PlacementStrategy": v}, into)
	}
	return nil
}

func (s *Service) createServiceResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateServiceInput{}
	if err := r.Into(in, "Tags", "PlacementStrategies", "ForceNewDeployment"); err != nil {
		return "", err
	}
	if err := placementOf(r, in); err != nil {
		return "", err
	}
	in.ServiceName, in.Tags, in.ClientToken = r.Name("ServiceName", 255), tagsOf(r), new(r.Token)
	if in.DesiredCount == nil {
		in.DesiredCount = new(1)
	}
	out, err := s.CreateService(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.Service.ServiceArn, nil
}

func (s *Service) updateServiceResource(ctx context.Context, r resource.Request) error {
	in := &api.UpdateServiceInput{}
	if err := r.Into(in, "Tags", "PlacementStrategies", "ForceNewDeployment", "ServiceName", "LaunchType", "SchedulingStrategy", "Role"); err != nil {
		return err
	}
	if err := placementOf(r, in); err != nil {
		return err
	}
	in.Service, in.Cluster = r.PhysicalID, new(clusterOf(r.PhysicalID))
	if force, _ := r.Properties["ForceNewDeployment"].(map[string]any); force != nil && force["EnableForceNewDeployment"] == true {
		before, _ := r.Previous["ForceNewDeployment"].(map[string]any)
		in.ForceNewDeployment = new(document(before) != document(force))
	}
	if _, err := s.UpdateService(ctx, in); err != nil {
		return err
	}
	return s.retagARN(ctx, r.PhysicalID, r)
}

// clusterOf takes the cluster's name out of a service's ARN.
func clusterOf(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 3 {
		return "default"
	}
	return parts[1]
}

func (s *Service) deleteServiceResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteService(ctx, &api.DeleteServiceInput{Cluster: new(clusterOf(r.PhysicalID)), Service: r.PhysicalID, Force: new(true)})
	return resource.Absent(err, "ServiceNotFoundException", "ClusterNotFoundException", "ServiceNotActiveException")
}

func (s *Service) stackService(ctx context.Context, r resource.Request) (v service, err error) {
	err = s.view(ctx, func(ctx context.Context, tx *store.Tx) error {
		v, err = s.find(ctx, tx, new(clusterOf(r.PhysicalID)), r.PhysicalID)
		return err
	})
	return v, err
}

// serviceSettled waits for the deployment; one that failed, or was rolled back, fails the resource with the reason for people.
func (s *Service) serviceSettled(ctx context.Context, r resource.Request) (bool, error) {
	v, err := s.stackService(ctx, r)
	if err != nil {
		return false, err
	}
	p := v.primary()
	if p == nil {
		return true, nil
	}
	if p.State == failed || p.ID != v.Asked {
		text := "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
		if why := v.lastFailure(); why != "" {
			text += " " + why
		}
		return false, wire.Errorf("GeneralServiceException", "%s", text)
	}
	return p.State == completed && v.Steady, nil
}

// lastFailure is the latest event that says why a task failed.
func (v service) lastFailure() string {
	for _, e := range v.Events {
		if strings.Contains(e.Message, ") failed: ") {
			return e.Message
		}
	}
	return ""
}

func (s *Service) serviceGone(ctx context.Context, r resource.Request) (bool, error) {
	v, err := s.stackService(ctx, r)
	if wire.HasCode(err, "ServiceNotFoundException") || wire.HasCode(err, "ClusterNotFoundException") {
		return true, nil
	}
	return v.Status == inactive, err
}

func (s *Service) createProviderResource(ctx context.Context, r resource.Request) (string, error) {
	in := &api.CreateCapacityProviderInput{}
	if err := r.Into(in, "Tags"); err != nil {
		return "", err
	}
	in.Name, in.Tags = r.Name("Name", 255), tagsOf(r)
	_, err := s.CreateCapacityProvider(ctx, in)
	return in.Name, err
}

func (s *Service) updateProviderResource(ctx context.Context, r resource.Request) error {
	in := &api.UpdateCapacityProviderInput{Name: r.PhysicalID}
	given, _ := r.Properties["AutoScalingGroupProvider"].(map[string]any)
	changes := &api.AutoScalingGroupProviderUpdate{}
	if err := resource.Into(given, changes, "AutoScalingGroupArn"); err != nil {
		return err
	}
	in.AutoScalingGroupProvider = changes
	if _, err := s.UpdateCapacityProvider(ctx, in); err != nil {
		return err
	}
	return s.retagARN(ctx, operation.ARN(ctx, "ecs", "capacity-provider/"+r.PhysicalID), r)
}

func (s *Service) deleteProviderResource(ctx context.Context, r resource.Request) error {
	_, err := s.DeleteCapacityProvider(ctx, &api.DeleteCapacityProviderInput{CapacityProvider: r.PhysicalID})
	if e, internal := wire.AsError(err); err != nil && !internal && strings.Contains(e.Message, "does not exist") {
		return nil
	}
	return err
}

func (s *Service) associate(ctx context.Context, r resource.Request) (string, error) {
	in := &api.PutClusterCapacityProvidersInput{}
	if err := r.Into(in); err != nil {
		return "", err
	}
	if _, err := s.PutClusterCapacityProviders(ctx, in); err != nil {
		return "", fmt.Errorf("associate capacity providers with cluster %s: %w", in.Cluster, err)
	}
	return shortName(in.Cluster), nil
}

func (s *Service) dissociate(ctx context.Context, r resource.Request) error {
	_, err := s.PutClusterCapacityProviders(ctx, &api.PutClusterCapacityProvidersInput{Cluster: r.PhysicalID})
	return resource.Absent(err, "ClusterNotFoundException")
}
