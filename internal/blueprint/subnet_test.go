package blueprint_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/internal/blueprint"
)

func TestSubnets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, parameters string
		want             string // of the error; empty for none
	}{
		{"as they are", "{NatGatewayPerAZ: true}", ""},
		{"moved along with the VPC", "{VpcCidrBlock: 172.16.0.0/16}", ""},
		{"one that takes others in", "{InstanceSubnetAZ1CidrBlock: 10.0.64.0/18}", "overlaps"},
		{"outside", "{ElbSubnetAZ2CidrBlock: 10.1.0.0/24}",
			"mu.yml:7:5: ElbSubnetAZ2CidrBlock of mu-vpc-dev is 10.1.0.0/24, outside the VPC's 10.0.0.0/16 (choose a block within it)"},
		{"left behind by hand", "{VpcCidrBlock: 10.9.0.0/16, NatSubnetAZ1CidrBlock: 10.0.200.0/24}",
			"NatSubnetAZ1CidrBlock of mu-vpc-dev is 10.0.200.0/24, outside the VPC's 10.9.0.0/16"},
		{"no room for what is not set", "{VpcCidrBlock: 10.0.0.0/20}",
			"InstanceSubnetAZ1CidrBlock of mu-vpc-dev is 10.0.100.0/24, outside the VPC's 10.0.0.0/20"},
		{"overlap", "{ElbSubnetAZ2CidrBlock: 10.0.100.128/25}",
			"InstanceSubnetAZ1CidrBlock of mu-vpc-dev is 10.0.100.0/24 and overlaps ElbSubnetAZ2CidrBlock, 10.0.100.128/25"},
		{"an unused subnet may be anywhere", "{NatSubnetAZ3CidrBlock: 192.168.0.0/24}", ""},
		{"not a block", "{VpcCidrBlock: 10.0.0.0}", `VpcCidrBlock of mu-vpc-dev is "10.0.0.0", and a CIDR block such as 10.0.0.0/16 is expected`},
		{"IPv6", "{VpcCidrBlock: 'fd00::/16'}", "a CIDR block such as 10.0.0.0/16 is expected"},
		{"too large", "{VpcCidrBlock: 10.0.0.0/8}", "AWS takes blocks from /16 to /28"},
		{"too small", "{ElbSubnetAZ1CidrBlock: 10.0.0.0/29}", "AWS takes blocks from /16 to /28"},
		{"begins in the middle", "{ElbSubnetAZ1CidrBlock: 10.0.0.1/24}", "(write 10.0.0.0/24)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, `
environments:
  - name: dev
    provider: ecs-fargate
parameters:
  mu-vpc-dev:
    `+strings.NewReplacer("{", "", "}", "", ", ", "\n    ").Replace(test.parameters)+"\n")
			stacks, err := blueprint.Environment(m, "dev", blueprint.Facts{})
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want == "":
				evaluate(t, stacks)
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Errorf("error\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// TestNatGateways counts what is paid for.
func TestNatGateways(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		parameters string
		zones      int
		want       []string
	}{
		{"", 3, []string{"NatAZ1"}},
		{"", 2, []string{"NatAZ1"}},
		{"parameters: {mu-vpc-dev: {NatGatewayPerAZ: true}}", 3, []string{"NatAZ1", "NatAZ2", "NatAZ3"}},
		{"parameters: {mu-vpc-dev: {NatGatewayPerAZ: true}}", 2, []string{"NatAZ1", "NatAZ2"}},
	} {
		stacks := render(t, "environments: [{name: dev, provider: ecs-fargate}]\n"+test.parameters+"\n", blueprint.Facts{AZCount: test.zones})
		all := evaluate(t, stacks)
		var got []string
		for _, id := range []string{"NatAZ1", "NatAZ2", "NatAZ3"} {
			if _, ok := all.resources["mu-vpc-dev/"+id]; ok {
				got = append(got, id)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d zones, %q: gateways (-want +got):\n%s", test.zones, test.parameters, diff)
		}
	}
}
