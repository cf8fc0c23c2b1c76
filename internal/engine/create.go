package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Create makes a container without starting it and returns its id. Where a container of that name with these labels
// exists already, it is adopted: its id is returned and nothing changes. One of that name with other labels is
// ErrConflict. An image the engine does not have is ErrImageNotFound: Pull comes first.
func (e *Engine) Create(ctx context.Context, spec Spec) (id string, err error) {
	options, err := createOptions(spec)
	if err != nil {
		return "", fmt.Errorf("create container %s: %w", spec.Name, err)
	}
	for {
		result, err := e.api.ContainerCreate(ctx, options)
		if err == nil {
			return result.ID, nil
		}
		err = failure("create container", spec.Name, err)
		if spec.Name == "" || !errors.Is(err, ErrConflict) && !strings.Contains(err.Error(), "already in use") {
			return "", err
		}
		id, again, err := e.adopt(ctx, spec, err)
		if !again {
			return id, err
		}
	}
}

// adopt looks at the container that has the name a creation wanted. It says to try again where that one is on its way
// out, once it is gone.
func (e *Engine) adopt(ctx context.Context, spec Spec, conflict error) (id string, again bool, err error) {
	state, err := e.Inspect(ctx, spec.Name)
	if errors.Is(err, ErrNotFound) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	if state.Status == StatusRemoving {
		return "", true, e.awaitRemoval(ctx, state.ID)
	}
	for name, value := range spec.Labels {
		if state.Labels[name] != value {
			return "", false, &Error{
				Operation: "create container", Subject: spec.Name, Kind: ErrConflict, cause: conflict,
				Text: fmt.Sprintf("container %.12s has the name, and its label %s is %q, not %q", state.ID, name, state.Labels[name], value),
			}
		}
	}
	return state.ID, false, nil
}

func (e *Engine) awaitRemoval(ctx context.Context, id string) error {
	wait := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		if err = failure("wait for the removal of container", id, err); errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
}

func createOptions(spec Spec) (client.ContainerCreateOptions, error) {
	host, err := hostConfig(spec)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	exposed, bindings, err := portMaps(spec.Ports)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host.PortBindings = bindings
	config := containerConfig(spec)
	config.ExposedPorts = exposed
	options := client.ContainerCreateOptions{Name: spec.Name, Config: config, HostConfig: host}
	if spec.Network != "" && spec.NetworkContainer == "" {
		options.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			spec.Network: {Aliases: spec.Aliases},
		}}
	}
	if spec.Platform != "" {
		platform, err := parsePlatform(spec.Platform)
		if err != nil {
			return client.ContainerCreateOptions{}, err
		}
		options.Platform = &platform
	}
	return options, nil
}

func containerConfig(spec Spec) *container.Config {
	config := &container.Config{
		Image: spec.Image, Entrypoint: spec.Entrypoint, Cmd: spec.Command, Env: spec.Env, Labels: spec.Labels,
		User: spec.User, WorkingDir: spec.WorkingDir, Hostname: spec.Hostname,
		Tty: spec.TTY, OpenStdin: spec.OpenStdin, StopSignal: spec.StopSignal,
	}
	if spec.StopTimeout > 0 {
		config.StopTimeout = new(seconds(spec.StopTimeout))
	}
	if check := spec.HealthCheck; check != nil {
		config.Healthcheck = &container.HealthConfig{
			Test: check.Command, Interval: check.Interval, Timeout: check.Timeout,
			StartPeriod: check.StartPeriod, Retries: check.Retries,
		}
	}
	return config
}

