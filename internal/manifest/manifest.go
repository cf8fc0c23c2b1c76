// Package manifest reads the file a team writes: slipway.yml, or the mu.yml
// of the tool Slipway follows. It decodes strictly, fills defaults and checks
// every rule that needs neither a network nor credentials. The result is what
// the user asked for; how that becomes CloudFormation is the blueprint's
// business.
package manifest

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Manifest is one file with every default filled in.
type Manifest struct {
	// Path is the name the file was read under, as given to Load or Parse.
	Path string
	// Namespace begins every stack name.
	Namespace string
	// Environments are in file order; their names differ in more than case.
	Environments []Environment
	// Service is nil when the file describes no service.
	Service *Service
	// Templates, Parameters and Tags are in file order, which is the order
	// in which they are to be applied.
	Templates  []TemplatePatch
	Parameters []ParameterSet
	Tags       []TagSet
	// Warnings, in file order, are about things that are allowed and have no
	// effect.
	Warnings []*Error
}

// Position is a place in a file; Line and Column count from 1. A column
// counts characters, not bytes. The zero Position means "not in the file".
type Position struct {
	File   string
	Line   int
	Column int
}

// String is file:line:column, or the file alone when no place is known.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Provider names of environments[].provider.
const (
	ProviderECS     = "ecs"         // containers on EC2 instances
	ProviderFargate = "ecs-fargate" // containers on Fargate
)

// Environment is one entry of environments.
type Environment struct {
	// Name has the spelling of the file, which stack names use.
	Name string
	// Provider is one of the Provider constants.
	Provider     string
	Cluster      Cluster
	LoadBalancer LoadBalancer
	VPCTarget    VPCTarget
	Pos          Position
}

// Cluster describes the EC2 instances of a ProviderECS environment. Other
// providers ignore it.
type Cluster struct {
	InstanceType string
	// ImageID is empty when the newest Amazon ECS-optimised image is wanted.
	ImageID string
	// InstanceTenancy is the tenancy of the VPC: default or dedicated.
	InstanceTenancy string
	DesiredCapacity int
	MinSize         int
	MaxSize         int
	// KeyName is an EC2 key pair; empty for none.
	KeyName string
	// ExtraUserData is shell text run when an instance starts; often empty.
	ExtraUserData string
	// TargetCPUReservation and TargetMemoryReservation are percentages of
	// the cluster, 1 to 100, that scaling aims at.
	TargetCPUReservation    int
	TargetMemoryReservation int
}

// LoadBalancer is environments[].loadbalancer.
type LoadBalancer struct {
	// Internal keeps the load balancer off the internet.
	Internal bool
}

// VPCTarget names a network that exists already. It is the zero value when
// the environment gets a VPC of its own.
type VPCTarget struct {
	// VPCID and the subnets are set together.
	VPCID             string
	InstanceSubnetIDs []string
	ELBSubnetIDs      []string
	// Environment, when set, shares the VPC of that environment and wins
	// over VPCID. Its spelling is that of the environment's own name.
	Environment string
	// Namespace is where Environment lives; filled with the manifest's own
	// namespace when the file does not name one.
	Namespace string
}

// IsZero reports that the environment brings its own VPC.
func (t VPCTarget) IsZero() bool { return t.VPCID == "" && t.Environment == "" }

// Deployment strategies of service.deploymentStrategy. On ECS all three are
// rolling updates that differ in the percentages (see RollingLimits).
const (
	StrategyBlueGreen = "blue_green"
	StrategyRolling   = "rolling"
	StrategyReplace   = "replace"
)

