package elbv2

import (
	"cmp"
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// listener is a port of a load balancer. Its default actions are those of its default rule.
type listener struct {
	ARN          string
	LoadBalancer string
	Port         int
	Protocol     string
	DefaultRule  string // ARN
	Own          int    // the loopback port that is this listener's alone
	Held         bool   // the loopback port was bound once: people may know it, so it stays
	Attributes   map[string]string
	Tags         map[string]string
}

var listeners = &store.Table[listener]{Name: "elbv2_listeners", By: func(l listener) string { return l.LoadBalancer }}

// CreateListener makes a listener with its default rule.
func (s *Service) CreateListener(ctx context.Context, in *api.CreateListenerInput) (*api.CreateListenerOutput, error) {
	if err := checkListener(in); err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	l := listener{LoadBalancer: in.LoadBalancerArn, Port: *in.Port, Protocol: *in.Protocol, Attributes: map[string]string{}, Tags: tags}
	var view api.Listener
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := find(ctx, tx, loadBalancers, kindLoadBalancer, l.LoadBalancer); err != nil {
			return err
		}
		if err := portFree(ctx, tx, l); err != nil {
			return err
		}
		actions, err := checkActions(ctx, tx, l.LoadBalancer, in.DefaultActions)
		if err != nil {
			return err
		}
		l.ARN = listenerARN(l.LoadBalancer)
		l.DefaultRule = ruleARN(l.ARN)
		if l.Own, err = ownPort(tx, l.ARN); err != nil {
			return err
		}
		if err := rules.Put(tx, key(ctx, l.DefaultRule), rule{ARN: l.DefaultRule, Listener: l.ARN, Default: true, Actions: actions}); err != nil {
			return err
		}
		if err := listeners.Put(tx, key(ctx, l.ARN), l); err != nil {
			return err
		}
		view = l.describe(actions)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateListenerOutput{Listeners: []api.Listener{view}}, nil
}

func checkListener(in *api.CreateListenerInput) error {
	switch {
	case in.Protocol == nil:
		return invalid("A listener protocol must be specified")
	case in.Port == nil:
		return invalid("A listener port must be specified")
	case *in.Port < 1 || *in.Port > 65535:
		return invalid("Listener port '%d' must be between 1 and 65535", *in.Port)
	}
	return checkProtocol(*in.Protocol, in.Certificates, in.SslPolicy, in.AlpnPolicy, in.MutualAuthentication)
}

func checkProtocol(protocol string, certificates []api.Certificate, policy *string, alpn []string, mutual *api.MutualAuthenticationAttributes) error {
	switch {
	case protocol == "HTTPS":
		return later("HTTPS listeners are", "the next release brings certificates; use HTTP")
	case protocol != "HTTP":
		return invalid("Listener protocol '%s' must be one of 'HTTPS, HTTP'", protocol)
	case len(certificates) > 0:
		return invalid("Certificates cannot be specified for HTTP listeners")
	case policy != nil:
		return invalid("An SSL policy cannot be specified for HTTP listeners")
	case len(alpn) > 0:
		return invalid("ALPN policies can only be specified for TLS listeners")
	case mutual != nil && cmp.Or(wire.Value(mutual.Mode), "off") != "off":
		return invalid("Mutual authentication can only be specified for HTTPS listeners")
	}
	return nil
}

// portFree holds that a load balancer has a port once, and not too many of them.
func portFree(ctx context.Context, tx *store.Tx, l listener) error {
	its, err := listBy(ctx, tx, listeners, l.LoadBalancer)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(its, func(other listener) bool { return other.Port == l.Port && other.ARN != l.ARN }) {
		return wire.Errorf("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", l.LoadBalancer)
	}
	if len(its) >= mostListeners && l.ARN == "" {
		return wire.Errorf("TooManyListeners", "The maximum number of listeners for load balancer '%s' has been reached", l.LoadBalancer)
	}
	return nil
}

func (l listener) describe(actions []api.Action) api.Listener {
	return api.Listener{ListenerArn: &l.ARN, LoadBalancerArn: &l.LoadBalancer, Port: &l.Port, Protocol: &l.Protocol, DefaultActions: actions}
}

// view describes a listener with the actions of its default rule.
func (l listener) view(ctx context.Context, tx *store.Tx) (api.Listener, error) {
	byDefault, err := rules.Get(tx, key(ctx, l.DefaultRule))
	return l.describe(byDefault.Actions), err
}

// DescribeListeners lists the listeners of a load balancer, or those of the ARNs.
func (s *Service) DescribeListeners(ctx context.Context, in *api.DescribeListenersInput) (*api.DescribeListenersOutput, error) {
	if in.LoadBalancerArn == nil && len(in.ListenerArns) == 0 {
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	if in.LoadBalancerArn != nil && len(in.ListenerArns) > 0 {
		return nil, invalid("Listener ARNs and a load balancer ARN cannot be specified at the same time")
	}
	var views []api.Listener
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		found, err := selectListeners(ctx, tx, in)
		if err != nil {
			return err
		}
		for _, l := range found {
			view, err := l.view(ctx, tx)
			if err != nil {
				return err
			}
			views = append(views, view)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	views, next, err := page.Cut(views, in.Marker, in.PageSize, 400, "ValidationError")
	return &api.DescribeListenersOutput{Listeners: views, NextMarker: next}, err
}

func selectListeners(ctx context.Context, tx *store.Tx, in *api.DescribeListenersInput) (found []listener, err error) {
	if in.LoadBalancerArn != nil {
		if _, err := find(ctx, tx, loadBalancers, kindLoadBalancer, *in.LoadBalancerArn); err != nil {
			return nil, err
		}
		return listBy(ctx, tx, listeners, *in.LoadBalancerArn)
	}
	for _, arn := range in.ListenerArns {
		l, err := find(ctx, tx, listeners, kindListener, arn)
		if err != nil {
			return nil, err
		}
		found = append(found, l)
	}
	return found, nil
}

// changeListener reads, changes and writes one listener.
func (s *Service) changeListener(ctx context.Context, arn string, f func(ctx context.Context, tx *store.Tx, l *listener) error) (l listener, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if l, err = find(ctx, tx, listeners, kindListener, arn); err != nil {
			return err
		}
		if err := f(ctx, tx, &l); err != nil {
			return err
		}
		return listeners.Put(tx, key(ctx, arn), l)
	})
	return l, err
}

// ModifyListener changes the port and the default actions.
func (s *Service) ModifyListener(ctx context.Context, in *api.ModifyListenerInput) (*api.ModifyListenerOutput, error) {
	var view api.Listener
	_, err := s.changeListener(ctx, in.ListenerArn, func(ctx context.Context, tx *store.Tx, l *listener) (err error) {
		l.Port, l.Protocol = cmp.Or(wire.Value(in.Port), l.Port), cmp.Or(wire.Value(in.Protocol), l.Protocol)
		if err := checkProtocol(l.Protocol, in.Certificates, in.SslPolicy, in.AlpnPolicy, in.MutualAuthentication); err != nil {
			return err
		}
		if err := portFree(ctx, tx, *l); err != nil {
			return err
		}
		if len(in.DefaultActions) > 0 {
			if err := setDefaultActions(ctx, tx, *l, in.DefaultActions); err != nil {
				return err
			}
		}
		view, err = l.view(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.ModifyListenerOutput{Listeners: []api.Listener{view}}, nil
}

func setDefaultActions(ctx context.Context, tx *store.Tx, l listener, wanted []api.Action) error {
	actions, err := checkActions(ctx, tx, l.LoadBalancer, wanted)
	if err != nil {
		return err
	}
	byDefault, err := rules.Get(tx, key(ctx, l.DefaultRule))
	if err != nil {
		return err
	}
	byDefault.Actions = actions
	return rules.Put(tx, key(ctx, l.DefaultRule), byDefault)
}

// DeleteListener removes a listener with its rules.
func (s *Service) DeleteListener(ctx context.Context, in *api.DeleteListenerInput) (*api.DeleteListenerOutput, error) {
	return &api.DeleteListenerOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		l, err := find(ctx, tx, listeners, kindListener, in.ListenerArn)
		if err != nil {
			return err
		}
		return dropListener(ctx, tx, l)
	})
}

func dropListener(ctx context.Context, tx *store.Tx, l listener) error {
	k := key(ctx, l.ARN)
	if err := rules.DeleteBy(tx, k.Account, k.Region, l.ARN); err != nil {
		return err
	}
	return listeners.Delete(tx, k)
}

// loadBalancerOf is the ARN of the load balancer that a listener belongs to, by the listener's own ARN.
func loadBalancerOf(listener string) string {
	return strings.Replace(listener[:strings.LastIndexByte(listener, '/')], ":listener/", ":loadbalancer/", 1)
}
