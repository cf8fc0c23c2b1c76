package blueprint

import (
	"strings"

	"slipway.dev/internal/manifest"
)

const mostZones = 3

// network is the stack that makes the environment's network, or the one that
// gives names to a network there is. An environment that shares another's
// network has neither.
func (r *renderer) network() (draft, bool) {
	target := r.environment.VPCTarget
	switch {
	case target.Environment != "":
		return draft{}, false
	case target.VPCID != "":
		return r.target(target), true
	default:
		return r.vpc(), true
	}
}

func (r *renderer) vpc() draft {
	zones := r.facts.AZCount
	if zones < 1 || zones > mostZones {
		zones = mostZones
	}
	return draft{
		kind:  KindVPC,
		name:  r.name(KindVPC, r.environment.Name),
		asset: "vpc",
		parameters: []Parameter{
			param("Namespace", r.manifest.Namespace),
			param("EnvironmentName", r.environment.Name),
			param("InstanceTenancy", r.environment.Cluster.InstanceTenancy),
			flag("ElbInternal", r.environment.LoadBalancer.Internal),
			number("AZCount", zones),
		},
		tags:      r.environmentTags(KindVPC),
		dependsOn: []string{r.name(KindIAMCommon)},
		derive:    deriveSubnets,
		check:     r.checkSubnets,
	}
}

func (r *renderer) target(target manifest.VPCTarget) draft {
	return draft{
		kind:  KindTarget,
		name:  r.name(KindTarget, r.environment.Name),
		asset: "target",
		parameters: []Parameter{
			param("Namespace", r.manifest.Namespace),
			param("EnvironmentName", r.environment.Name),
			param("VpcId", target.VPCID),
			param("ElbSubnetIds", strings.Join(target.ELBSubnetIDs, ",")),
			param("InstanceSubnetIds", strings.Join(target.InstanceSubnetIDs, ",")),
		},
		tags:      r.environmentTags(KindTarget),
		dependsOn: []string{r.name(KindIAMCommon)},
	}
}

// networkStack is the stack whose exports hold the environment's network.
func (r *renderer) networkStack() string {
	target := r.environment.VPCTarget
	switch {
	case target.Environment != "":
		return StackName(target.Namespace, KindVPC, target.Environment)
	case target.VPCID != "":
		return r.name(KindTarget, r.environment.Name)
	default:
		return r.name(KindVPC, r.environment.Name)
	}
}

func (r *renderer) loadBalancer() draft {
	network := r.networkStack()
	return draft{
		kind:  KindLoadBalancer,
		name:  r.name(KindLoadBalancer, r.environment.Name),
		asset: "loadbalancer",
		parameters: []Parameter{
			param("Namespace", r.manifest.Namespace),
			param("EnvironmentName", r.environment.Name),
			flag("ElbInternal", r.environment.LoadBalancer.Internal),
			param("VpcId", network+"-VpcId"),
			param("ElbSubnetIds", network+"-ElbSubnetIds"),
		},
		tags:      r.environmentTags(KindLoadBalancer),
		dependsOn: []string{r.name(KindIAMCommon), network},
	}
}
