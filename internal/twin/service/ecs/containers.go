package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/internal/engine"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// Labels on containers, beside network.Label and those the ECS agent sets.
const (
	labelTask    = "dev.slipway.task"
	labelAccount = "dev.slipway.account"
	labelRegion  = "dev.slipway.region"
)

// pause is the container that holds the network of a task whose containers share one.
const pauseName = "_pause"

// outputLimit bounds what the engine keeps of a container's output, in bytes, twice.
const outputLimit = 16 << 20

// initialError is a failure to get what a container needs before it can be made: a secret, a log stream.
type initialError struct{ error }

func (s *Service) twinID(ctx context.Context) (string, error) { return network.Identity(ctx, s.Store) }

// containerName is the engine's name of a container of a task: the same in every process, so that none is made twice.
func (s *Service) containerName(t task, name string) string {
	return "slipway-" + s.found.twin[:8] + "-" + t.ID + "." + name
}

func (s *Service) labels(ctx context.Context, t task) map[string]string {
	c := operation.CallerOf(ctx)
	return map[string]string{network.Label: s.found.twin, labelTask: t.ID, labelAccount: c.Account, labelRegion: c.Region}
}

// shared reports whether the task's containers share one network, that of the pause container.
func shared(d definition) bool {
	mode := wire.Value(d.NetworkMode)
	return mode == "awsvpc" || mode == "host"
}

// startPause makes the container that the others join, publishes all ports on it, and binds them to the task's address.
func (s *Service) startPause(ctx context.Context, docker *engine.Engine, t task, d definition) error {
	if !shared(d) {
		return nil
	}
	joined, err := s.Network.Join(ctx)
	if err != nil {
		return err
	}
	spec := engine.Spec{Name: s.containerName(t, pauseName), Image: s.found.pause, Labels: s.labels(ctx, t), Network: joined.Name, DNS: joined.DNS, Sysctls: map[string]string{}}
	if t.Interface.Address != "" {
		spec.Hostname = "ip-" + strings.ReplaceAll(t.Interface.Address, ".", "-")
	}
	for _, c := range d.ContainerDefinitions {
		spec.Ports = append(spec.Ports, ports(c)...)
		spec.ExtraHosts = append(spec.ExtraHosts, extraHosts(c)...)
		if len(c.DnsServers) > 0 {
			spec.DNS = c.DnsServers
		}
		spec.DNSSearch = append(spec.DNSSearch, c.DnsSearchDomains...)
		for _, control := range c.SystemControls {
			if namespace := wire.Value(control.Namespace); strings.HasPrefix(namespace, "net.") {
				spec.Sysctls[namespace] = wire.Value(control.Value)
			}
		}
	}
	id, err := create(ctx, docker, spec)
	if err != nil {
		return err
	}
	if err := docker.Start(ctx, id); err != nil {
		return err
	}
	state, err := docker.Inspect(ctx, id)
	if err != nil {
		return err
	}
	return s.bind(ctx, t, d, "", state.Ports)
}

// createLimit bounds how long the end of the twin waits for a container that is being made.
const createLimit = 30 * time.Second

// create makes a container, and is not broken off in the middle: the engine would make it all the same.
func create(ctx context.Context, docker *engine.Engine, spec engine.Spec) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createLimit)
	defer cancel()
	return docker.Create(ctx, spec)
}

// bind writes down where the published ports of a container answer; without a name they are those of all containers.
func (s *Service) bind(ctx context.Context, t task, d definition, name string, published []engine.PublishedPort) error {
	_, err := s.changeTask(ctx, t.ID, func(ctx context.Context, tx *store.Tx, t *task) (bool, error) {
		k := s.key(ctx, t.ID)
		changed := false
		for i := range t.Containers {
			c := &t.Containers[i]
			def, ok := d.container(c.Name)
			if !ok || name != "" && name != c.Name {
				continue
			}
			own := slices.DeleteFunc(slices.Clone(published), func(p engine.PublishedPort) bool {
				return !slices.ContainsFunc(def.PortMappings, func(m api.PortMapping) bool { return wire.Value(m.ContainerPort) == p.Container })
			})
			if slices.Equal(own, c.Ports) {
				continue
			}
			c.Ports, changed = own, true
			for _, p := range own {
				if err := network.Bind(tx, k.Account, k.Region, binding(*t, def, p)); err != nil {
					return false, err
				}
			}
		}
		return changed, nil
	})
	return err
}

