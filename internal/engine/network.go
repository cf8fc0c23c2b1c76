package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// EnsureNetwork makes a bridge network, or finds the one of that name and those labels. One of that name with other
// labels is ErrConflict.
func (e *Engine) EnsureNetwork(ctx context.Context, spec NetworkSpec) (Network, error) {
	found, err := e.network(ctx, spec)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return found, err
	}
	options := client.NetworkCreateOptions{Driver: network.NetworkBridge, Internal: spec.Internal, Labels: spec.Labels}
	if spec.Subnet != "" {
		subnet, err := netip.ParsePrefix(spec.Subnet)
		if err != nil {
			return Network{}, fmt.Errorf("create network %s: %w", spec.Name, err)
		}
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}
	}
	_, err = e.api.NetworkCreate(ctx, spec.Name, options)
	err = failure("create network", spec.Name, err)
	if err != nil && !errors.Is(err, ErrConflict) { // a conflict is another process that was quicker
		return Network{}, err
	}
	return e.network(ctx, spec)
}

func (e *Engine) network(ctx context.Context, spec NetworkSpec) (Network, error) {
	result, err := e.api.NetworkInspect(ctx, spec.Name, client.NetworkInspectOptions{})
	if err != nil {
		return Network{}, failure("inspect network", spec.Name, err)
	}
	found := networkOf(result.Network.Network)
	for name, value := range spec.Labels {
		if found.Labels[name] != value {
			return Network{}, &Error{
				Operation: "create network", Subject: spec.Name, Kind: ErrConflict, cause: errors.New("other labels"),
				Text: fmt.Sprintf("network %.12s has the name, and its label %s is %q, not %q", found.ID, name, found.Labels[name], value),
			}
		}
	}
	return found, nil
}

// Networks finds the networks that have all the labels given.
func (e *Engine) Networks(ctx context.Context, labels map[string]string) ([]Network, error) {
	result, err := e.api.NetworkList(ctx, client.NetworkListOptions{Filters: labelFilters(labels)})
	if err != nil {
		return nil, failure("list networks of", "the engine", err)
	}
	var list []Network
	for _, item := range result.Items {
		list = append(list, networkOf(item.Network))
	}
	return list, nil
}

func networkOf(from network.Network) Network {
	to := Network{ID: from.ID, Name: from.Name, Labels: from.Labels}
	for _, config := range from.IPAM.Config {
		if !config.Subnet.Addr().Is4() {
			continue
		}
		to.Subnet = config.Subnet.String()
		if config.Gateway.IsValid() {
			to.Gateway = config.Gateway.String()
		}
	}
	return to
}

// RemoveNetwork removes a network. One that is gone is no error, one with containers on it is ErrConflict.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	_, err := e.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	err = failure("remove network", id, err)
	var refused *Error
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.As(err, &refused) && containsAny(refused.Text, []string{"active endpoints", "being used", "associated containers"}):
		refused.Kind = ErrConflict // Docker answers 403
	}
	return err
}

// ConnectNetwork puts a container on a further network, under further names. One that is on it already stays as it is.
func (e *Engine) ConnectNetwork(ctx context.Context, networkID, container string, aliases ...string) error {
	_, err := e.api.NetworkConnect(ctx, networkID, client.NetworkConnectOptions{
		Container: container, EndpointConfig: &network.EndpointSettings{Aliases: aliases},
	})
	err = failure("connect to network "+networkID+" container", container, err)
	if err != nil && containsAny(err.Error(), []string{"already exists in network", "already attached to network", "already connected"}) {
		return nil
	}
	return err
}

// DisconnectNetwork takes a container off a network. One that is not on it is no error.
func (e *Engine) DisconnectNetwork(ctx context.Context, networkID, container string) error {
	_, err := e.api.NetworkDisconnect(ctx, networkID, client.NetworkDisconnectOptions{Container: container})
	err = failure("disconnect from network "+networkID+" container", container, err)
	if err != nil && (errors.Is(err, ErrNotFound) || containsAny(err.Error(), []string{"is not connected to"})) {
		return nil
	}
	return err
}
