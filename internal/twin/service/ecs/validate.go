package ecs

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/wire"
)

// The rules of task definitions:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html

var validFamily = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func clientf(format string, args ...any) error {
	return wire.Errorf("ClientException", format, args...)
}

func invalidf(format string, args ...any) error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func checkDefinition(in *api.RegisterTaskDefinitionInput) error {
	switch {
	case !validFamily.MatchString(in.Family):
		return clientf("Family contains invalid characters.")
	case len(in.ContainerDefinitions) == 0:
		return clientf("Container list cannot be empty.")
	case len(in.ContainerDefinitions) > 10:
		return clientf("Task definitions are limited to 10 containers.")
	}
	for _, v := range in.Volumes {
		if v.EfsVolumeConfiguration != nil || v.FsxWindowsFileServerVolumeConfiguration != nil || v.S3filesVolumeConfiguration != nil || wire.Value(v.ConfiguredAtLaunch) {
			return clientf("Volume %s: EFS, FSx, S3 and EBS volumes are not supported yet by the twin; host and docker volumes are.", wire.Value(v.Name))
		}
	}
	essential := false
	seen := map[string]bool{}
	for _, c := range in.ContainerDefinitions {
		if err := checkContainer(in, c); err != nil {
			return err
		}
		if seen[*c.Name] {
			return clientf("Container names must be unique within a task definition: %s.", *c.Name)
		}
		seen[*c.Name] = true
		essential = essential || c.Essential == nil || *c.Essential
	}
	if !essential {
		return clientf("A task definition must have at least one essential container.")
	}
	if err := checkDependencies(in.ContainerDefinitions); err != nil {
		return err
	}
	if slices.Contains(in.RequiresCompatibilities, "FARGATE") {
		return checkFargate(in)
	}
	return nil
}

func checkContainer(in *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	name := wire.Value(c.Name)
	switch {
	case name == "":
		return clientf("Container.name should not be null or empty.")
	case !validFamily.MatchString(name):
		return clientf("Container name contains invalid characters: %s.", name)
	case wire.Value(c.Image) == "":
		return clientf("Container.image should not be null or empty.")
	case in.Memory == nil && wire.Value(c.Memory) == 0 && wire.Value(c.MemoryReservation) == 0:
		return clientf("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", name)
	case c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation:
		return clientf("Invalid setting for container '%s'. The value for 'memory' must be greater than or equal to 'memoryReservation'.", name)
	case wire.Value(c.StopTimeout) < 0 || wire.Value(c.StartTimeout) < 0:
		return clientf("Invalid setting for container '%s'. Timeouts cannot be negative.", name)
	case len(c.Links) > 0 && cmp.Or(wire.Value(in.NetworkMode), "bridge") != "bridge":
		return clientf("Links are not supported when networkMode=%s.", wire.Value(in.NetworkMode))
	}
	for _, check := range []func(*api.RegisterTaskDefinitionInput, api.ContainerDefinition) error{checkPorts, checkHealthCheck, checkLog, checkMounts, checkSecrets} {
		if err := check(in, c); err != nil {
			return err
		}
	}
	return nil
}

func checkPorts(in *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	mode := cmp.Or(wire.Value(in.NetworkMode), map[bool]string{true: "awsvpc", false: "bridge"}[slices.Contains(in.RequiresCompatibilities, "FARGATE")])
	for _, p := range c.PortMappings {
		host, inside := wire.Value(p.HostPort), wire.Value(p.ContainerPort)
		switch {
		case p.ContainerPortRange != nil:
			return clientf("Invalid setting for container '%s': containerPortRange is not supported yet by the twin; list the ports.", *c.Name)
		case inside < 1 || inside > 65535 || host < 0 || host > 65535:
			return clientf("Invalid port mapping of container '%s': a port is a number from 1 to 65535.", *c.Name)
		case mode == "none":
			return clientf("Port mappings are not allowed when networkMode=none.")
		case (mode == "awsvpc" || mode == "host") && host != 0 && host != inside:
			return clientf("When networkMode=%s, the host ports and container ports in port mappings must match.", mode)
		case p.Protocol != nil && *p.Protocol != "tcp" && *p.Protocol != "udp":
			return clientf("Invalid protocol of container '%s': %s is not one of tcp, udp.", *c.Name, *p.Protocol)
		}
	}
	return nil
}

