package elbv2

import (
	"context"
	"slices"
	"strconv"

	api "slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// DescribeAccountLimits lists the quotas, those that are held here.
func (s *Service) DescribeAccountLimits(_ context.Context, in *api.DescribeAccountLimitsInput) (*api.DescribeAccountLimitsOutput, error) {
	quotas := []struct {
		name string
		most int
	}{
		{"application-load-balancers", mostLoadBalancers}, {"condition-values-per-alb-rule", mostConditionValues},
		{"listeners-per-application-load-balancer", mostListeners}, {"rules-per-application-load-balancer", mostRules},
		{"target-groups", mostTargetGroups}, {"target-groups-per-action-on-application-load-balancer", mostGroupsOfAction},
		{"targets-per-application-load-balancer", mostTargets},
	}
	limits := []api.Limit{}
	for _, q := range quotas {
		limits = append(limits, api.Limit{Name: new(q.name), Max: new(strconv.Itoa(q.most))})
	}
	limits, next, err := page.Cut(limits, in.Marker, in.PageSize, 400, "ValidationError")
	return &api.DescribeAccountLimitsOutput{Limits: limits, NextMarker: next}, err
}

// sslPolicies are the security policies that templates name most.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
var sslPolicies = []struct {
	name               string
	protocols, ciphers []string
}{
	{"ELBSecurityPolicy-2016-08", []string{"TLSv1", "TLSv1.1", "TLSv1.2"}, slices.Concat(gcm, sha2, sha1, rsaGCM, rsaSHA2, rsaSHA1)},
	{"ELBSecurityPolicy-TLS13-1-2-2021-06", []string{"TLSv1.2", "TLSv1.3"}, slices.Concat(tls13, gcm, sha2)},
	{"ELBSecurityPolicy-TLS13-1-2-Res-2021-06", []string{"TLSv1.2", "TLSv1.3"}, slices.Concat(tls13, gcm)},
	{"ELBSecurityPolicy-TLS13-1-3-2021-06", []string{"TLSv1.3"}, tls13},
}

var (
	tls13   = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
	gcm     = []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"}
	sha2    = []string{"ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384"}
	sha1    = []string{"ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"}
	rsaGCM  = []string{"AES128-GCM-SHA256", "AES256-GCM-SHA384"}
	rsaSHA2 = []string{"AES128-SHA256", "AES256-SHA256"}
	rsaSHA1 = []string{"AES128-SHA", "AES256-SHA"}
)

// DescribeSSLPolicies lists security policies; listeners here are HTTP.
func (s *Service) DescribeSSLPolicies(_ context.Context, in *api.DescribeSSLPoliciesInput) (*api.DescribeSSLPoliciesOutput, error) {
	all := []api.SslPolicy{}
	for _, p := range sslPolicies {
		if len(in.Names) == 0 || slices.Contains(in.Names, p.name) {
			all = append(all, api.SslPolicy{Name: new(p.name), SslProtocols: p.protocols, Ciphers: ranked(p.ciphers), SupportedLoadBalancerTypes: []string{"application", "network"}})
		}
	}
	if len(all) < len(in.Names) {
		return nil, wire.Errorf("SSLPolicyNotFound", "One or more SSL policies not found")
	}
	all, next, err := page.Cut(all, in.Marker, in.PageSize, 400, "ValidationError")
	return &api.DescribeSSLPoliciesOutput{SslPolicies: all, NextMarker: next}, err
}

func ranked(names []string) []api.Cipher {
	ciphers := make([]api.Cipher, len(names))
	for i, name := range names {
		ciphers[i] = api.Cipher{Name: new(name), Priority: new(i + 1)}
	}
	return ciphers
}

// DescribeCapacityReservation tells that no capacity is reserved.
func (s *Service) DescribeCapacityReservation(ctx context.Context, in *api.DescribeCapacityReservationInput) (*api.DescribeCapacityReservationOutput, error) {
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := find(ctx, tx, loadBalancers, kindLoadBalancer, in.LoadBalancerArn)
		return err
	})
	return &api.DescribeCapacityReservationOutput{CapacityReservationState: []api.ZonalCapacityReservationState{}}, err
}
