package blueprint

import (
	"cmp"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// cluster is the stack an environment is named after.
func (r *renderer) cluster() draft {
	d := draft{
		kind:  KindEnvironment,
		name:  r.name(KindEnvironment, r.environment.Name),
		asset: "environment-fargate",
		parameters: []Parameter{
			param("Namespace", r.manifest.Namespace),
			param("EnvironmentName", r.environment.Name),
			param("VpcId", r.networkStack()+"-VpcId"),
			param("InstanceSubnetIds", r.networkStack()+"-InstanceSubnetIds"),
		},
		tags:      r.environmentTags(KindEnvironment),
		dependsOn: []string{r.name(KindIAMCommon), r.networkStack()},
	}
	if r.provider == manifest.ProviderECS {
		d.asset = "environment-ecs"
		d.check = r.checkHosts
		d.parameters = append(d.parameters, r.hostParameters()...)
		d.dependsOn = append(d.dependsOn,
			r.name(KindIAMEnvironment, r.environment.Name),
			r.name(KindLoadBalancer, r.environment.Name))
	}
	return d
}

// checkHosts refuses a cluster that begins empty: CloudFormation waits for its
// first host to report that it is up.
func (r *renderer) checkHosts(root *yaml.Node, s *Stack) []error {
	first := cmp.Or(effective(root, s, "DesiredCapacity"), effective(root, s, "MinSize"))
	if first != "0" {
		return nil
	}
	return []error{faultAt(r.environment.Pos, "set cluster.desiredCapacity to 1 or more",
		"the cluster of %s would begin without a host", r.environment.Name)}
}

// hostParameters describe the EC2 instances of a cluster.
func (r *renderer) hostParameters() []Parameter {
	c, env := r.environment.Cluster, r.environment.Name
	return []Parameter{
		param("EC2InstanceProfileArn", r.name(KindIAMEnvironment, env)+"-EC2InstanceProfileArn"),
		param("ElbSecurityGroup", r.name(KindLoadBalancer, env)+"-InstanceSecurityGroup"),
		param("InstanceType", c.InstanceType),
		param("ImageId", c.ImageID),
		param("LatestImageId", latestImage(c.InstanceType)),
		param("KeyName", c.KeyName),
		param("ExtraUserData", c.ExtraUserData),
		number("MinSize", c.MinSize),
		param("DesiredCapacity", initialCapacity(c)),
		number("MaxSize", c.MaxSize),
		number("TargetCapacity", min(c.TargetCPUReservation, c.TargetMemoryReservation)),
	}
}

// Families with a Graviton processor: a1, and those with a g behind the
// generation (t4g, m7gd, c6gn).
var graviton = regexp.MustCompile(`^(a1|[a-z]+[0-9]+g[a-z-]*)\.`)

// latestImage is the public parameter with the newest image for an instance
// type, see "Retrieving Amazon ECS-optimized Linux AMI metadata".
func latestImage(instanceType string) string {
	architecture := ""
	if graviton.MatchString(instanceType) {
		architecture = "arm64/"
	}
	return "/aws/service/ecs/optimized-ami/amazon-linux-2023/" + architecture + "recommended/image_id"
}

// initialCapacity is empty where the cluster begins with its fewest hosts, so
// that an update does not take back what the capacity provider added.
func initialCapacity(c manifest.Cluster) string {
	if c.DesiredCapacity == c.MinSize {
		return ""
	}
	return strconv.Itoa(c.DesiredCapacity)
}