func checkHealthCheck(_ *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	h := c.HealthCheck
	if h == nil {
		return nil
	}
	if len(h.Command) == 0 || !slices.Contains([]string{"CMD", "CMD-SHELL", "NONE"}, h.Command[0]) {
		return clientf("Invalid healthCheck of container '%s': the command must begin with CMD or CMD-SHELL.", *c.Name)
	}
	for _, limit := range []struct {
		name      string
		value     *int
		low, high int
	}{{"interval", h.Interval, 5, 300}, {"timeout", h.Timeout, 2, 60}, {"retries", h.Retries, 1, 10}, {"startPeriod", h.StartPeriod, 0, 300}} {
		if limit.value != nil && (*limit.value < limit.low || *limit.value > limit.high) {
			return clientf("Invalid healthCheck of container '%s': %s must be from %d to %d, found %d.", *c.Name, limit.name, limit.low, limit.high, *limit.value)
		}
	}
	return nil
}

func checkLog(in *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	l := c.LogConfiguration
	if l == nil || l.LogDriver == "json-file" || l.LogDriver == "none" {
		return nil
	}
	if l.LogDriver != "awslogs" {
		return clientf("Log driver %s of container '%s' is not supported yet by the twin: awslogs and json-file are.", l.LogDriver, *c.Name)
	}
	for _, option := range []string{"awslogs-group", "awslogs-region"} {
		if l.Options[option] == "" {
			return clientf("Log driver awslogs requires options: awslogs-group, awslogs-region")
		}
	}
	if slices.Contains(in.RequiresCompatibilities, "FARGATE") && l.Options["awslogs-stream-prefix"] == "" {
		return clientf("Log driver awslogs requires option awslogs-stream-prefix for Fargate.")
	}
	return nil
}

func checkMounts(in *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	for _, m := range c.MountPoints {
		if !slices.ContainsFunc(in.Volumes, func(v api.Volume) bool { return wire.Value(v.Name) == wire.Value(m.SourceVolume) }) {
			return clientf("Unknown volume '%s'.", wire.Value(m.SourceVolume))
		}
	}
	for _, v := range c.VolumesFrom {
		if !slices.ContainsFunc(in.ContainerDefinitions, func(o api.ContainerDefinition) bool { return wire.Value(o.Name) == wire.Value(v.SourceContainer) }) {
			return clientf("Unknown container '%s' in volumesFrom.", wire.Value(v.SourceContainer))
		}
	}
	return nil
}

// checkSecrets refuses what could not be given to the container when it starts.
func checkSecrets(_ *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	for _, secret := range c.Secrets {
		if strings.Contains(secret.ValueFrom, ":secretsmanager:") {
			return clientf("Secret %s of container '%s': Secrets Manager is not supported yet by the twin; Systems Manager parameters are.", secret.Name, *c.Name)
		}
	}
	if len(c.EnvironmentFiles) > 0 {
		return clientf("Container '%s': environmentFiles are not supported yet by the twin; use environment.", *c.Name)
	}
	return nil
}