func hostConfig(spec Spec) (*container.HostConfig, error) {
	dns, err := addresses(spec.DNS)
	if err != nil {
		return nil, err
	}
	mounts, err := mountList(spec.Mounts)
	if err != nil {
		return nil, err
	}
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(spec.Network),
		LogConfig:   logConfig(spec.LogMaxSize),
		CapAdd:      spec.CapAdd, CapDrop: spec.CapDrop, Privileged: spec.Privileged,
		ReadonlyRootfs: spec.ReadonlyRootFS,
		DNS:            dns, DNSSearch: spec.DNSSearch, ExtraHosts: spec.ExtraHosts,
		Mounts: mounts, Tmpfs: spec.Tmpfs, Sysctls: spec.Sysctls, ShmSize: spec.ShmSizeMiB << 20,
		Resources: resources(spec),
	}
	if spec.NetworkContainer != "" {
		if spec.Network != "" {
			return nil, fmt.Errorf("it cannot join both network %s and the network of container %s", spec.Network, spec.NetworkContainer)
		}
		host.NetworkMode = container.NetworkMode("container:" + spec.NetworkContainer)
	}
	if spec.Init {
		host.Init = new(true)
	}
	return host, nil
}

func resources(spec Spec) container.Resources {
	limits := container.Resources{
		CPUShares: spec.CPUShares, NanoCPUs: spec.NanoCPUs,
		Memory: spec.MemoryMiB << 20, MemoryReservation: spec.MemoryReservationMiB << 20,
		MemorySwap: spec.MemoryMiB << 20, // the sum of both, so: no swap
	}
	if spec.PidsLimit > 0 {
		limits.PidsLimit = &spec.PidsLimit
	}
	for _, limit := range spec.Ulimits {
		limits.Ulimits = append(limits.Ulimits, &container.Ulimit{Name: limit.Name, Soft: limit.Soft, Hard: limit.Hard})
	}
	return limits
}

// logConfig names the log driver, because Logs needs one that can be read back with its timestamps whatever the
// engine's default is. Podman takes the name as its own k8s-file.
func logConfig(maxSize int64) container.LogConfig {
	config := container.LogConfig{Type: "json-file"}
	if maxSize > 0 {
		config.Config = map[string]string{"max-size": strconv.FormatInt(maxSize, 10), "max-file": "2"}
	}
	return config
}

func mountList(list []Mount) ([]mount.Mount, error) {
	var mounts []mount.Mount
	for _, m := range list {
		switch {
		case m.Bind != "" && m.Volume != "":
			return nil, fmt.Errorf("mount at %s: both directory %s and volume %s", m.Target, m.Bind, m.Volume)
		case m.Bind != "":
			mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: m.Bind, Target: m.Target, ReadOnly: m.ReadOnly})
		default:
			mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: m.ReadOnly})
		}
	}
	return mounts, nil
}

// portMaps exposes and publishes the ports, on loopback unless told otherwise.
func portMaps(ports []Port) (network.PortSet, network.PortMap, error) {
	if len(ports) == 0 {
		return nil, nil, nil
	}
	exposed, bindings := network.PortSet{}, network.PortMap{}
	for _, p := range ports {
		port, err := network.ParsePort(strconv.Itoa(p.Container) + "/" + cmp.Or(p.Protocol, "tcp"))
		if err != nil {
			return nil, nil, fmt.Errorf("container port %d: %w", p.Container, err)
		}
		address, err := netip.ParseAddr(cmp.Or(p.HostIP, "127.0.0.1"))
		if err != nil {
			return nil, nil, fmt.Errorf("host address of port %d: %w", p.Container, err)
		}
		binding := network.PortBinding{HostIP: address}
		if p.Host != 0 {
			binding.HostPort = strconv.Itoa(p.Host)
		}
		exposed[port] = struct{}{}
		bindings[port] = append(bindings[port], binding)
	}
	return exposed, bindings, nil
}

func addresses(list []string) ([]netip.Addr, error) {
	var parsed []netip.Addr
	for _, text := range list {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("DNS server: %w", err)
		}
		parsed = append(parsed, address)
	}
	return parsed, nil
}

// parsePlatform reads os/arch[/variant].
func parsePlatform(text string) (ocispec.Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return ocispec.Platform{}, fmt.Errorf("platform %q is not os/arch, as linux/arm64 is", text)
	}
	platform := ocispec.Platform{OS: parts[0], Architecture: goArch(parts[1])}
	if len(parts) == 3 {
		platform.Variant = parts[2]
	}
	return platform, nil
}
