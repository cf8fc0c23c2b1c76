package elbv2

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// loadBalancer is an Application Load Balancer.
type loadBalancer struct {
	ARN            string
	Name           string
	DNSName        string
	Scheme         string // internet-facing or internal
	IPAddressType  string // ipv4, dualstack, dualstack-without-public-ipv4
	VPC            string
	Zones          []zone
	SecurityGroups []string
	Created        time.Time
	Attributes     map[string]string // those that differ from the default
	Tags           map[string]string
}

// zone is a subnet the load balancer is in.
type zone struct{ Name, Subnet string }

// most is how many of each an account may have (the default quotas).
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const (
	mostLoadBalancers   = 50
	mostListeners       = 50
	mostRules           = 100 // of a load balancer, not counting default rules
	mostTargetGroups    = 3000
	mostTargets         = 1000 // of a target group
	mostConditionValues = 5    // of a rule
	mostGroupsOfAction  = 5
)

var loadBalancers = &store.Table[loadBalancer]{Name: "elbv2_load_balancers"}

// CreateLoadBalancer makes a load balancer; one that exists with the same settings is returned.
func (s *Service) CreateLoadBalancer(ctx context.Context, in *api.CreateLoadBalancerInput) (*api.CreateLoadBalancerOutput, error) {
	lb, err := s.wantedLoadBalancer(ctx, in)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := list(ctx, tx, loadBalancers)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(other loadBalancer) bool { return other.Name == lb.Name }); i >= 0 {
			if !lb.sameAs(all[i]) {
				return wire.Errorf("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", lb.Name)
			}
			lb = all[i]
			return nil
		}
		if len(all) >= mostLoadBalancers {
			return wire.Errorf("TooManyLoadBalancers", "The maximum number of load balancers has been reached")
		}
		return loadBalancers.Put(tx, key(ctx, lb.ARN), lb)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateLoadBalancerOutput{LoadBalancers: []api.LoadBalancer{lb.describe(ctx)}}, nil
}

func (s *Service) wantedLoadBalancer(ctx context.Context, in *api.CreateLoadBalancerInput) (loadBalancer, error) {
	lb := loadBalancer{
		Name: in.Name, Scheme: cmp.Or(wire.Value(in.Scheme), "internet-facing"), IPAddressType: cmp.Or(wire.Value(in.IpAddressType), "ipv4"),
		Created: s.Clock.Now(), Attributes: map[string]string{},
	}
	if err := checkLoadBalancer(in); err != nil {
		return lb, err
	}
	var err error
	if lb.Tags, err = tagsOf(in.Tags); err != nil {
		return lb, err
	}
	if lb.VPC, lb.Zones, err = s.subnets(ctx, in.Subnets, in.SubnetMappings); err != nil {
		return lb, err
	}
	if lb.SecurityGroups, err = s.securityGroups(ctx, lb.VPC, in.SecurityGroups); err != nil {
		return lb, err
	}
	lb.ARN = loadBalancerARN(ctx, lb.Name)
	lb.DNSName = dnsName(ctx, lb)
	return lb, nil
}

// domain is below which all load balancers have their names; it resolves to the loopback address (RFC 6761).
const domain = ".elb.localhost"

func dnsName(ctx context.Context, lb loadBalancer) string {
	name := lb.Name + "-" + digits()
	if lb.Scheme == "internal" {
		name = "internal-" + name
	}
	return name + "." + operation.CallerOf(ctx).Region + domain
}

var validName = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)

// checkName holds what AWS says of names of load balancers and target groups.
func checkName(what, name string) error {
	switch {
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case !validName.MatchString(name):
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters or hyphens(-)", what, name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("%s name '%s' cannot begin or end with '-'", what, name)
	}
	return nil
}

