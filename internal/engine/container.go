package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Start starts a container. One that runs already is left alone. A port of the machine that is taken is ErrPortTaken.
func (e *Engine) Start(ctx context.Context, id string) error {
	_, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return failure("start container", id, err)
}

// Stop sends the container's stop signal (SIGTERM unless its image says otherwise), SIGKILL when it still runs after
// timeout, and returns when it has exited. Whole seconds count, a started one as full. A stopped container is left alone.
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	_, err := e.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: new(seconds(timeout))})
	return failure("stop container", id, err)
}

// Kill sends a signal, "SIGKILL" when it is empty. A container that does not run is ErrConflict.
func (e *Engine) Kill(ctx context.Context, id, signal string) error {
	_, err := e.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: signal})
	return failure("kill container", id, err)
}

// Remove removes a container and its anonymous volumes; a running one only with force. One that is gone, or going, is
// no error.
func (e *Engine) Remove(ctx context.Context, id string, force bool) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: force, RemoveVolumes: true})
	err = failure("remove container", id, err)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrConflict) && strings.Contains(err.Error(), "is already in progress"):
		return e.awaitRemoval(ctx, id)
	}
	return err
}

// Wait returns the exit code of a container as soon as it does not run.
func (e *Engine) Wait(ctx context.Context, id string) (exitCode int, err error) {
	wait := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case result := <-wait.Result:
		if result.Error != nil {
			return 0, failure("wait for container", id, errors.New(result.Error.Message))
		}
		return int(result.StatusCode), nil
	case err := <-wait.Error:
		return 0, failure("wait for container", id, err)
	}
}

// Inspect says what state a container is in. One that does not exist is ErrNotFound.
func (e *Engine) Inspect(ctx context.Context, id string) (State, error) {
	result, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return State{}, failure("inspect container", id, err)
	}
	state, err := stateOf(result.Container)
	if err != nil {
		return State{}, fmt.Errorf("inspect container %s: %w", id, err)
	}
	state.ImageDigest = e.imageDigest(ctx, state.ImageID, state.Image)
	return state, nil
}

// List finds containers, running or not, that have all the labels given.
func (e *Engine) List(ctx context.Context, labels map[string]string) ([]Summary, error) {
	result, err := e.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: labelFilters(labels)})
	if err != nil {
		return nil, failure("list containers of", "the engine", err)
	}
	list := make([]Summary, 0, len(result.Items))
	for _, item := range result.Items {
		list = append(list, Summary{
			ID: item.ID, Name: firstName(item.Names), Image: item.Image, ImageID: item.ImageID,
			Status: statusOf(item.State), Labels: item.Labels, CreatedAt: time.Unix(item.Created, 0).UTC(),
		})
	}
	return list, nil
}

func labelFilters(labels map[string]string) client.Filters {
	filters := client.Filters{}
	for name, value := range labels {
		filters.Add("label", name+"="+value)
	}
	return filters
}

func firstName(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return strings.TrimPrefix(names[0], "/")
}

// seconds rounds up: a grace period is never cut short.
func seconds(d time.Duration) int {
	return int((max(d, 0) + time.Second - 1) / time.Second)
}

func stateOf(from container.InspectResponse) (State, error) {
	if from.State == nil || from.Config == nil {
		return State{}, errors.New("the engine's answer lacks the state or the configuration")
	}
	state := State{
		ID: from.ID, Name: strings.TrimPrefix(from.Name, "/"), Image: from.Config.Image, ImageID: from.Image,
		Status: statusOf(from.State.Status), ExitCode: from.State.ExitCode, OOMKilled: from.State.OOMKilled,
		Error: shorten(from.State.Error), Pid: from.State.Pid,
		Health: healthOf(from.State.Health), Labels: from.Config.Labels, TTY: from.Config.Tty,
	}
	for _, moment := range []struct {
		text string
		into *time.Time
	}{{from.Created, &state.CreatedAt}, {from.State.StartedAt, &state.StartedAt}, {from.State.FinishedAt, &state.FinishedAt}} {
		at, err := parseTime(moment.text)
		if err != nil {
			return State{}, err
		}
		*moment.into = at
	}
	if state.Status == StatusExited && state.FinishedAt.Before(state.StartedAt) {
		state.FinishedAt = state.StartedAt // the engine notes the start late: an exit within a millisecond comes before it
	}
	if settings := from.NetworkSettings; settings != nil {
		state.Networks = networkAddresses(settings.Networks)
		state.Ports = publishedPorts(settings.Ports)
	}
	return state, nil
}