// checkDependencies: they name containers of the task, and do not go in circles.
func checkDependencies(list []api.ContainerDefinition) error {
	needs := map[string][]string{}
	for _, c := range list {
		for _, d := range c.DependsOn {
			i := slices.IndexFunc(list, func(o api.ContainerDefinition) bool { return wire.Value(o.Name) == d.ContainerName })
			if i < 0 {
				return clientf("Container '%s' depends on unknown container '%s'.", *c.Name, d.ContainerName)
			}
			if d.Condition == "HEALTHY" && list[i].HealthCheck == nil {
				return clientf("Container '%s' depends on '%s' being HEALTHY, but that has no healthCheck.", *c.Name, d.ContainerName)
			}
			if (d.Condition == "COMPLETE" || d.Condition == "SUCCESS") && (list[i].Essential == nil || *list[i].Essential) {
				return clientf("A container that others wait for to be %s cannot be essential: '%s'.", d.Condition, d.ContainerName)
			}
			needs[*c.Name] = append(needs[*c.Name], d.ContainerName)
		}
		for _, link := range c.Links {
			other, _, _ := strings.Cut(link, ":")
			needs[*c.Name] = append(needs[*c.Name], other)
		}
	}
	for _, c := range list {
		if circular(needs, *c.Name, *c.Name, map[string]bool{}) {
			return clientf("Container dependencies of '%s' are circular.", *c.Name)
		}
	}
	return nil
}

func circular(needs map[string][]string, from, to string, seen map[string]bool) bool {
	for _, next := range needs[from] {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if circular(needs, next, to, seen) {
				return true
			}
		}
	}
	return false
}

// fargateMemory are the memory sizes of each Fargate CPU size, in MiB: from, to, step.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
var fargateMemory = map[int][3]int{
	256: {512, 2048, 512}, 512: {1024, 4096, 1024}, 1024: {2048, 8192, 1024}, 2048: {4096, 16384, 1024},
	4096: {8192, 30720, 1024}, 8192: {16384, 61440, 4096}, 16384: {32768, 122880, 8192}, 32768: {61440, 249856, 4096},
}

func checkFargate(in *api.RegisterTaskDefinitionInput) error {
	cpu, memory := cpuUnits(wire.Value(in.Cpu)), memoryMiB(wire.Value(in.Memory))
	sizes, known := fargateMemory[cpu]
	fits := known && memory >= sizes[0] && memory <= sizes[1] && (memory-sizes[0])%sizes[2] == 0 && !(cpu == 256 && memory == 1536)
	switch {
	case in.Cpu == nil:
		return clientf("Fargate requires that 'cpu' be defined at the task level.")
	case in.Memory == nil:
		return clientf("Fargate requires that 'memory' be defined at the task level.")
	case in.NetworkMode != nil && *in.NetworkMode != "awsvpc":
		return clientf("Fargate only supports network mode ‘awsvpc’.")
	case !fits:
		return clientf("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", cpu, memory)
	}
	sum := 0
	for _, c := range in.ContainerDefinitions {
		sum += cmp.Or(wire.Value(c.MemoryReservation), wire.Value(c.Memory))
		if err := checkFargateContainer(in, c); err != nil {
			return err
		}
	}
	if sum > memory {
		return clientf("The total memory of the containers, %d MiB, exceeds that of the task, %d MiB.", sum, memory)
	}
	return nil
}

func checkFargateContainer(in *api.RegisterTaskDefinitionInput, c api.ContainerDefinition) error {
	switch {
	case wire.Value(c.Privileged):
		return clientf("Fargate does not support privileged containers: %s.", *c.Name)
	case in.ExecutionRoleArn == nil && c.LogConfiguration != nil && c.LogConfiguration.LogDriver == "awslogs":
		return clientf("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	case in.ExecutionRoleArn == nil && strings.Contains(wire.Value(c.Image), ".dkr.ecr."):
		return clientf("Fargate requires task definition to have execution role ARN to support ECR images.")
	case wire.Value(c.StopTimeout) > 120:
		return clientf("Invalid setting for container '%s'. On Fargate stopTimeout is at most 120 seconds, found %d.", *c.Name, *c.StopTimeout)
	}
	for _, v := range in.Volumes {
		if v.Host != nil && v.Host.SourcePath != nil || v.DockerVolumeConfiguration != nil {
			return clientf("Volume '%s': Fargate supports neither host paths nor docker volumes.", wire.Value(v.Name))
		}
	}
	return nil
}
