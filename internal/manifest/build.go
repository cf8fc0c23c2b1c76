package manifest

import (
	"path/filepath"
	"strings"
)

// defaultNamespace is mu for the files of mu, slipway for all others.
func defaultNamespace(file string) string {
	base := filepath.Base(file)
	if base == MuFileName || base == "mu.yaml" || strings.HasPrefix(base, "mu-") {
		return "mu"
	}
	return "slipway"
}

// build turns checked values into a manifest. Defaults that stand in the
// table of keys are in the values already; those that depend on other keys
// are made here.
func build(file *value, path string, opt Options) *Manifest {
	m := &Manifest{Path: path, Namespace: defaultNamespace(path)}
	if ns := file.field("namespace"); ns.set {
		m.Namespace = ns.text
	}
	if opt.Namespace != "" {
		m.Namespace = opt.Namespace
	}
	for _, e := range file.field("environments").items {
		m.Environments = append(m.Environments, buildEnvironment(e))
	}
	for i := range m.Environments {
		m.completeVPCTarget(&m.Environments[i].VPCTarget)
	}
	if s := file.field("service"); s.set {
		m.Service = buildService(s, opt)
		m.Service.Pos = file.keyAt["service"]
	}
	for _, t := range file.field("templates").named {
		m.Templates = append(m.Templates, TemplatePatch{Pattern: t.name, Node: t.node, Pos: t.at})
	}
	for _, p := range file.field("parameters").named {
		m.Parameters = append(m.Parameters, ParameterSet{Pattern: p.name, Values: keyValues(p.value), Pos: p.at})
	}
	for _, t := range file.field("tags").named {
		m.Tags = append(m.Tags, TagSet{Pattern: t.name, Values: keyValues(t.value), Pos: t.at})
	}
	return m
}

func keyValues(v *value) (pairs []KeyValue) {
	for _, n := range v.named {
		pairs = append(pairs, KeyValue{Key: n.name, Value: n.text, Pos: n.at})
	}
	return pairs
}

func buildEnvironment(v *value) Environment {
	target := v.field("vpcTarget")
	return Environment{
		Name:         v.field("name").text,
		Provider:     v.field("provider").text,
		Cluster:      buildCluster(v.field("cluster")),
		LoadBalancer: LoadBalancer{Internal: v.field("loadbalancer").field("internal").flag},
		VPCTarget: VPCTarget{
			VPCID:             target.field("vpcId").text,
			InstanceSubnetIDs: target.field("instanceSubnetIds").list(),
			ELBSubnetIDs:      target.field("elbSubnetIds").list(),
			Environment:       target.field("environment").text,
			Namespace:         target.field("namespace").text,
		},
		Pos: v.at,
	}
}

// completeVPCTarget fills in the namespace of a shared VPC and gives the
// environment the spelling that its stacks have.
func (m *Manifest) completeVPCTarget(t *VPCTarget) {
	if t.Environment == "" {
		return
	}
	if t.Namespace == "" {
		t.Namespace = m.Namespace
	}
	if t.Namespace != m.Namespace {
		return
	}
	if env, err := m.FindEnvironment(t.Environment); err == nil {
		t.Environment = env.Name
	}
}

func buildCluster(v *value) Cluster {
	desired, least, most := buildSizes(v.field("desiredCapacity"), v.field("minSize"), v.field("maxSize"), 1)
	return Cluster{
		InstanceType:            v.field("instanceType").text,
		ImageID:                 v.field("imageId").text,
		InstanceTenancy:         v.field("instanceTenancy").text,
		DesiredCapacity:         desired,
		MinSize:                 least,
		MaxSize:                 most,
		KeyName:                 v.field("keyName").text,
		ExtraUserData:           v.field("extraUserData").text,
		TargetCPUReservation:    v.field("targetCPUReservation").number,
		TargetMemoryReservation: v.field("targetMemoryReservation").number,
	}
}

// buildSizes fills in what is missing of desired, min and max. mu's defaults
// are fixed (2 or 1, 1, 2), so that desiredCount: 4 alone asked for more
// than the maximum; here a default gives way to what the file says.
func buildSizes(desiredKey, leastKey, mostKey *value, usual int) (desired, least, most int) {
	desired, least, most = desiredKey.number, leastKey.number, mostKey.number
	if !desiredKey.set {
		desired = usual
		if leastKey.set {
			desired = max(desired, least)
		}
		if mostKey.set {
			desired = min(desired, most)
		}
	}
	if !leastKey.set {
		least = min(1, desired)
		if mostKey.set {
			least = min(least, most)
		}
	}
	if !mostKey.set {
		most = max(2, desired, least)
	}
	return desired, least, most
}

func buildService(v *value, opt Options) *Service {
	s := &Service{
		Name:                 v.field("name").text,
		Dockerfile:           v.field("dockerfile").text,
		ImageRepository:      v.field("imageRepository").text,
		Port:                 v.field("port").number,
		Protocol:             v.field("protocol").text,
		HealthEndpoint:       v.field("healthEndpoint").text,
		CPU:                  v.field("cpu").number,
		Memory:               v.field("memory").number,
		NetworkMode:          v.field("networkMode").text,
		AssignPublicIP:       v.field("assignPublicIp").flag,
		PathPatterns:         v.field("pathPatterns").list(),
		HostPatterns:         v.field("hostPatterns").list(),
		Priority:             v.field("priority").number,
		DeploymentStrategy:   v.field("deploymentStrategy").text,
		TargetCPUUtilization: v.field("targetCPUUtilization").number,
	}
	if s.Name == "" {
		s.Name = opt.DefaultServiceName
	}
	s.DesiredCount, s.MinSize, s.MaxSize = buildSizes(v.field("desiredCount"), v.field("minSize"), v.field("maxSize"), 2)
	for _, n := range v.field("environment").named {
		s.Environment = append(s.Environment, buildVariable(n))
	}
	return s
}

func buildVariable(n named) EnvVar {
	v := EnvVar{Name: n.name, Value: n.text, Pos: n.at}
	if n.key.shape != openShape {
		return v
	}
	v.PerEnvironment = map[string]string{}
	for _, env := range n.named {
		v.PerEnvironment[env.name] = env.text
	}
	return v
}