// binding is where a published port answers, by the address the task is known under.
func binding(t task, c api.ContainerDefinition, p engine.PublishedPort) network.Binding {
	b := network.Binding{ID: t.Machine, Port: t.hostPort(c, p), Address: p.HostIP + ":" + strconv.Itoa(p.Host), Owner: t.ARN}
	if t.Interface.Address != "" {
		b.VPC, b.ID, b.Port = t.Interface.VPC, t.Interface.Address, p.Container
	}
	return b
}

// hostPort is the port of the container instance: the one asked for, else the one that was free.
func (t task) hostPort(c api.ContainerDefinition, p engine.PublishedPort) int {
	for _, m := range c.PortMappings {
		if wire.Value(m.ContainerPort) == p.Container && wire.Value(m.HostPort) != 0 {
			return *m.HostPort
		}
	}
	return p.Host
}

// ports are published on the loopback address, wherever there is room.
func ports(c api.ContainerDefinition) (list []engine.Port) {
	for _, p := range c.PortMappings {
		list = append(list, engine.Port{Container: wire.Value(p.ContainerPort), Protocol: wire.Value(p.Protocol), HostIP: "127.0.0.1"})
	}
	return list
}

func extraHosts(c api.ContainerDefinition) (list []string) {
	for _, h := range c.ExtraHosts {
		list = append(list, h.Hostname+":"+h.IpAddress)
	}
	return list
}

// startContainer makes and starts a container, or finds the one that is there.
func (s *Service) startContainer(ctx context.Context, docker *engine.Engine, t task, d definition, c api.ContainerDefinition) error {
	spec, err := s.spec(ctx, docker, t, d, c)
	if err != nil {
		return err
	}
	id, err := create(ctx, docker, spec)
	if err != nil {
		return err
	}
	// The id is written down before the start: what has started once does not start again.
	now, err := s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		t.container(*c.Name).Runtime = id
		return t.container(*c.Name).Runtime != "", nil
	})
	if err != nil || now.Desired == taskStopped {
		return err
	}
	state, err := docker.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if state.StartedAt.IsZero() {
		if err := docker.Start(ctx, id); err != nil {
			return err
		}
	}
	now, err = s.changeTask(ctx, t.ID, func(_ context.Context, _ *store.Tx, t *task) (bool, error) {
		have := t.container(*c.Name)
		have.Ready, have.Status, have.Checked = true, taskRunning, spec.HealthCheck != nil && spec.HealthCheck.Command[0] != "NONE"
		return true, nil
	})
	if err != nil {
		return err
	}
	s.ship(ctx, docker, now, d)
	if len(spec.Ports) == 0 {
		return nil
	}
	if state, err = docker.Inspect(ctx, id); err != nil {
		return err
	}
	return s.bind(ctx, now, d, *c.Name, state.Ports)
}

// spec is a container definition as the engine wants it.
func (s *Service) spec(ctx context.Context, docker *engine.Engine, t task, d definition, c api.ContainerDefinition) (engine.Spec, error) {
	spec := engine.Spec{Name: s.containerName(t, *c.Name), Image: s.imageOf(ctx, *c.Image), Entrypoint: c.EntryPoint, Command: c.Command, User: wire.Value(c.User),
		WorkingDir: wire.Value(c.WorkingDirectory), ReadonlyRootFS: wire.Value(c.ReadonlyRootFilesystem), Privileged: wire.Value(c.Privileged),
		TTY: wire.Value(c.PseudoTerminal), OpenStdin: wire.Value(c.Interactive), StopTimeout: stopTimeout(c), LogMaxSize: outputLimit}
	spec.Labels = s.containerLabels(ctx, t, d, c)
	s.limit(&spec, t, d, c)
	if err := s.network(ctx, &spec, t, d, c); err != nil {
		return spec, err
	}
	if err := s.mount(ctx, docker, &spec, t, d, c); err != nil {
		return spec, err
	}
	linux(&spec, c)
	var err error
	if spec.Env, err = s.environment(ctx, t, c); err != nil {
		return spec, initialError{err}
	}
	if h := c.HealthCheck; h != nil {
		spec.HealthCheck = &engine.HealthCheck{Command: h.Command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout), StartPeriod: seconds(h.StartPeriod), Retries: wire.Value(h.Retries)}
	}
	if o := t.override(*c.Name); o != nil && len(o.Command) > 0 {
		spec.Command = o.Command
	}
	return spec, s.prepareOutput(ctx, t, c)
}

func seconds(n *int) time.Duration { return time.Duration(wire.Value(n)) * time.Second }

