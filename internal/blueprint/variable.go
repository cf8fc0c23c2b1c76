package blueprint

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// variables are the environment variables of the service's container.
type variables struct {
	list []variable
}

type variable struct {
	name  string
	value string
	pos   manifest.Position
}

func (r *renderer) variables() *variables {
	v := &variables{}
	for _, e := range r.service.Environment {
		v.list = append(v.list, variable{e.Name, e.For(r.environment.Name), e.Pos})
	}
	return v
}

// fill appends the variables to those of the template.
func (v *variables) fill(root *yaml.Node) {
	containers := at(root, "Resources", "MicroserviceTaskDefinition", "Properties", "ContainerDefinitions")
	environment := at(containers.Content[0], "Environment")
	for _, one := range v.list {
		environment.Content = append(environment.Content,
			mapping(text("Name"), quoted(one.name), text("Value"), one.node()))
	}
}

// A reference in the text of Fn::Sub; ${!Name} is one that is not resolved.
var subReference = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// references are the names a text refers to, each once.
func references(value string) []string {
	var names []string
	for _, match := range subReference.FindAllStringSubmatch(value, -1) {
		if name := strings.TrimSpace(match[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// imported are the parameters of the service template that hold the name of
// an export. In a variable such a name means what is exported.
var imported = []string{
	"EcsTaskRoleArn", "EcsExecutionRoleArn", "VpcId", "EcsCluster", "ServiceSubnetIds",
	"ServiceSecurityGroup", "ElbSecurityGroup", "ElbHttpListenerArn", "ElbBaseUrl",
}

// node is the value in the template: plain text, or !Sub where it refers to
// something.
func (v variable) node() *yaml.Node {
	names := references(v.value)
	if names == nil {
		return quoted(strings.ReplaceAll(v.value, "${!", "${"))
	}
	var imports []*yaml.Node
	for _, name := range names {
		if slices.Contains(imported, name) {
			export := tagged("!ImportValue", mapping(text("Fn::Sub"), text("${"+name+"}")))
			imports = append(imports, text(name), export)
		}
	}
	if imports == nil {
		return tagged("!Sub", text(v.value))
	}
	return tagged("!Sub", sequence(text(v.value), mapping(imports...)))
}

// pseudo are CloudFormation's own parameters, see "Pseudo parameters reference".
var pseudo = []string{
	"AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition",
	"AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix",
}

// check finds variables that refer to what is not in the template. Overrides
// may have brought parameters and resources of their own.
func (v *variables) check(root *yaml.Node, _ *Stack) []error {
	parameters := keys(at(root, "Parameters"))
	resources := keys(at(root, "Resources"))
	known := slices.Concat(parameters, pseudo)
	var faults []error
	for _, one := range v.list {
		for _, name := range references(one.value) {
			id, _, _ := strings.Cut(name, ".")
			if slices.Contains(known, name) || slices.Contains(resources, id) {
				continue
			}
			faults = append(faults, faultAt(one.pos, unknownReferenceHint(name, known),
				"the variable %s refers to ${%s}, which is no parameter of the service's stack", one.name, name))
		}
	}
	return faults
}

func unknownReferenceHint(name string, known []string) string {
	if best := closest(name, known); best != "" {
		return "did you mean ${" + best + "}?"
	}
	return "write ${!" + name + "} for the text itself"
}
