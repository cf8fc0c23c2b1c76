package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/manifest"
)

// EnvironmentState is an environment as deployed.
type EnvironmentState struct {
	Name               string         `json:"environment"`
	Provider           string         `json:"provider"`
	Cluster            string         `json:"clusterStack"`
	ClusterStatus      string         `json:"clusterStatus"`
	VPC                string         `json:"vpcStack"` // "unmanaged" where the network is somebody else's
	VPCStatus          string         `json:"vpcStatus,omitempty"`
	LoadBalancer       string         `json:"loadBalancerStack"`
	LoadBalancerStatus string         `json:"loadBalancerStatus,omitempty"`
	URL                string         `json:"url"`
	Services           []ServiceState `json:"services"`
}

// ServiceState is a service in an environment.
type ServiceState struct {
	Service     string    `json:"service"`
	Environment string    `json:"environment"`
	Revision    string    `json:"revision"`
	Status      string    `json:"status"`
	Running     int       `json:"running"` // tasks
	Desired     int       `json:"desired"`
	URL         string    `json:"url,omitempty"`
	Hosts       []string  `json:"hosts,omitempty"` // the Host headers it answers to, where it answers to no others; of the file's service
	ChangedAt   time.Time `json:"changedAt"`
}

// Environments lists the cluster stacks of the namespace.
func (p *Project) Environments(ctx context.Context) ([]*Stack, error) {
	return p.stacksOf(ctx, func(s *Stack) bool { return s.Tag("type") == string(blueprint.KindEnvironment) })
}

func (p *Project) stacksOf(ctx context.Context, matches func(*Stack) bool) ([]*Stack, error) {
	stacks, err := p.stacks(ctx)
	if err != nil {
		return nil, err
	}
	stacks = slices.DeleteFunc(stacks, func(s *Stack) bool { return !matches(s) })
	slices.SortFunc(stacks, func(a, b *Stack) int { return cmp.Compare(a.Name, b.Name) })
	return stacks, nil
}

// spelling is the name of an environment as its stacks spell it: the file's, or the one given where the file does not know it.
func (p *Project) spelling(env string) string {
	if e, err := p.Manifest.FindEnvironment(env); err == nil {
		return e.Name
	}
	return env
}

// ShowEnvironment reads an environment from its stacks. It need not be in the file.
func (p *Project) ShowEnvironment(ctx context.Context, name string) (*EnvironmentState, error) {
	env := p.spelling(name)
	stacks, err := p.stacksOf(ctx, func(s *Stack) bool { return s.Tag("environment") == env })
	if err != nil {
		return nil, err
	}
	state := &EnvironmentState{Name: env, VPC: "unmanaged"}
	for _, s := range stacks {
		if err := state.add(ctx, p, s); err != nil {
			return nil, err
		}
	}
	if state.Cluster == "" {
		return nil, fmt.Errorf("the environment %s is not up (%w: %s)", env, ErrNoStack, p.cluster(env))
	}
	return state, nil
}

func (e *EnvironmentState) add(ctx context.Context, p *Project, s *Stack) error {
	switch blueprint.Kind(s.Tag("type")) {
	case blueprint.KindEnvironment:
		e.Cluster, e.ClusterStatus, e.Provider = s.Name, s.Status, s.Tag("provider")
	case blueprint.KindVPC, blueprint.KindTarget:
		e.VPC, e.VPCStatus = s.Name, s.Status
	case blueprint.KindLoadBalancer:
		e.LoadBalancer, e.LoadBalancerStatus, e.URL = s.Name, s.Status, p.Target.reachable(s.Outputs["BaseUrl"])
	case blueprint.KindService:
		service, err := p.serviceState(ctx, s)
		if err != nil {
			return err
		}
		e.Services = append(e.Services, *service)
	}
	return nil
}

// EnvironmentsUp brings environments up side by side; no names are all of the file.
func (p *Project) EnvironmentsUp(ctx context.Context, names []string) ([]*Deployment, error) {
	if err := p.admit(ctx); err != nil {
		return nil, err
	}
	names, err := environmentNames(p.Manifest, names)
	if err != nil {
		return nil, err
	}
	facts := p.facts()
	if facts.AZCount, err = p.zoneCount(ctx, names); err != nil {
		return nil, err
	}
	stacks, err := RenderEnvironments(p.Manifest, names, facts)
	if err != nil {
		return nil, err
	}
	changed := p.watchOutcomes()
	there, err := p.UpsertAll(ctx, stacks)
	var ups []*Deployment
	isChanged := changed()
	for _, name := range names {
		if balancer := there[p.name(blueprint.KindLoadBalancer, name)]; balancer != nil && there[p.cluster(name)] != nil {
			ups = append(ups, &Deployment{Environment: name, URL: p.Target.reachable(balancer.Outputs["BaseUrl"]), Changed: isChanged})
		}
	}
	return ups, err
}