func (t task) override(name string) *api.ContainerOverride {
	if t.Overrides == nil {
		return nil
	}
	i := slices.IndexFunc(t.Overrides.ContainerOverrides, func(o api.ContainerOverride) bool { return wire.Value(o.Name) == name })
	if i < 0 {
		return nil
	}
	return &t.Overrides.ContainerOverrides[i]
}

// containerLabels: the user's own, those of the ECS agent, and ours, which nobody may change.
func (s *Service) containerLabels(ctx context.Context, t task, d definition, c api.ContainerDefinition) map[string]string {
	labels := maps.Clone(c.DockerLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		"com.amazonaws.ecs.cluster": operation.ARN(ctx, "ecs", "cluster/"+t.Cluster), "com.amazonaws.ecs.container-name": *c.Name, "com.amazonaws.ecs.task-arn": t.ARN,
		"com.amazonaws.ecs.task-definition-family": wire.Value(d.Family), "com.amazonaws.ecs.task-definition-version": strconv.Itoa(wire.Value(d.Revision)),
	})
	maps.Copy(labels, s.labels(ctx, t))
	return labels
}

// limit gives a container its shares and its memory. On Fargate the task's size is a hard limit; this machine's CPUs are another.
func (s *Service) limit(spec *engine.Spec, t task, d definition, c api.ContainerDefinition) {
	spec.CPUShares = int64(wire.Value(c.Cpu))
	spec.MemoryMiB, spec.MemoryReservationMiB = int64(wire.Value(c.Memory)), int64(wire.Value(c.MemoryReservation))
	if o := t.override(*c.Name); o != nil {
		spec.CPUShares = cmp.Or(int64(wire.Value(o.Cpu)), spec.CPUShares)
		spec.MemoryMiB, spec.MemoryReservationMiB = cmp.Or(int64(wire.Value(o.Memory)), spec.MemoryMiB), cmp.Or(int64(wire.Value(o.MemoryReservation)), spec.MemoryReservationMiB)
	}
	if units := cpuUnits(wire.Value(d.Cpu)); units > 0 {
		spec.NanoCPUs = min(int64(units)*1e9/1024, int64(s.found.info.NCPU)*1e9)
	}
	if spec.MemoryMiB == 0 {
		spec.MemoryMiB = int64(memoryMiB(wire.Value(d.Memory)))
	}
	if spec.CPUShares == 1 {
		spec.CPUShares = 2 // the kernel's least
	}
}

func (s *Service) network(ctx context.Context, spec *engine.Spec, t task, d definition, c api.ContainerDefinition) error {
	switch {
	case shared(d):
		spec.NetworkContainer = s.containerName(t, pauseName)
		return nil
	case wire.Value(d.NetworkMode) == "none" || wire.Value(c.DisableNetworking):
		spec.Network = "none"
		return nil
	}
	joined, err := s.Network.Join(ctx)
	if err != nil {
		return err
	}
	spec.Network, spec.DNS, spec.DNSSearch = joined.Name, joined.DNS, c.DnsSearchDomains
	if len(c.DnsServers) > 0 {
		spec.DNS = c.DnsServers
	}
	spec.Hostname, spec.Ports, spec.ExtraHosts = wire.Value(c.Hostname), ports(c), extraHosts(c)
	for _, link := range c.Links {
		other, alias, named := strings.Cut(link, ":")
		if !named {
			alias = other
		}
		docker, err := s.docker(ctx)
		if err != nil {
			return err
		}
		state, err := docker.Inspect(ctx, s.containerName(t, other))
		if err != nil {
			return err
		}
		spec.ExtraHosts = append(spec.ExtraHosts, alias+":"+state.Networks[joined.Name])
	}
	return nil
}

func linkReady(t task, link string) bool {
	name, _, _ := strings.Cut(link, ":")
	on := t.container(name)
	return on != nil && on.Ready
}

