package ecs_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"slipway.dev/internal/twin/twintest"
)

func TestAWSsOwnClient(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	id, secret := w.RootKey()
	client := ecs.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://" + w.Address()), Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")})
	ctx := t.Context()
	_, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("demo"), Services: []string{"web"}})
	var noCluster *types.ClusterNotFoundException
	if !errors.As(err, &noCluster) {
		t.Errorf("without a cluster: %v", err)
	}
	made, err := client.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String("demo"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}})
	if err != nil || aws.ToString(made.Cluster.Status) != "ACTIVE" {
		t.Fatalf("%+v, %v", made, err)
	}
	registered, err := client.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("app"), Cpu: aws.String("256"), Memory: aws.String("0.5GB"),
		NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("web"), Image: aws.String("web:1"), PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if d := registered.TaskDefinition; d.Revision != 1 || aws.ToInt32(d.ContainerDefinitions[0].PortMappings[0].HostPort) != 80 || !aws.ToBool(d.ContainerDefinitions[0].Essential) || d.RegisteredAt == nil {
		t.Errorf("%+v", d)
	}
	tags, err := client.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: made.Cluster.ClusterArn})
	if err != nil || len(tags.Tags) != 1 || aws.ToString(tags.Tags[0].Value) != "red" {
		t.Errorf("%+v, %v", tags, err)
	}
	_, err = client.RunTask(ctx, &ecs.RunTaskInput{Cluster: aws.String("demo"), TaskDefinition: aws.String("app"), LaunchType: types.LaunchTypeFargate})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "InvalidParameterException" {
		t.Errorf("a task without a network: %v", err)
	}
}
