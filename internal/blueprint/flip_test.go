package blueprint_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/cfn"
)

// base is the manifest most tests change: a web service on Fargate.
const base = `
environments:
  - name: dev
    provider: ecs-fargate
service:
  name: hello
  pathPatterns: [/*]
`

// ecsBase is the same on instances.
const ecsBase = `
environments:
  - name: dev
    provider: ecs
service:
  name: hello
  pathPatterns: [/*]
`

// flip changes a manifest; want are the properties and resources that may
// differ in what CloudFormation makes of it.
type flip struct {
	name   string
	base   string
	change func(string) string
	want   []string
}

// Where the properties are.
const (
	service  = "mu-service-hello-dev/EcsService"
	task     = "mu-service-hello-dev/MicroserviceTaskDefinition"
	target   = "mu-service-hello-dev/ElbTargetGroup"
	pathRule = "mu-service-hello-dev/ElbHttpPathListenerRule"
	hostRule = "mu-service-hello-dev/ElbHttpHostListenerRule"
	scaling  = "mu-service-hello-dev/CPUUtilizationPolicyTarget"
	policy   = "mu-service-hello-dev/CPUUtilizationPolicy"
	image    = "/ContainerDefinitions/0"
	hosts    = "mu-environment-dev/ContainerInstances/LaunchTemplateData"
	group    = "mu-environment-dev/EcsAutoScalingGroup"
	provider = "mu-environment-dev/CapacityProvider/AutoScalingGroupProvider/ManagedScaling"
)

func inService(key string) func(string) string {
	return func(source string) string { return source + "  " + key + "\n" }
}

func inEnvironment(key string) func(string) string {
	return func(source string) string { return strings.Replace(source, "service:\n", "    "+key+"\nservice:\n", 1) }
}

func inFile(section string) func(string) string {
	return func(source string) string { return source + section + "\n" }
}

func swap(old, replacement string) func(string) string {
	return func(source string) string { return strings.Replace(source, old, replacement, 1) }
}