func environmentNames(m *manifest.Manifest, names []string) ([]string, error) {
	if len(names) == 0 {
		return m.EnvironmentNames(), nil
	}
	var found []string
	for _, name := range names {
		e, err := m.FindEnvironment(name)
		if err != nil {
			return nil, err
		}
		found = append(found, e.Name)
	}
	return found, nil
}

// RenderEnvironments gives the stacks of environments, without services; what they share is given once. No names are all.
func RenderEnvironments(m *manifest.Manifest, names []string, facts blueprint.Facts) ([]blueprint.Stack, error) {
	names, err := environmentNames(m, names)
	if err != nil {
		return nil, err
	}
	var all []blueprint.Stack
	for _, name := range names {
		stacks, err := blueprint.Environment(m, name, facts)
		if err != nil {
			return nil, err
		}
		all = appendNew(all, stacks)
	}
	return all, nil
}

// appendNew adds the stacks whose names are not there yet.
func appendNew(all, more []blueprint.Stack) []blueprint.Stack {
	for _, s := range more {
		if !slices.ContainsFunc(all, func(other blueprint.Stack) bool { return other.Name == s.Name }) {
			all = append(all, s)
		}
	}
	return all
}

// TerminateEnvironments deletes environments with every service in them. What environments share stays.
func (p *Project) TerminateEnvironments(ctx context.Context, names []string) error {
	var doomed []*Stack
	for _, name := range names {
		env := p.spelling(name)
		stacks, err := p.stacksOf(ctx, func(s *Stack) bool { return s.Tag("environment") == env })
		if err != nil {
			return err
		}
		if len(stacks) == 0 {
			p.step("Nothing of the environment " + env + " is there")
		}
		doomed = append(doomed, stacks...)
	}
	return p.takeDown(ctx, strings.Join(names, " and "), doomed)
}

// takeDown asks, naming every stack, and deletes them in order. Where another stack uses one of them, nothing is deleted.
func (p *Project) takeDown(ctx context.Context, what string, stacks []*Stack) error {
	if len(stacks) == 0 {
		return nil
	}
	if err := p.refuseUsed(ctx, stacks); err != nil {
		return err
	}
	groups := inDeletionOrder(stacks)
	var text strings.Builder
	fmt.Fprintf(&text, "This deletes %s in %s (account %s, %s):\n", what, p.Target.place(), p.Target.Account, p.Target.Region)
	for _, g := range groups {
		for _, name := range g {
			text.WriteString("  " + name + "\n")
		}
	}
	if err := p.ask(text.String() + "Delete?"); err != nil {
		return err
	}
	return p.removeInOrder(ctx, groups)
}

// deletionRank is the order in which stacks go: a stack before those whose exports it imports.
var deletionRank = map[blueprint.Kind]int{
	blueprint.KindService: 0, blueprint.KindIAMService: 1, blueprint.KindEnvironment: 1, blueprint.KindLoadBalancer: 2,
	blueprint.KindVPC: 3, blueprint.KindTarget: 3, blueprint.KindIAMEnvironment: 3, blueprint.KindRepo: 4, blueprint.KindBucket: 4,
	blueprint.KindIAMCommon: 5,
}

// inDeletionOrder groups the names of stacks: those of a group go side by side.
func inDeletionOrder(stacks []*Stack) [][]string {
	byRank := map[int][]string{}
	for _, s := range stacks {
		rank := deletionRank[kindOf(s)]
		byRank[rank] = append(byRank[rank], s.Name)
	}
	var groups [][]string
	for rank := range 6 {
		if names := byRank[rank]; len(names) > 0 {
			slices.Sort(names)
			groups = append(groups, names)
		}
	}
	return groups
}

// kindOf tells the kinds of IAM stacks apart, whose tag is the same.
func kindOf(s *Stack) blueprint.Kind {
	kind := blueprint.Kind(s.Tag("type"))
	switch {
	case kind != "iam":
		return kind
	case s.Tag("service") != "":
		return blueprint.KindIAMService
	case s.Tag("environment") != "":
		return blueprint.KindIAMEnvironment
	}
	return blueprint.KindIAMCommon
}
