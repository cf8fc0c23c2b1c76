package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// balancer is what the listeners of a running load balancer share.
type balancer struct {
	id     string
	counts balancerCounts
}

// routes is the configuration of one listener made ready; it is swapped as a whole.
type routes struct {
	attributes Attributes
	port       string // as the header X-Forwarded-Port wants it
	number     int
	protocol   string // "http" or "https"
	rules      []rule
}

// Apply makes the data plane serve config, and nothing else, from the next request on. Connections and requests under
// way, health states, pools and counters of what stays are kept. A config that is wrong in itself is refused as a whole
// and changes nothing; an address that cannot be bound is reported after the rest took effect, and tried again by the
// next Apply.
func (p *Plane) Apply(config Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return http.ErrServerClosed
	}
	groups, err := p.wantedGroups(config)
	if err != nil {
		return err
	}
	wanted, err := compileListeners(config, groups)
	if err != nil {
		return err
	}
	used := usedGroups(config)
	for _, spec := range config.TargetGroups {
		groups[spec.ID].update(spec, used[spec.ID])
	}
	gone := p.groups
	p.groups = groups
	err = p.applyListeners(config, wanted)
	for id, g := range gone {
		if groups[id] == nil {
			g.close(g.delay())
		}
	}
	return err
}

// wantedGroups finds or makes the running groups of a configuration, after checking it.
func (p *Plane) wantedGroups(config Config) (map[string]*group, error) {
	groups := map[string]*group{}
	for i := range config.TargetGroups {
		spec := &config.TargetGroups[i]
		if groups[spec.ID] != nil {
			return nil, fmt.Errorf("target group %s is given twice", spec.ID)
		}
		if err := checkTargetGroup(spec); err != nil {
			return nil, fmt.Errorf("target group %s: %w", spec.ID, err)
		}
		if groups[spec.ID] = p.groups[spec.ID]; groups[spec.ID] == nil {
			groups[spec.ID] = newGroup(p, spec.ID)
		}
	}
	return groups, nil
}

func checkTargetGroup(spec *TargetGroup) error {
	check := spec.HealthCheck.withDefaults(spec)
	if _, err := parseMatcher(check.Matcher); err != nil {
		return err
	}
	if u, err := url.ParseRequestURI(check.Path); err != nil || !strings.HasPrefix(check.Path, "/") || u.Host != "" {
		return fmt.Errorf("health check path %q is not an absolute path", check.Path)
	}
	for _, t := range spec.Targets {
		if _, _, err := net.SplitHostPort(t.Address); err != nil && t.Address != "" {
			return fmt.Errorf("target %s:%d: %w", t.ID, t.Port, err)
		}
	}
	switch spec.ProtocolVersion {
	case "", "HTTP1", "HTTP2", "GRPC":
		return nil
	}
	return fmt.Errorf("protocol version %q is not known", spec.ProtocolVersion)
}

// usedGroups are the target groups that some rule forwards to.
func usedGroups(config Config) map[string]bool {
	used := map[string]bool{}
	for _, lb := range config.LoadBalancers {
		for _, l := range lb.Listeners {
			for _, r := range l.Rules {
				for _, a := range r.Actions {
					for _, g := range a.Forward.TargetGroups {
						used[g.ID] = true
					}
				}
			}
		}
	}
	return used
}

func compileListeners(config Config, groups map[string]*group) (map[string]*routes, error) {
	compiled := map[string]*routes{}
	for _, lb := range config.LoadBalancers {
		for _, l := range lb.Listeners {
			if compiled[l.ID] != nil {
				return nil, fmt.Errorf("listener %s is given twice", l.ID)
			}
			r, err := compileRoutes(lb.Attributes, l, groups)
			if err != nil {
				return nil, fmt.Errorf("listener %s: %w", l.ID, err)
			}
			compiled[l.ID] = r
		}
	}
	return compiled, nil
}

func compileRoutes(attributes Attributes, l Listener, groups map[string]*group) (*routes, error) {
	r := &routes{attributes: attributes.withDefaults(), number: l.Port, port: fmt.Sprint(l.Port)}
	switch r.protocol = strings.ToLower(l.Protocol); {
	case r.protocol == "http" && l.TLS != nil:
		return nil, errors.New("an HTTP listener has no certificate")
	case r.protocol == "https" && l.TLS == nil && l.Bind != "":
		return nil, errors.New("an HTTPS listener needs a certificate")
	case r.protocol != "http" && r.protocol != "https":
		return nil, fmt.Errorf("protocol %q is not served", l.Protocol)
	}
	for _, given := range l.Rules {
		conditions, err := compileConditions(given.Conditions)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", given.ID, err)
		}
		a, err := compileAction(given.Actions, groups)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", given.ID, err)
		}
		r.rules = append(r.rules, rule{conditions, a})
	}
	return r, nil
}

func (a Attributes) withDefaults() Attributes {
	a.IdleTimeout = positive(a.IdleTimeout, time.Minute)
	a.ClientKeepAlive = positive(a.ClientKeepAlive, time.Hour)
	a.XFFMode = XFFMode(orElse(string(a.XFFMode), string(XFFAppend)))
	a.DesyncMitigation = DesyncMode(orElse(string(a.DesyncMitigation), string(DesyncDefensive)))
	return a
}

// match finds the action for a request; nil when not even a default rule is there.
func (r *routes) match(f *facts) *action {
	for i := range r.rules {
		if r.rules[i].matches(f) {
			return &r.rules[i].action
		}
	}
	return nil
}

// applyListeners opens, changes and closes listeners. The plane's lock is held.
func (p *Plane) applyListeners(config Config, wanted map[string]*routes) error {
	running, balancers := p.listeners, map[string]*balancer{}
	p.listeners = map[string]*listener{}
	for id, l := range running {
		if wanted[id] == nil {
			l.unbind()
		}
	}
	var failed []error
	table := &hostTable{exact: map[string]*listener{}}
	for _, lb := range config.LoadBalancers {
		b := p.balancers[lb.ID]
		if b == nil {
			b = &balancer{id: lb.ID}
		}
		balancers[lb.ID] = b
		for _, spec := range lb.Listeners {
			l := running[spec.ID]
			if l == nil {
				l = &listener{id: spec.ID, plane: p, balancer: b}
			}
			p.listeners[spec.ID] = l
			l.routes.Store(wanted[spec.ID])
			if err := l.bind(spec.Bind, spec.TLS); err != nil {
				failed = append(failed, fmt.Errorf("listener %s: %w", spec.ID, err))
			}
		}
		table.add(lb, p.listeners)
	}
	p.balancers = balancers
	p.hosts.Store(table)
	return errors.Join(failed...)
}