func runFlips(t *testing.T, flips []flip) {
	for _, f := range flips {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			before := evaluate(t, render(t, f.base, blueprint.Facts{}))
			after := evaluate(t, render(t, f.change(f.base), blueprint.Facts{}))
			slices.Sort(f.want)
			if diff := cmp.Diff(f.want, differences(before, after)); diff != "" {
				t.Errorf("changed properties (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlipService changes one key of the service.
func TestFlipService(t *testing.T) {
	t.Parallel()
	runFlips(t, []flip{
		{"desiredCount", base, inService("desiredCount: 1"), []string{service + "/DesiredCount"}},
		{"minSize", base, inService("minSize: 2"), []string{policy, scaling}},
		{"maxSize", base, inService("maxSize: 5"), []string{scaling + "/MaxCapacity"}},
		{"port", base, inService("port: 9000"), []string{
			service + "/LoadBalancers/0/ContainerPort",
			task + image + "/PortMappings/0/ContainerPort", task + image + "/PortMappings/0/HostPort",
			target + "/Port"}},
		{"protocol", base, inService("protocol: HTTPS"), []string{target + "/HealthCheckProtocol", target + "/Protocol"}},
		{"healthEndpoint", base, inService("healthEndpoint: /up"), []string{target + "/HealthCheckPath"}},
		{"cpu", base, inService("cpu: 300"), []string{task + image + "/Cpu", task + "/Cpu", task + "/Memory"}},
		{"cpu within the size", base, inService("cpu: 200"), []string{task + image + "/Cpu"}},
		{"memory", base, inService("memory: 600"), []string{task + image + "/Memory", task + "/Memory"}},
		{"cpu on instances", ecsBase, inService("cpu: 300"), []string{task + image + "/Cpu"}},
		{"networkMode", ecsBase, inService("networkMode: awsvpc"), []string{
			service + "/NetworkConfiguration", task + image + "/PortMappings/0/HostPort",
			task + "/NetworkMode", target + "/TargetType"}},
		{"networkMode on Fargate", base, inService("networkMode: awsvpc"), nil},
		{"networkMode host", ecsBase, inService("networkMode: host"), []string{
			task + image + "/PortMappings/0/HostPort", task + "/NetworkMode"}},
		{"assignPublicIp", base, inService("assignPublicIp: true"), []string{
			service + "/NetworkConfiguration/AwsvpcConfiguration/AssignPublicIp"}},
		{"environment", base, inService("environment: {COLOUR: blue}"), []string{task + image + "/Environment/1"}},
		{"pathPatterns", base, swap("[/*]", "[/a, /b/*]"), []string{
			pathRule + "/Conditions/0/PathPatternConfig/Values/0", pathRule + "/Conditions/0/PathPatternConfig/Values/1"}},
		{"hostPatterns", base, inService("hostPatterns: [a.example.com]"), []string{hostRule}},
		{"no patterns", base, swap("  pathPatterns: [/*]\n", ""), []string{
			service + "/HealthCheckGracePeriodSeconds", service + "/LoadBalancers",
			task + image + "/Environment/0", task + image + "/PortMappings", pathRule, target}},
		{"priority", base, inService("priority: 40"), []string{pathRule + "/Priority"}},
		{"deploymentStrategy rolling", base, inService("deploymentStrategy: rolling"), []string{
			service + "/DeploymentConfiguration/MaximumPercent", service + "/DeploymentConfiguration/MinimumHealthyPercent"}},
		{"deploymentStrategy replace", base, inService("deploymentStrategy: replace"), []string{
			service + "/DeploymentConfiguration/MaximumPercent", service + "/DeploymentConfiguration/MinimumHealthyPercent"}},
		{"deploymentStrategy blue_green", base, inService("deploymentStrategy: blue_green"), nil},
		{"targetCPUUtilization", base, inService("targetCPUUtilization: 50"), []string{
			policy + "/TargetTrackingScalingPolicyConfiguration/TargetValue"}},
		{"imageRepository", base, inService("imageRepository: nginx:1.29"), []string{
			"mu-repo-hello/EcsRepo", task + image + "/Image"}},
		{"dockerfile", base, inService("dockerfile: Dockerfile.prod"), nil},
	})
}

// TestFlipEnvironment changes one key of the environment, or an override.
func TestFlipEnvironment(t *testing.T) {
	t.Parallel()
	runFlips(t, []flip{
		{"loadbalancer.internal", base, inEnvironment("loadbalancer: {internal: true}"), []string{
			"mu-loadbalancer-dev/Elb/Scheme", "mu-vpc-dev/ElbDefaultRoute"}},
		{"cluster on Fargate", base, inEnvironment("cluster: {instanceType: m7i.large, maxSize: 4}"), nil},
		{"cluster.instanceType", ecsBase, inEnvironment("cluster: {instanceType: m7i.large}"), []string{hosts + "/InstanceType"}},
		{"cluster.instanceType with Graviton", ecsBase, inEnvironment("cluster: {instanceType: c6gn.large}"), []string{
			hosts + "/ImageId", hosts + "/InstanceType"}},
		{"cluster.imageId", ecsBase, inEnvironment("cluster: {imageId: ami-0123456789abcdef0}"), []string{hosts + "/ImageId"}},
		{"cluster.instanceTenancy", ecsBase, inEnvironment("cluster: {instanceTenancy: dedicated}"), []string{"mu-vpc-dev/VPC/InstanceTenancy"}},
		{"cluster.desiredCapacity", ecsBase, inEnvironment("cluster: {desiredCapacity: 2}"), []string{group + "/DesiredCapacity"}},
		{"cluster.minSize", ecsBase, inEnvironment("cluster: {minSize: 2, desiredCapacity: 2}"), []string{group + "/MinSize"}},
		{"cluster.maxSize", ecsBase, inEnvironment("cluster: {maxSize: 9}"), []string{group + "/MaxSize"}},
		{"cluster.keyName", ecsBase, inEnvironment("cluster: {keyName: ops}"), []string{hosts + "/KeyName"}},
		{"cluster.extraUserData", ecsBase, inEnvironment("cluster: {extraUserData: echo}"), []string{hosts + "/UserData"}},
		{"cluster.targetCPUReservation", ecsBase, inEnvironment("cluster: {targetCPUReservation: 50}"), []string{provider + "/TargetCapacity"}},
		{"cluster.targetMemoryReservation", ecsBase, inEnvironment("cluster: {targetMemoryReservation: 60}"), []string{provider + "/TargetCapacity"}},
		{"parameters", base, inFile("parameters: {mu-service-hello-dev: {StopTimeout: 90}}"), []string{task + image + "/StopTimeout"}},
		{"templates", base, inFile("templates: {mu-service-.*: {Parameters: {StopTimeout: {Default: 90}}}}"), []string{task + image + "/StopTimeout"}},
		{"tags", base, inFile("tags: {.*: {team: shop}}"), nil},
	})
}

// differences are the paths of the properties that differ, and the names of
// the resources that only one side has.
func differences(before, after evaluated) []string {
	var paths []string
	for id, properties := range before.resources {
		changed, ok := after.resources[id]
		if !ok {
			paths = append(paths, id)
			continue
		}
		for _, change := range cfn.DiffProperties(properties, changed) {
			paths = append(paths, id+change.Path)
		}
	}
	for id := range after.resources {
		if _, ok := before.resources[id]; !ok {
			paths = append(paths, id)
		}
	}
	slices.Sort(paths)
	return paths
}