func linux(spec *engine.Spec, c api.ContainerDefinition) {
	for _, u := range c.Ulimits {
		spec.Ulimits = append(spec.Ulimits, engine.Ulimit{Name: u.Name, Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	for _, control := range c.SystemControls {
		if namespace := wire.Value(control.Namespace); spec.NetworkContainer == "" || !strings.HasPrefix(namespace, "net.") {
			if spec.Sysctls == nil {
				spec.Sysctls = map[string]string{}
			}
			spec.Sysctls[namespace] = wire.Value(control.Value)
		}
	}
	l := c.LinuxParameters
	if l == nil {
		return
	}
	spec.Init, spec.ShmSizeMiB = wire.Value(l.InitProcessEnabled), int64(wire.Value(l.SharedMemorySize))
	if l.Capabilities != nil {
		spec.CapAdd, spec.CapDrop = l.Capabilities.Add, l.Capabilities.Drop
	}
	for _, m := range l.Tmpfs {
		if spec.Tmpfs == nil {
			spec.Tmpfs = map[string]string{}
		}
		spec.Tmpfs[m.ContainerPath] = strings.Join(append([]string{fmt.Sprintf("size=%dm", m.Size)}, m.MountOptions...), ",")
	}
}

// volumeName: a shared docker volume has its own name, every other one is the task's and goes with it.
func (s *Service) volumeName(t task, v api.Volume) (name string, ofTask bool) {
	if docker := v.DockerVolumeConfiguration; docker != nil && wire.Value(docker.Scope) == "shared" {
		return wire.Value(v.Name), false
	}
	return s.containerName(t, wire.Value(v.Name)), true
}

func (s *Service) mount(ctx context.Context, docker *engine.Engine, spec *engine.Spec, t task, d definition, c api.ContainerDefinition) error {
	points := slices.Clone(c.MountPoints)
	for _, from := range c.VolumesFrom {
		other, _ := d.container(wire.Value(from.SourceContainer))
		for _, p := range other.MountPoints {
			p.ReadOnly = new(wire.Value(p.ReadOnly) || wire.Value(from.ReadOnly))
			points = append(points, p)
		}
	}
	for _, p := range points {
		i := slices.IndexFunc(d.Volumes, func(v api.Volume) bool { return wire.Value(v.Name) == wire.Value(p.SourceVolume) })
		if i < 0 {
			return fmt.Errorf("unknown volume %s", wire.Value(p.SourceVolume))
		}
		m := engine.Mount{Target: wire.Value(p.ContainerPath), ReadOnly: wire.Value(p.ReadOnly)}
		if host := d.Volumes[i].Host; host != nil && wire.Value(host.SourcePath) != "" {
			m.Bind = *host.SourcePath
			if err := os.MkdirAll(m.Bind, 0o755); err != nil {
				return err
			}
		} else {
			name, ofTask := s.volumeName(t, d.Volumes[i])
			labels := map[string]string{}
			if ofTask {
				labels = s.labels(ctx, t)
			}
			if err := docker.EnsureVolume(ctx, name, labels); err != nil {
				return err
			}
			m.Volume = name
		}
		spec.Mounts = append(spec.Mounts, m)
	}
	return nil
}

// environment is what the definition and the overrides say, what Fargate adds, and the secrets.
func (s *Service) environment(ctx context.Context, t task, c api.ContainerDefinition) ([]string, error) {
	region := operation.CallerOf(ctx).Region
	values := map[string]string{"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EXECUTION_ENV": "AWS_ECS_" + t.LaunchType}
	for _, e := range c.Environment {
		values[wire.Value(e.Name)] = wire.Value(e.Value)
	}
	for _, secret := range c.Secrets {
		out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: secret.ValueFrom, WithDecryption: new(true)})
		if err != nil {
			return nil, fmt.Errorf("unable to pull secrets or registry auth: unable to retrieve secret %s from ssm: %w", secret.Name, err)
		}
		values[secret.Name] = wire.Value(out.Parameter.Value)
	}
	if o := t.override(*c.Name); o != nil {
		for _, e := range o.Environment {
			values[wire.Value(e.Name)] = wire.Value(e.Value)
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, name+"="+values[name])
	}
	return list, nil
}

// lastOutput is how many lines of a failed container's output are kept with its task.
const lastOutput = 10

func (s *Service) lastLines(ctx context.Context, docker *engine.Engine, id string) (lines []string) {
	for line, err := range docker.Logs(ctx, id, engine.LogPosition{}, false) {
		if err != nil {
			return lines
		}
		lines = append(lines, line.Text)
		if len(lines) > lastOutput {
			lines = lines[1:]
		}
	}
	return lines
}

// removeContainers removes what the task had on the engine.
func (s *Service) removeContainers(ctx context.Context, docker *engine.Engine, t task, d definition) error {
	var failures []error
	for _, c := range t.Containers {
		failures = append(failures, docker.Remove(ctx, s.containerName(t, c.Name), true))
	}
	if shared(d) || wire.Value(d.NetworkMode) == "" { // a definition that was deleted since does not tell
		failures = append(failures, docker.Remove(ctx, s.containerName(t, pauseName), true))
	}
	for _, v := range d.Volumes {
		if name, ofTask := s.volumeName(t, v); ofTask && (v.Host == nil || wire.Value(v.Host.SourcePath) == "") {
			failures = append(failures, docker.RemoveVolume(ctx, name))
		}
	}
	return errors.Join(failures...)
}