// Service is the service of the file.
type Service struct {
	Name string
	// DesiredCount lies between MinSize and MaxSize.
	DesiredCount int
	MinSize      int
	MaxSize      int
	// Dockerfile is relative to the folder of the manifest.
	Dockerfile string
	// ImageRepository is a complete image reference used as it is; empty
	// when the image is built from Dockerfile.
	ImageRepository string
	Port            int
	// Protocol is HTTP or HTTPS, whatever the case in the file.
	Protocol       string
	HealthEndpoint string
	// CPU is in CPU units (1024 are one vCPU), Memory in MiB. FargateSize
	// gives the task size that holds them.
	CPU            int
	Memory         int
	NetworkMode    string
	AssignPublicIP bool
	// Environment is in file order.
	Environment  []EnvVar
	PathPatterns []string
	HostPatterns []string
	// Priority is the listener rule's number for the paths, Priority+1 the
	// one for the hosts; 0 asks for the next free one.
	Priority           int
	DeploymentStrategy string
	// TargetCPUUtilization is a percentage, 1 to 100.
	TargetCPUUtilization int
	Pos                  Position
}

// Exposed reports whether the load balancer routes to the service: it does
// as soon as there is a path or host pattern.
func (s *Service) Exposed() bool { return len(s.PathPatterns)+len(s.HostPatterns) > 0 }

// RollingLimits gives the minimum and maximum healthy percentages of the
// ECS rolling update that stands for the deployment strategy.
func (s *Service) RollingLimits() (minHealthy, maxHealthy int) {
	switch s.DeploymentStrategy {
	case StrategyRolling:
		return 50, 100
	case StrategyReplace:
		return 0, 100
	default:
		return 100, 200
	}
}

// EnvVar is one variable of service.environment. It has either one Value
// for every environment, or PerEnvironment (then Value is empty).
type EnvVar struct {
	Name  string
	Value string
	// PerEnvironment is keyed by environment name in the file's spelling;
	// nil when there is one Value. Use For to look up.
	PerEnvironment map[string]string
	Pos            Position
}

// For is the value in the named environment (any case). A variable that
// lists environments is empty in those it leaves out, as in mu.
func (v EnvVar) For(env string) string {
	if v.PerEnvironment == nil {
		return v.Value
	}
	if value, ok := v.PerEnvironment[env]; ok {
		return value
	}
	for name, value := range v.PerEnvironment {
		if strings.EqualFold(name, env) {
			return value
		}
	}
	return ""
}

// TemplatePatch is a partial template to merge into every stack whose whole
// name matches Pattern.
type TemplatePatch struct {
	// Pattern is a regular expression as written; Matches anchors it.
	Pattern string
	// Node is the patch, a mapping. Short CloudFormation tags (!Ref, !Sub,
	// !GetAtt, …) are kept on its nodes, aliases are resolved, comments are
	// left where they were, ${env:NAME} is substituted.
	Node *yaml.Node
	Pos  Position
}

// ParameterSet holds stack parameters for the stacks that match Pattern.
type ParameterSet struct {
	Pattern string
	Values  []KeyValue
	Pos     Position
}

// TagSet holds stack tags for the stacks that match Pattern.
type TagSet struct {
	Pattern string
	Values  []KeyValue
	Pos     Position
}

// KeyValue is one entry of a map of strings, in file order.
type KeyValue struct {
	Key   string
	Value string
	Pos   Position
}

// ErrUnknownEnvironment is wrapped by FindEnvironment.
var ErrUnknownEnvironment = errors.New("unknown environment")

// FindEnvironment looks an environment up by name in any case. The error
// wraps ErrUnknownEnvironment and lists the names there are.
func (m *Manifest) FindEnvironment(name string) (*Environment, error) {
	for i := range m.Environments {
		if strings.EqualFold(m.Environments[i].Name, name) {
			return &m.Environments[i], nil
		}
	}
	if len(m.Environments) == 0 {
		return nil, fmt.Errorf("%w %q: %s declares no environments", ErrUnknownEnvironment, name, m.Path)
	}
	return nil, fmt.Errorf("%w %q: %s has %s", ErrUnknownEnvironment, name, m.Path, strings.Join(m.EnvironmentNames(), ", "))
}

// EnvironmentNames lists the environments in file order.
func (m *Manifest) EnvironmentNames() []string {
	names := make([]string, len(m.Environments))
	for i, e := range m.Environments {
		names[i] = e.Name
	}
	return names
}