func checkLoadBalancer(in *api.CreateLoadBalancerInput) error {
	switch kind := cmp.Or(wire.Value(in.Type), "application"); {
	case kind == "network":
		return later("Load balancers of type network are", "the next release brings TCP, TLS and UDP")
	case kind == "gateway":
		return later("Load balancers of type gateway are", "on one machine there is no network to inspect, so use application")
	case in.CustomerOwnedIpv4Pool != nil:
		return invalid("Customer-owned IPv4 pools need an AWS Outpost, which the twin has not")
	case in.IpamPools != nil:
		return later("IPAM pools are", "leave IpamPools out")
	case in.EnablePrefixForIpv6SourceNat != nil:
		return invalid("Source NAT prefixes are only supported on Network Load Balancers")
	case strings.HasPrefix(in.Name, "internal-"):
		return invalid("Load balancer name '%s' cannot begin with 'internal-'", in.Name)
	}
	return checkName("Load balancer", in.Name)
}

// sameAs says whether creating lb again asks for what other is.
func (lb loadBalancer) sameAs(other loadBalancer) bool {
	return lb.Scheme == other.Scheme && lb.IPAddressType == other.IPAddressType && slices.Equal(lb.Zones, other.Zones) &&
		slices.Equal(lb.SecurityGroups, other.SecurityGroups)
}

func (lb loadBalancer) describe(ctx context.Context) api.LoadBalancer {
	return api.LoadBalancer{
		LoadBalancerArn: &lb.ARN, LoadBalancerName: &lb.Name, DNSName: &lb.DNSName, Scheme: &lb.Scheme, IpAddressType: &lb.IPAddressType,
		CanonicalHostedZoneId: wire.Maybe(hostedZones[operation.CallerOf(ctx).Region]), CreatedTime: &lb.Created, VpcId: &lb.VPC,
		Type: new("application"), State: &api.LoadBalancerState{Code: new("active")},
		SecurityGroups: lb.SecurityGroups, AvailabilityZones: lb.describeZones(),
	}
}

func (lb loadBalancer) describeZones() []api.AvailabilityZone {
	zones := make([]api.AvailabilityZone, len(lb.Zones))
	for i, z := range lb.Zones {
		zones[i] = api.AvailabilityZone{ZoneName: &z.Name, SubnetId: &z.Subnet, LoadBalancerAddresses: []api.LoadBalancerAddress{}}
	}
	return zones
}

// DescribeLoadBalancers lists load balancers: all, or those of the names or ARNs.
func (s *Service) DescribeLoadBalancers(ctx context.Context, in *api.DescribeLoadBalancersInput) (*api.DescribeLoadBalancersOutput, error) {
	if len(in.Names) > 0 && len(in.LoadBalancerArns) > 0 {
		return nil, invalid("Load balancer ARNs and names cannot be specified at the same time")
	}
	var found []loadBalancer
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		found, err = selectLoadBalancers(ctx, tx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, next, err := page.Cut(found, in.Marker, in.PageSize, 400, "ValidationError")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeLoadBalancersOutput{LoadBalancers: []api.LoadBalancer{}, NextMarker: next}
	for _, lb := range found {
		out.LoadBalancers = append(out.LoadBalancers, lb.describe(ctx))
	}
	return out, nil
}

func selectLoadBalancers(ctx context.Context, tx *store.Tx, in *api.DescribeLoadBalancersInput) (found []loadBalancer, err error) {
	for _, arn := range in.LoadBalancerArns {
		lb, err := find(ctx, tx, loadBalancers, kindLoadBalancer, arn)
		if err != nil {
			return nil, err
		}
		found = append(found, lb)
	}
	if len(in.LoadBalancerArns) > 0 {
		return found, nil
	}
	all, err := list(ctx, tx, loadBalancers)
	if len(in.Names) == 0 {
		return all, err
	}
	names, missing := named(all, in.Names, func(lb loadBalancer) string { return lb.Name })
	if len(missing) > 0 {
		return nil, wire.Errorf("LoadBalancerNotFound", "Load balancers '[%s]' not found", strings.Join(missing, ", "))
	}
	return names, err
}

// named picks the rows with those names, and tells the names nothing has.
func named[T any](all []T, names []string, nameOf func(T) string) (found []T, missing []string) {
	for _, name := range names {
		if i := slices.IndexFunc(all, func(row T) bool { return nameOf(row) == name }); i >= 0 {
			found = append(found, all[i])
		} else {
			missing = append(missing, name)
		}
	}
	return found, missing
}

// DeleteLoadBalancer removes a load balancer with its listeners and rules; one that is gone already is no error.
func (s *Service) DeleteLoadBalancer(ctx context.Context, in *api.DeleteLoadBalancerInput) (*api.DeleteLoadBalancerOutput, error) {
	if err := kindLoadBalancer.check(in.LoadBalancerArn); err != nil {
		return nil, err
	}
	return &api.DeleteLoadBalancerOutput{}, s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		lb, err := loadBalancers.Get(tx, key(ctx, in.LoadBalancerArn))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if loadBalancerAttributes.value(lb.Attributes, "deletion_protection.enabled") == "true" {
			return wire.Errorf("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", lb.ARN)
		}
		return dropLoadBalancer(ctx, tx, lb)
	})
}