// statusOf spells a status as Docker does; Podman has a few more, of its steps in between.
func statusOf(state container.ContainerState) Status {
	switch state {
	case "configured", "initialized":
		return StatusCreated
	case "stopping":
		return StatusRunning
	case "stopped":
		return StatusExited
	}
	return Status(state)
}

// parseTime reads an engine's timestamp; "not yet" is spelt as year 1 by Docker, and as an empty text by some.
func parseTime(text string) (time.Time, error) {
	if text == "" || strings.HasPrefix(text, "0001-01-01") {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

func healthOf(from *container.Health) Health {
	if from == nil || from.Status == "" {
		return Health{Status: HealthNone}
	}
	health := Health{Status: HealthStatus(from.Status), FailingStreak: from.FailingStreak}
	if len(from.Log) > 0 {
		last := from.Log[len(from.Log)-1]
		health.ExitCode, health.Output = last.ExitCode, strings.TrimSpace(last.Output)
	}
	return health
}

func networkAddresses(networks map[string]*network.EndpointSettings) map[string]string {
	addresses := map[string]string{}
	for name, endpoint := range networks {
		if endpoint != nil && endpoint.IPAddress.IsValid() {
			addresses[name] = endpoint.IPAddress.String()
		}
	}
	return addresses
}

func publishedPorts(ports network.PortMap) []PublishedPort {
	var list []PublishedPort
	for port, bindings := range ports {
		for _, binding := range bindings {
			number, err := strconv.Atoi(binding.HostPort)
			if err != nil {
				continue // exposed, not published
			}
			list = append(list, PublishedPort{
				Container: int(port.Num()), Protocol: string(port.Proto()), HostIP: binding.HostIP.String(), Host: number,
			})
		}
	}
	slices.SortFunc(list, func(a, b PublishedPort) int {
		return strings.Compare(fmt.Sprintf("%05d%s%s", a.Container, a.Protocol, a.HostIP), fmt.Sprintf("%05d%s%s", b.Container, b.Protocol, b.HostIP))
	})
	return list
}

// Stats reads what a running container uses, once and without the engine's second of sampling. One that does not run
// is ErrConflict.
func (e *Engine) Stats(ctx context.Context, id string) (Usage, error) {
	result, err := e.api.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return Usage{}, failure("read the usage of container", id, err)
	}
	defer result.Body.Close()
	var stats container.StatsResponse
	// Of a container that does not run Docker answers zeros, and Podman nothing.
	if err := json.NewDecoder(result.Body).Decode(&stats); err != nil && !errors.Is(err, io.EOF) {
		return Usage{}, failure("read the usage of container", id, err)
	}
	if stats.Read.IsZero() || stats.CPUStats.CPUUsage.TotalUsage == 0 && stats.MemoryStats.Usage == 0 {
		return Usage{}, &Error{
			Operation: "read the usage of container", Subject: id, Kind: ErrConflict,
			Text: "it is not running", cause: errors.New("no usage in the engine's answer"),
		}
	}
	return usageOf(stats), nil
}

func usageOf(stats container.StatsResponse) Usage {
	usage := Usage{
		CPUNanos:         stats.CPUStats.CPUUsage.TotalUsage,
		OnlineCPUs:       int(stats.CPUStats.OnlineCPUs),
		MemoryBytes:      stats.MemoryStats.Usage - min(stats.MemoryStats.Usage, reclaimable(stats.MemoryStats.Stats)),
		MemoryLimitBytes: stats.MemoryStats.Limit,
		Pids:             stats.PidsStats.Current,
		ReadAt:           stats.Read,
	}
	for _, network := range stats.Networks {
		usage.NetworkRxBytes += network.RxBytes
		usage.NetworkTxBytes += network.TxBytes
	}
	return usage
}

// reclaimable is the file cache the kernel can take back, which is no use of the container's: named
// total_inactive_file by control groups v1 and inactive_file by v2, as `docker stats` reckons.
func reclaimable(stats map[string]uint64) uint64 {
	if bytes, ok := stats["total_inactive_file"]; ok {
		return bytes
	}
	return stats["inactive_file"]
}
