package blueprint_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/manifest"
)

func render(t *testing.T, source string, facts blueprint.Facts) []blueprint.Stack {
	t.Helper()
	m := parse(t, source)
	stacks, err := blueprint.Render(m, m.Environments[0].Name, facts)
	if err != nil {
		t.Fatal(err)
	}
	return stacks
}

// TestEveryImportIsExported evaluates all stacks of every manifest in the
// order of Up; an import that no earlier stack exports fails.
func TestEveryImportIsExported(t *testing.T) {
	t.Parallel()
	for _, name := range manifests(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := load(t, name)
			var stacks []blueprint.Stack
			for _, env := range m.EnvironmentNames() {
				rendered, err := blueprint.Render(m, env, blueprint.Facts{})
				if err != nil {
					t.Fatal(err)
				}
				stacks = append(stacks, rendered...)
			}
			order, err := blueprint.Up(stacks)
			if err != nil {
				t.Fatal(err)
			}
			evaluate(t, order)
		})
	}
}

func TestRenderIsByteStable(t *testing.T) {
	t.Parallel()
	for _, name := range manifests(t) {
		first, err := blueprint.Render(load(t, name), load(t, name).Environments[0].Name, blueprint.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := blueprint.Render(load(t, name), load(t, name).Environments[0].Name, blueprint.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestRenderKeepsTheManifest renders twice from one manifest: merging must
// not reach into the manifest's own nodes.
func TestRenderKeepsTheManifest(t *testing.T) {
	t.Parallel()
	m := load(t, "overrides")
	first, err := blueprint.Render(m, "dev", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := blueprint.Render(m, "dev", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if !bytes.Equal(first[i].Template, again[i].Template) {
			t.Errorf("%s differs the second time", first[i].Name)
		}
	}
}

func TestPartsOfARendering(t *testing.T) {
	t.Parallel()
	m := parse(t, base)
	all, err := blueprint.Render(m, "DEV", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := blueprint.Environment(m, "dev", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := blueprint.Service(m, "dev", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, append(slices.Clone(environment), service[1:]...)); diff != "" {
		t.Errorf("Render is not Environment and Service: %s", diff)
	}
	common, err := blueprint.Common(m, blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := blueprint.Repo(m, blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]blueprint.Stack{all[0], all[6]}, []blueprint.Stack{common, repo}); diff != "" {
		t.Errorf("Common or Repo differ from Render: %s", diff)
	}
	want := []string{"mu-iam-common", "mu-iam-environment-dev", "mu-vpc-dev", "mu-loadbalancer-dev", "mu-environment-dev",
		"mu-iam-service-hello-dev", "mu-repo-hello", "mu-service-hello-dev"}
	if diff := cmp.Diff(want, names(all)); diff != "" {
		t.Errorf("order of mu (-want +got):\n%s", diff)
	}
}

func names(stacks []blueprint.Stack) []string {
	var list []string
	for _, s := range stacks {
		list = append(list, s.Name)
	}
	return list
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, source, want string }{
		{"no host to begin with", strings.Replace(ecsBase, "provider: ecs", "provider: ecs\n    cluster: {minSize: 0, desiredCapacity: 0}", 1),
			"mu.yml:3:5: the cluster of dev would begin without a host (set cluster.desiredCapacity to 1 or more)"},
		{"unknown reference", base + "  environment:\n    URL: ${ElbBaseURL}/x${Nonsense}\n",
			"mu.yml:9:5: the variable URL refers to ${ElbBaseURL}, which is no parameter of the service's stack (did you mean ${ElbBaseUrl}?)\n" +
				"mu.yml:9:5: the variable URL refers to ${Nonsense}, which is no parameter of the service's stack (write ${!Nonsense} for the text itself)"},
		{"unknown parameter", base + "parameters:\n  mu-service-hello-dev:\n    ServicePorts: 80\n",
			"mu.yml:10:5: the template of mu-service-hello-dev has no parameter ServicePorts (did you mean ServicePort?)"},
		{"size too large for Fargate by override", base + "parameters:\n  mu-service-hello-dev:\n    ServiceMemory: 999999\n",
			"mu-service-hello-dev: memory"},
		{"wrong merge, said once", base + "templates:\n  .*:\n    Parameters: [x]\n",
			"mu.yml:10:17: Parameters: a list cannot be merged into a mapping (use Fn::Replace to put the list in its place)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, test.source)
			_, err := blueprint.Render(m, m.Environments[0].Name, blueprint.Facts{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error:\n%v\nwant:\n%s", err, test.want)
			}
		})
	}
	if _, err := blueprint.Render(parse(t, base), "prod", blueprint.Facts{}); !errors.Is(err, manifest.ErrUnknownEnvironment) {
		t.Errorf("error %v, want ErrUnknownEnvironment", err)
	}
	if _, err := blueprint.Render(parse(t, base), "dev", blueprint.Facts{Provider: "eks"}); err == nil || !strings.Contains(err.Error(), "provider eks") {
		t.Errorf("error %v, want one about the provider of the deployed environment", err)
	}
	if _, err := blueprint.Repo(&manifest.Manifest{Path: "mu.yml"}, blueprint.Facts{}); err == nil {
		t.Error("a repository without a service")
	}
}

// TestBadPattern builds the manifest by hand: the loader refuses such a file.
func TestBadPattern(t *testing.T) {
	t.Parallel()
	m := parse(t, base)
	m.Tags = []manifest.TagSet{
		{Pattern: "mu-(", Pos: manifest.Position{File: "mu.yml", Line: 9, Column: 3}},
		{Pattern: "a)|(b", Pos: manifest.Position{File: "mu.yml", Line: 10, Column: 3}},
	}
	_, err := blueprint.Render(m, "dev", blueprint.Facts{})
	if err == nil {
		t.Fatal("rendered with a pattern that is no expression")
	}
	for _, want := range []string{`mu.yml:9:3: the pattern "mu-(": missing closing )`, `mu.yml:10:3: the pattern "a)|(b": unexpected )`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	m := parse(t, `
environments:
  - {name: dev, provider: ecs-fargate}
  - {name: prod, provider: ecs-fargate}
service: {name: hello}
templates:
  mu-vpc-prod: {Description: x}
  vpc-prod: {Description: x}
parameters:
  mu-pipeline-hello: {A: b}
tags:
  mu-repo-.*: {a: b}
  mu-repo: {a: b}
`)
	var got []string
	for _, w := range blueprint.Warnings(m) {
		got = append(got, w.String())
	}
	want := []string{
		`mu.yml:8:3: templates: the pattern "vpc-prod" matches no stack of this file`,
		`mu.yml:10:3: parameters: the pattern "mu-pipeline-hello" matches no stack of this file`,
		`mu.yml:13:3: tags: the pattern "mu-repo" matches no stack of this file`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestFacts(t *testing.T) {
	t.Parallel()
	parameter := func(facts blueprint.Facts, source, key string) string {
		stacks := render(t, source, facts)
		value, ok := stacks[len(stacks)-1].Parameter(key)
		if !ok {
			return "default"
		}
		return value
	}
	scaled := base + "  minSize: 2\n  maxSize: 6\n  desiredCount: 3\n"
	fixed := base + "  minSize: 3\n  maxSize: 3\n  desiredCount: 3\n"
	tests := []struct {
		name, source, key, want string
		facts                   blueprint.Facts
	}{
		{"first count", scaled, "ServiceDesiredCount", "3", blueprint.Facts{}},
		{"autoscaling's count stays", scaled, "ServiceDesiredCount", "5", blueprint.Facts{CurrentCount: new(5)}},
		{"not below the least", scaled, "ServiceDesiredCount", "default", blueprint.Facts{CurrentCount: new(0)}},
		{"not above the most", scaled, "ServiceDesiredCount", "6", blueprint.Facts{CurrentCount: new(9)}},
		{"without autoscaling the file decides", fixed, "ServiceDesiredCount", "3", blueprint.Facts{CurrentCount: new(9)}},
		{"next priority", base, "PathListenerRulePriority", "30", blueprint.Facts{NextPriority: 30}},
		{"host rule after it", base, "HostListenerRulePriority", "31", blueprint.Facts{NextPriority: 30}},
		{"own priority", base + "  priority: 5\n", "PathListenerRulePriority", "5", blueprint.Facts{NextPriority: 30}},
		{"image", base, "ImageUrl", "host/x@sha256:1", blueprint.Facts{Image: "host/x@sha256:1"}},
		{"tag", base, "ImageUrl", "mu-hello:v1", blueprint.Facts{Tag: "v1"}},
		{"own image has its own tag", base + "  imageRepository: a/b:2\n", "ImageUrl", "a/b:2", blueprint.Facts{Tag: "v1"}},
		{"architecture", base, "CpuArchitecture", "ARM64", blueprint.Facts{CPUArchitecture: "ARM64"}},
		{"provider as deployed", base, "LaunchType", "EC2", blueprint.Facts{Provider: "ecs"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := parameter(test.facts, test.source, test.key); got != test.want {
				t.Errorf("%s = %s, want %s", test.key, got, test.want)
			}
		})
	}
}

// TestOverrideChangesNothingElse compares a template with its overridden self.
func TestOverrideChangesNothingElse(t *testing.T) {
	t.Parallel()
	before := render(t, "environments: [{name: acceptance}]\n", blueprint.Facts{})[2]
	after, err := blueprint.Environment(load(t, "custom-cidr"), "acceptance", blueprint.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(before.Template), "\n"), strings.Split(string(after[2].Template), "\n")
	if len(was) != len(is) {
		t.Fatalf("%d lines became %d", len(was), len(is))
	}
	var got []string
	for i := range is {
		if was[i] != is[i] {
			got = append(got, strings.TrimSpace(is[i]))
		}
	}
	want := []string{"Default: 10.200.0.0/16", "Default: 10.200.0.0/24", "Default: 10.200.1.0/24", "Default: 10.200.2.0/24"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed lines (-want +got):\n%s", diff)
	}
}

func TestTagsWithoutFacts(t *testing.T) {
	t.Parallel()
	stacks := render(t, base, blueprint.Facts{})
	want := []blueprint.Tag{{"mu:type", "service"}, {"mu:environment", "dev"}, {"mu:service", "hello"}, {"mu:provider", "ecs-fargate"}}
	if diff := cmp.Diff(want, stacks[len(stacks)-1].Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// TestCapabilities adds to a template what CloudFormation wants acknowledged.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string][]string{
		"{Description: x}":                                                       nil,
		"{Resources: {R: {Type: 'AWS::IAM::Role'}}}":                             {"CAPABILITY_NAMED_IAM"},
		"{Transform: 'AWS::LanguageExtensions'}":                                 {"CAPABILITY_AUTO_EXPAND"},
		"{Resources: {EcsRepo: {Properties: {Fn::Transform: {Name: My}}}}}":      {"CAPABILITY_AUTO_EXPAND"},
		"{Resources: {R: {Type: 'AWS::IAM::Policy'}}, Transform: [My, Another]}": {"CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"},
	} {
		repo, err := blueprint.Repo(parse(t, base+"templates: {mu-repo-hello: "+patch+"}\n"), blueprint.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, repo.Capabilities); diff != "" {
			t.Errorf("%s: capabilities (-want +got):\n%s", patch, diff)
		}
	}
}

// TestVariables looks at what containers see.
func TestVariables(t *testing.T) {
	t.Parallel()
	stacks := render(t, strings.Replace(base, "service:", "  - name: prod\n    provider: ecs-fargate\nservice:", 1)+`  environment:
    PLAIN: "on"
    EMPTY:
      prod: x
    ODD: 'a: [b] #c "d"'
    REGION: in ${AWS::Region}
    PEER: ${ElbBaseUrl}/peer
    CLUSTER: ${EcsCluster}
    LITERAL: ${!HOME} in ${AWS::Region}
    ONLY_LITERAL: ${!HOME}
    SHELL: $HOME
    N: 0777
    TIME: "12:30:45"
    LINES: "a\n b: c\n"
`, blueprint.Facts{})
	task := evaluate(t, stacks).resources["mu-service-hello-dev/MicroserviceTaskDefinition"]
	container := task["ContainerDefinitions"].([]any)[0].(map[string]any)
	got := map[string]string{}
	for _, v := range container["Environment"].([]any) {
		pair := v.(map[string]any)
		got[pair["Name"].(string)] = pair["Value"].(string)
	}
	want := map[string]string{
		"_PRIMARY_ELB_LISTENER": "ElbHttpPathListenerRule",
		"PLAIN":                 "on",
		"EMPTY":                 "",
		"ODD":                   `a: [b] #c "d"`,
		"REGION":                "in eu-west-1",
		"PEER":                  "http://Elb.DNSName/peer",
		"CLUSTER":               "EcsCluster",
		"LITERAL":               "${HOME} in eu-west-1",
		"ONLY_LITERAL":          "${HOME}",
		"SHELL":                 "$HOME",
		"N":                     "0777",
		"TIME":                  "12:30:45",
		"LINES":                 "a\n b: c\n",
	}
	if !maps.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}