func dropLoadBalancer(ctx context.Context, tx *store.Tx, lb loadBalancer) error {
	its, err := listBy(ctx, tx, listeners, lb.ARN)
	if err != nil {
		return err
	}
	for _, l := range its {
		if err := dropListener(ctx, tx, l); err != nil {
			return err
		}
	}
	return loadBalancers.Delete(tx, key(ctx, lb.ARN))
}

// changeLoadBalancer reads, changes and writes one load balancer.
func (s *Service) changeLoadBalancer(ctx context.Context, arn string, f func(lb *loadBalancer) error) (lb loadBalancer, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *store.Tx) error {
		if lb, err = find(ctx, tx, loadBalancers, kindLoadBalancer, arn); err != nil {
			return err
		}
		if err := f(&lb); err != nil {
			return err
		}
		return loadBalancers.Put(tx, key(ctx, arn), lb)
	})
	return lb, err
}

// SetSecurityGroups replaces the security groups; traffic here does not pass any.
func (s *Service) SetSecurityGroups(ctx context.Context, in *api.SetSecurityGroupsInput) (*api.SetSecurityGroupsOutput, error) {
	if in.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic != nil {
		return nil, invalid("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic is only supported on Network Load Balancers")
	}
	lb, err := s.changeLoadBalancer(ctx, in.LoadBalancerArn, func(lb *loadBalancer) (err error) {
		lb.SecurityGroups, err = s.securityGroups(ctx, lb.VPC, in.SecurityGroups)
		return err
	})
	return &api.SetSecurityGroupsOutput{SecurityGroupIds: lb.SecurityGroups}, err
}

// SetSubnets replaces the subnets, within the same VPC.
func (s *Service) SetSubnets(ctx context.Context, in *api.SetSubnetsInput) (*api.SetSubnetsOutput, error) {
	lb, err := s.changeLoadBalancer(ctx, in.LoadBalancerArn, func(lb *loadBalancer) error {
		vpc, zones, err := s.subnets(ctx, in.Subnets, in.SubnetMappings)
		if err != nil {
			return err
		}
		if vpc != lb.VPC {
			return wire.Errorf("InvalidConfigurationRequest", "The subnets are in VPC '%s', but the load balancer is in VPC '%s'", vpc, lb.VPC)
		}
		lb.Zones = zones
		lb.IPAddressType = cmp.Or(wire.Value(in.IpAddressType), lb.IPAddressType)
		return nil
	})
	return &api.SetSubnetsOutput{AvailabilityZones: lb.describeZones(), IpAddressType: &lb.IPAddressType}, err
}

// SetIpAddressType records the address type; here everything is on the loopback address.
func (s *Service) SetIpAddressType(ctx context.Context, in *api.SetIpAddressTypeInput) (*api.SetIpAddressTypeOutput, error) {
	lb, err := s.changeLoadBalancer(ctx, in.LoadBalancerArn, func(lb *loadBalancer) error {
		lb.IPAddressType = in.IpAddressType
		return nil
	})
	return &api.SetIpAddressTypeOutput{IpAddressType: &lb.IPAddressType}, err
}
