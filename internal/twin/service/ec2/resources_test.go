package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// stack makes and removes resources as CloudFormation does: each in a transaction of its own.
type stack struct {
	t     testing.TB
	ctx   context.Context
	s     *Service
	types map[string]resource.Type
	made  []resource.Request
}

func newStack(t testing.TB) *stack {
	t.Helper()
	state, err := store.Open(t.TempDir(), Tables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	k := &stack{t: t, s: New(room.House{Store: state, Log: slog.New(slog.DiscardHandler)}), types: map[string]resource.Type{},
		ctx: operation.WithCaller(t.Context(), operation.Caller{Account: "000000000000", Region: "us-east-1"})}
	for _, typ := range k.s.resources() {
		k.types[typ.Name] = typ
	}
	return k
}

func (k *stack) create(kind, logicalID string, properties map[string]any) (id string, attributes map[string]any) {
	k.t.Helper()
	r := resource.Request{StackName: "net", LogicalID: logicalID, Type: "AWS::EC2::" + kind, Token: logicalID, Properties: properties,
		Tags: map[string]string{"aws:cloudformation:stack-name": "net"}}
	typ := k.types[r.Type]
	err := k.s.Store.Update(k.ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if r.PhysicalID, err = typ.Create(ctx, r); err != nil || typ.Attributes == nil {
			return err
		}
		attributes, err = typ.Attributes(ctx, r)
		return err
	})
	if err != nil {
		k.t.Fatalf("create %s %s: %v", kind, logicalID, err)
	}
	k.made = append(k.made, r)
	return r.PhysicalID, attributes
}

func (k *stack) update(i int, properties map[string]any) {
	k.t.Helper()
	r := k.made[i]
	r.Previous, r.Properties = r.Properties, properties
	if err := k.types[r.Type].Update(k.ctx, r); err != nil {
		k.t.Fatalf("update %s %s: %v", r.Type, r.LogicalID, err)
	}
	k.made[i] = r
}

// remove takes everything away again, last first.
func (k *stack) remove() {
	k.t.Helper()
	for i := len(k.made) - 1; i >= 0; i-- {
		r := k.made[i]
		err := k.s.Store.Update(k.ctx, func(ctx context.Context, tx *store.Tx) error { return k.types[r.Type].Delete(ctx, r) })
		if err != nil {
			k.t.Errorf("delete %s %s: %v", r.Type, r.LogicalID, err)
		}
	}
}

