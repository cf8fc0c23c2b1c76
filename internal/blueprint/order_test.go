package blueprint_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/blueprint"
)

func TestWaves(t *testing.T) {
	t.Parallel()
	waves, err := blueprint.Waves(render(t, ecsBase, blueprint.Facts{}))
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, wave := range waves {
		got = append(got, names(wave))
	}
	want := [][]string{
		{"mu-iam-common", "mu-iam-environment-dev", "mu-iam-service-hello-dev", "mu-repo-hello"},
		{"mu-vpc-dev"},
		{"mu-loadbalancer-dev"},
		{"mu-environment-dev"},
		{"mu-service-hello-dev"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waves (-want +got):\n%s", diff)
	}
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	stacks := []blueprint.Stack{
		{Name: "c", DependsOn: []string{"b", "elsewhere"}},
		{Name: "a"},
		{Name: "b", DependsOn: []string{"a"}},
	}
	up, err := blueprint.Up(stacks)
	if err != nil {
		t.Fatal(err)
	}
	down, err := blueprint.Down(stacks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"a", "b", "c"}, {"c", "b", "a"}}, [][]string{names(up), names(down)}); diff != "" {
		t.Error(diff)
	}
	circle := []blueprint.Stack{{Name: "a", DependsOn: []string{"b"}}, {Name: "b", DependsOn: []string{"a"}}}
	if _, err := blueprint.Down(circle); err == nil || !strings.Contains(err.Error(), "circle: a, b") {
		t.Errorf("a circle: %v", err)
	}
}

// TestNetworkStack finds the stack whose exports hold an environment's network.
func TestNetworkStack(t *testing.T) {
	t.Parallel()
	m := parse(t, `
environments:
  - name: ids
    provider: ecs-fargate
    vpcTarget:
      vpcId: vpc-1
      instanceSubnetIds: [subnet-1, subnet-2]
      elbSubnetIds: [subnet-3, subnet-4]
  - {name: own, provider: ecs-fargate}
  - {name: a, provider: ecs-fargate, vpcTarget: {environment: OWN}}
  - {name: d, provider: ecs-fargate, vpcTarget: {environment: own, namespace: other}}
`)
	for env, want := range map[string]string{
		"ids": "mu-target-ids", "own": "mu-vpc-own", "a": "mu-vpc-own", "d": "other-vpc-own",
	} {
		stacks, err := blueprint.Environment(m, env, blueprint.Facts{})
		if err != nil {
			t.Fatal(err)
		}
		balancer := stacks[len(stacks)-2]
		if got, _ := balancer.Parameter("VpcId"); got != want+"-VpcId" {
			t.Errorf("%s takes its network from %s, want %s-VpcId", env, got, want)
		}
	}
}