// network makes the network of an environment: three zones, a NAT gateway, groups, endpoints, ACLs.
func (k *stack) network(i int) {
	in := func(name string) string { return fmt.Sprintf("%s%d", name, i) }
	vpc, _ := k.create("VPC", in("VPC"), map[string]any{"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": true, "Tags": []any{map[string]any{"Key": "Name", "Value": "net"}}})
	gateway, _ := k.create("InternetGateway", in("Gateway"), map[string]any{})
	k.create("VPCGatewayAttachment", in("Attachment"), map[string]any{"VpcId": vpc, "InternetGatewayId": gateway})
	table, _ := k.create("RouteTable", in("Table"), map[string]any{"VpcId": vpc})
	k.create("Route", in("Route"), map[string]any{"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway})
	subnets := []any{}
	for z := range 3 {
		subnet, _ := k.create("Subnet", in(fmt.Sprint("Subnet", z)), map[string]any{"VpcId": vpc, "CidrBlock": fmt.Sprintf("10.0.%d.0/24", z), "AvailabilityZone": "us-east-1" + string(rune('a'+z)), "MapPublicIpOnLaunch": true})
		k.create("SubnetRouteTableAssociation", in(fmt.Sprint("Association", z)), map[string]any{"SubnetId": subnet, "RouteTableId": table})
		subnets = append(subnets, subnet)
	}
	_, address := k.create("EIP", in("Address"), map[string]any{"Domain": "vpc"})
	k.create("NatGateway", in("Nat"), map[string]any{"SubnetId": subnets[0], "AllocationId": address["AllocationId"]})
	group, _ := k.create("SecurityGroup", in("Group"), map[string]any{"VpcId": vpc, "GroupDescription": "web", "SecurityGroupIngress": []any{map[string]any{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}}})
	k.create("SecurityGroupIngress", in("Self"), map[string]any{"GroupId": group, "IpProtocol": "-1", "SourceSecurityGroupId": group})
	k.create("SecurityGroupEgress", in("Egress"), map[string]any{"GroupId": group, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/8"})
	k.create("VPCEndpoint", in("S3"), map[string]any{"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": []any{table}, "PolicyDocument": map[string]any{"Version": "2012-10-17"}})
	k.create("VPCEndpoint", in("Logs"), map[string]any{"VpcId": vpc, "VpcEndpointType": "Interface", "ServiceName": "com.amazonaws.us-east-1.logs", "SubnetIds": subnets, "SecurityGroupIds": []any{group}})
	list, _ := k.create("NetworkAcl", in("Acl"), map[string]any{"VpcId": vpc})
	k.create("NetworkAclEntry", in("Entry"), map[string]any{"NetworkAclId": list, "RuleNumber": 100, "Protocol": 6, "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "PortRange": map[string]any{"From": 80, "To": 80}})
	k.create("SubnetNetworkAclAssociation", in("AclAssociation"), map[string]any{"SubnetId": subnets[2], "NetworkAclId": list})
	k.create("FlowLog", in("FlowLog"), map[string]any{"ResourceId": vpc, "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "flows", "DeliverLogsPermissionArn": "arn:aws:iam::000000000000:role/r"})
	k.create("LaunchTemplate", in("Template"), map[string]any{"LaunchTemplateData": map[string]any{"ImageId": "ami-1", "InstanceType": "t3.micro", "UserData": "x", "SecurityGroupIds": []any{group}}})
	k.create("NetworkInterface", in("Interface"), map[string]any{"SubnetId": subnets[1], "GroupSet": []any{group}})
}

func TestAStackOfNetworksIsMadeAndRemovedQuickly(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	began := time.Now()
	for i := range 8 {
		k.network(i)
	}
	created := time.Since(began)
	began = time.Now()
	k.remove()
	removed := time.Since(began)
	t.Logf("%d resources: created in %v, removed in %v", len(k.made), created, removed)
	k.remove() // what is gone is gone without an error
	err := k.s.Store.View(k.ctx, func(ctx context.Context, tx *store.Tx) error {
		var used, claimed, references int
		for query, n := range map[string]*int{"SELECT count(*) FROM ec2_used": &used, "SELECT count(*) FROM ec2_ranges WHERE vpc NOT IN (SELECT id FROM ec2_vpc)": &claimed,
			"SELECT count(*) FROM ec2_references WHERE source LIKE 'eni-%' OR source LIKE 'rtbassoc-%'": &references} {
			if err := tx.QueryRow(query).Scan(n); err != nil {
				return err
			}
		}
		if used+claimed+references != 0 {
			t.Errorf("left behind: %d addresses, %d ranges, %d references", used, claimed, references)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAGroupsRulesFollowItsProperties(t *testing.T) {
	t.Parallel()
	k := newStack(t)
	rule := func(port int) map[string]any {
		return map[string]any{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "0.0.0.0/0"}
	}
	vpc, _ := k.create("VPC", "VPC", map[string]any{"CidrBlock": "10.0.0.0/16"})
	base := map[string]any{"VpcId": vpc, "GroupDescription": "d", "SecurityGroupIngress": []any{rule(80)}}
	group, attributes := k.create("SecurityGroup", "Group", base)
	k.create("SecurityGroupIngress", "Other", map[string]any{"GroupId": group, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"})
	if attributes["GroupId"] != group || attributes["VpcId"] != vpc {
		t.Errorf("attributes %v", attributes)
	}
	k.update(1, map[string]any{"VpcId": vpc, "GroupDescription": "d", "SecurityGroupIngress": []any{rule(443), rule(80)}, "SecurityGroupEgress": []any{rule(5432)}})
	if got := k.ports(group); got != "in 22 80 443 out 5432" {
		t.Errorf("after the first change: %s", got)
	}
	k.update(1, map[string]any{"VpcId": vpc, "GroupDescription": "d"})
	if got := k.ports(group); got != "in 22 out -1" {
		t.Errorf("after the second: %s", got)
	}
}

// ports of a group's rules, sorted.
func (k *stack) ports(group string) string {
	k.t.Helper()
	text := "in"
	err := k.s.Store.View(k.ctx, func(ctx context.Context, tx *store.Tx) error {
		all, err := rules.of(ctx, tx, group)
		in, out := permissionsOf(all)
		for _, p := range in {
			text += fmt.Sprint(" ", *p.FromPort)
		}
		text += " out"
		for _, p := range out {
			if p.FromPort == nil {
				text += " -1"
				continue
			}
			text += fmt.Sprint(" ", *p.FromPort)
		}
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return text
}
