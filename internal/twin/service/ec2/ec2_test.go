package ec2_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

func start(t *testing.T) (*twintest.Twin, api.Client) {
	t.Helper()
	w := twintest.Start(t)
	return w, api.Client{Invoker: w.Invoker}
}

// must returns what a call returned, or ends the test.
func must[T any](t *testing.T) func(out *T, err error) *T {
	return func(out *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func makeVPC(t *testing.T, w *twintest.Twin, cidr string) string {
	t.Helper()
	return *must[api.CreateVpcOutput](t)(api.Client{Invoker: w.Invoker}.CreateVpc(w.Context, &api.CreateVpcInput{CidrBlock: &cidr})).Vpc.VpcId
}

func makeSubnet(t *testing.T, w *twintest.Twin, vpc, cidr string) string {
	t.Helper()
	return *must[api.CreateSubnetOutput](t)(api.Client{Invoker: w.Invoker}.CreateSubnet(w.Context, &api.CreateSubnetInput{VpcId: vpc, CidrBlock: &cidr})).Subnet.SubnetId
}

func TestEveryRegionHasADefaultVPC(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	for _, region := range []string{"us-east-1", "eu-west-1", "us-east-1"} {
		ctx := twintest.As(t.Context(), "000000000000", region)
		found := must[api.DescribeVpcsOutput](t)(ec2.DescribeVpcs(ctx, &api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("is-default"), Values: []string{"true"}}}}))
		if len(found.Vpcs) != 1 || *found.Vpcs[0].CidrBlock != "172.31.0.0/16" {
			t.Fatalf("%s: %+v", region, found)
		}
		subnets := must[api.DescribeSubnetsOutput](t)(ec2.DescribeSubnets(ctx, &api.DescribeSubnetsInput{Filters: []api.Filter{{Name: new("vpc-id"), Values: []string{*found.Vpcs[0].VpcId}}, {Name: new("availability-zone"), Values: []string{region + "?"}}}}))
		if len(subnets.Subnets) != 3 || *subnets.Subnets[0].AvailableIpAddressCount != 4091 {
			t.Errorf("%s: %d subnets", region, len(subnets.Subnets))
		}
	}
	groups := must[api.DescribeSecurityGroupsOutput](t)(ec2.DescribeSecurityGroups(w.Context, &api.DescribeSecurityGroupsInput{GroupNames: []string{"default"}}))
	if len(groups.SecurityGroups) != 1 || len(groups.SecurityGroups[0].IpPermissions) != 1 || len(groups.SecurityGroups[0].IpPermissionsEgress) != 1 {
		t.Errorf("default group: %+v", groups)
	}
}

func TestRangesAreChecked(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	vpc := makeVPC(t, w, "10.0.0.0/16")
	makeSubnet(t, w, vpc, "10.0.1.0/24")
	for cidr, code := range map[string]string{
		"10.0.1.0/24": "InvalidSubnet.Conflict", "10.0.1.128/25": "InvalidSubnet.Conflict", "10.0.0.0/16": "InvalidSubnet.Conflict", "10.0.0.0/23": "InvalidSubnet.Conflict",
		"10.1.0.0/24": "InvalidSubnet.Range", "10.0.2.0/29": "InvalidSubnet.Range", "10.0.2.0": "InvalidParameterValue",
	} {
		if _, err := ec2.CreateSubnet(w.Context, &api.CreateSubnetInput{VpcId: vpc, CidrBlock: &cidr}); !wire.HasCode(err, code) {
			t.Errorf("%s: %v, want %s", cidr, err, code)
		}
	}
	for _, cidr := range []string{"10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/28"} {
		makeSubnet(t, w, vpc, cidr)
	}
	for cidr, code := range map[string]string{"10.0.0.0/8": "InvalidVpc.Range", "10.0.0.0/29": "InvalidVpc.Range", "ten": "InvalidParameterValue"} {
		if _, err := ec2.CreateVpc(w.Context, &api.CreateVpcInput{CidrBlock: &cidr}); !wire.HasCode(err, code) {
			t.Errorf("%s: %v, want %s", cidr, err, code)
		}
	}
	_, err := ec2.CreateSubnet(w.Context, &api.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.0.9.0/24"), AvailabilityZone: new("us-east-1z")})
	if !wire.HasCode(err, "InvalidParameterValue") {
		t.Errorf("zone: %v", err)
	}
	if _, err := ec2.CreateSubnet(w.Context, &api.CreateSubnetInput{VpcId: "vpc-0123456789abcdef0", CidrBlock: new("10.0.9.0/24")}); !wire.HasCode(err, "InvalidVpcID.NotFound") {
		t.Errorf("vpc: %v", err)
	}
}

func TestAddressesAreGivenOnce(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	subnet := makeSubnet(t, w, makeVPC(t, w, "10.0.0.0/16"), "10.0.1.0/28")
	given := map[string]string{}
	for range 11 {
		v := must[api.CreateNetworkInterfaceOutput](t)(ec2.CreateNetworkInterface(w.Context, &api.CreateNetworkInterfaceInput{SubnetId: subnet})).NetworkInterface
		given[*v.PrivateIpAddress] = *v.NetworkInterfaceId
	}
	for i := 4; i < 15; i++ {
		if given[fmt.Sprintf("10.0.1.%d", i)] == "" {
			t.Errorf("10.0.1.%d was not given: %v", i, given)
		}
	}
	if _, err := ec2.CreateNetworkInterface(w.Context, &api.CreateNetworkInterfaceInput{SubnetId: subnet}); !wire.HasCode(err, "InsufficientFreeAddressesInSubnet") {
		t.Errorf("a full subnet: %v", err)
	}
	if _, err := ec2.DeleteNetworkInterface(w.Context, &api.DeleteNetworkInterfaceInput{NetworkInterfaceId: given["10.0.1.7"]}); err != nil {
		t.Fatal(err)
	}
	for ip, code := range map[string]string{"10.0.1.8": "InvalidIPAddress.InUse", "10.0.1.3": "InvalidParameterValue", "10.0.2.9": "InvalidParameterValue"} {
		if _, err := ec2.CreateNetworkInterface(w.Context, &api.CreateNetworkInterfaceInput{SubnetId: subnet, PrivateIpAddress: &ip}); !wire.HasCode(err, code) {
			t.Errorf("%s: %v, want %s", ip, err, code)
		}
	}
	again := must[api.CreateNetworkInterfaceOutput](t)(ec2.CreateNetworkInterface(w.Context, &api.CreateNetworkInterfaceInput{SubnetId: subnet}))
	if *again.NetworkInterface.PrivateIpAddress != "10.0.1.7" {
		t.Errorf("the one that is free again: %s", *again.NetworkInterface.PrivateIpAddress)
	}
	if _, err := ec2.DeleteSubnet(w.Context, &api.DeleteSubnetInput{SubnetId: subnet}); !wire.HasCode(err, "DependencyViolation") {
		t.Errorf("delete a subnet in use: %v", err)
	}
}

func TestWhatIsInUseStays(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	ctx := w.Context
	vpc := makeVPC(t, w, "10.0.0.0/16")
	subnet := makeSubnet(t, w, vpc, "10.0.1.0/24")
	gateway := *must[api.CreateInternetGatewayOutput](t)(ec2.CreateInternetGateway(ctx, &api.CreateInternetGatewayInput{})).InternetGateway.InternetGatewayId
	must[api.AttachInternetGatewayOutput](t)(ec2.AttachInternetGateway(ctx, &api.AttachInternetGatewayInput{VpcId: vpc, InternetGatewayId: gateway}))
	table := *must[api.CreateRouteTableOutput](t)(ec2.CreateRouteTable(ctx, &api.CreateRouteTableInput{VpcId: vpc})).RouteTable.RouteTableId
	association := *must[api.AssociateRouteTableOutput](t)(ec2.AssociateRouteTable(ctx, &api.AssociateRouteTableInput{RouteTableId: table, SubnetId: &subnet})).AssociationId
	route := &api.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &gateway}
	must[api.CreateRouteOutput](t)(ec2.CreateRoute(ctx, route))
	address := must[api.AllocateAddressOutput](t)(ec2.AllocateAddress(ctx, &api.AllocateAddressInput{}))
	nat := *must[api.CreateNatGatewayOutput](t)(ec2.CreateNatGateway(ctx, &api.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: address.AllocationId})).NatGateway.NatGatewayId
	web := *must[api.CreateSecurityGroupOutput](t)(ec2.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{VpcId: &vpc, GroupName: "web", Description: "d"})).GroupId
	app := *must[api.CreateSecurityGroupOutput](t)(ec2.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{VpcId: &vpc, GroupName: "app", Description: "d"})).GroupId
	from := api.IpPermission{IpProtocol: new("tcp"), FromPort: new(80), ToPort: new(80), UserIdGroupPairs: []api.UserIdGroupPair{{GroupId: &web}}}
	must[api.AuthorizeSecurityGroupIngressOutput](t)(ec2.AuthorizeSecurityGroupIngress(ctx, &api.AuthorizeSecurityGroupIngressInput{GroupId: &app, IpPermissions: []api.IpPermission{from}}))

	if _, err := ec2.CreateRoute(ctx, route); !wire.HasCode(err, "RouteAlreadyExists") {
		t.Errorf("route twice: %v", err)
	}
	steps := []struct {
		name, code string
		run        func() error
	}{
		{"vpc", "DependencyViolation", func() error { _, err := ec2.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: vpc}); return err }},
		{"subnet", "DependencyViolation", func() error { _, err := ec2.DeleteSubnet(ctx, &api.DeleteSubnetInput{SubnetId: subnet}); return err }},
		{"gateway", "DependencyViolation", func() error {
			_, err := ec2.DeleteInternetGateway(ctx, &api.DeleteInternetGatewayInput{InternetGatewayId: gateway})
			return err
		}},
		{"table", "DependencyViolation", func() error {
			_, err := ec2.DeleteRouteTable(ctx, &api.DeleteRouteTableInput{RouteTableId: table})
			return err
		}},
		{"group", "DependencyViolation", func() error {
			_, err := ec2.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: &web})
			return err
		}},
		{"address", "InvalidIPAddress.InUse", func() error {
			_, err := ec2.ReleaseAddress(ctx, &api.ReleaseAddressInput{AllocationId: address.AllocationId})
			return err
		}},
		{"nat", "", func() error {
			_, err := ec2.DeleteNatGateway(ctx, &api.DeleteNatGatewayInput{NatGatewayId: nat})
			return err
		}},
		{"release", "", func() error {
			_, err := ec2.ReleaseAddress(ctx, &api.ReleaseAddressInput{AllocationId: address.AllocationId})
			return err
		}},
		{"detach", "", func() error {
			_, err := ec2.DetachInternetGateway(ctx, &api.DetachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
			return err
		}},
		{"disassociate", "", func() error {
			_, err := ec2.DisassociateRouteTable(ctx, &api.DisassociateRouteTableInput{AssociationId: association})
			return err
		}},
		{"free table", "", func() error {
			_, err := ec2.DeleteRouteTable(ctx, &api.DeleteRouteTableInput{RouteTableId: table})
			return err
		}},
		{"free subnet", "", func() error { _, err := ec2.DeleteSubnet(ctx, &api.DeleteSubnetInput{SubnetId: subnet}); return err }},
		{"app", "", func() error {
			_, err := ec2.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: &app})
			return err
		}},
		{"web", "", func() error {
			_, err := ec2.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: &web})
			return err
		}},
		{"free vpc", "", func() error { _, err := ec2.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: vpc}); return err }},
		{"no vpc", "InvalidVpcID.NotFound", func() error { _, err := ec2.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: vpc}); return err }},
	}
	for _, step := range steps {
		if err := step.run(); step.code == "" && err != nil || step.code != "" && !wire.HasCode(err, step.code) {
			t.Errorf("%s: %v, want %q", step.name, err, step.code)
		}
	}
}

func TestRulesOfAGroup(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	ctx := w.Context
	vpc := makeVPC(t, w, "10.0.0.0/16")
	id := must[api.CreateSecurityGroupOutput](t)(ec2.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{VpcId: &vpc, GroupName: "web", Description: "d"})).GroupId
	if _, err := ec2.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{VpcId: &vpc, GroupName: "web", Description: "d"}); !wire.HasCode(err, "InvalidGroup.Duplicate") {
		t.Errorf("name twice: %v", err)
	}
	open := &api.AuthorizeSecurityGroupIngressInput{GroupId: id, IpPermissions: []api.IpPermission{
		{IpProtocol: new("6"), FromPort: new(80), ToPort: new(80), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}, {CidrIp: new("10.0.0.7/8"), Description: new("inside")}}},
		{IpProtocol: new("-1"), UserIdGroupPairs: []api.UserIdGroupPair{{GroupId: id}}}}}
	added := must[api.AuthorizeSecurityGroupIngressOutput](t)(ec2.AuthorizeSecurityGroupIngress(ctx, open))
	if len(added.SecurityGroupRules) != 3 || *added.SecurityGroupRules[1].CidrIpv4 != "10.0.0.0/8" || *added.SecurityGroupRules[0].IpProtocol != "tcp" {
		t.Errorf("added %+v", added.SecurityGroupRules)
	}
	_, err := ec2.AuthorizeSecurityGroupIngress(ctx, open)
	if !wire.HasCode(err, "InvalidPermission.Duplicate") || !strings.Contains(err.Error(), `"peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`) {
		t.Errorf("twice: %v", err)
	}
	group := must[api.DescribeSecurityGroupsOutput](t)(ec2.DescribeSecurityGroups(ctx, &api.DescribeSecurityGroupsInput{Filters: []api.Filter{{Name: new("ip-permission.cidr"), Values: []string{"10.*"}}}})).SecurityGroups[0]
	if len(group.IpPermissions) != 2 || len(group.IpPermissionsEgress) != 1 || group.IpPermissions[0].FromPort != nil || len(group.IpPermissions[1].IpRanges) != 2 {
		t.Errorf("described %+v", group)
	}
	gone := must[api.RevokeSecurityGroupIngressOutput](t)(ec2.RevokeSecurityGroupIngress(ctx, &api.RevokeSecurityGroupIngressInput{GroupId: id, SecurityGroupRuleIds: []string{*added.SecurityGroupRules[0].SecurityGroupRuleId}}))
	if len(gone.RevokedSecurityGroupRules) != 1 {
		t.Errorf("revoked %+v", gone)
	}
	_, err = ec2.RevokeSecurityGroupIngress(ctx, &api.RevokeSecurityGroupIngressInput{GroupId: id, IpPermissions: open.IpPermissions})
	if !wire.HasCode(err, "InvalidPermission.NotFound") {
		t.Errorf("revoke what is not there: %v", err)
	}
	for _, bad := range []api.IpPermission{{IpProtocol: new("tcp"), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}, {IpProtocol: new("tcp"), FromPort: new(1), ToPort: new(2)},
		{IpProtocol: new("nope"), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}, {IpProtocol: new("tcp"), FromPort: new(90), ToPort: new(80), IpRanges: []api.IpRange{{CidrIp: new("0.0.0.0/0")}}}} {
		if _, err := ec2.AuthorizeSecurityGroupIngress(ctx, &api.AuthorizeSecurityGroupIngressInput{GroupId: id, IpPermissions: []api.IpPermission{bad}}); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func TestTagsFilterEverything(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	vpc := makeVPC(t, w, "10.0.0.0/16")
	makeVPC(t, w, "10.1.0.0/16")
	must[api.CreateTagsOutput](t)(ec2.CreateTags(w.Context, &api.CreateTagsInput{Resources: []string{vpc}, Tags: []api.Tag{{Key: new("Name"), Value: new("prod-vpc")}}}))
	for pattern, want := range map[string]int{"prod-*": 1, "prod-vpc": 1, "prod-???": 1, "prod": 0, "*": 1} {
		found := must[api.DescribeVpcsOutput](t)(ec2.DescribeVpcs(w.Context, &api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("tag:Name"), Values: []string{pattern}}}}))
		if len(found.Vpcs) != want {
			t.Errorf("%s: %d, want %d", pattern, len(found.Vpcs), want)
		}
	}
	if _, err := ec2.DescribeVpcs(w.Context, &api.DescribeVpcsInput{Filters: []api.Filter{{Name: new("colour"), Values: []string{"x"}}}}); !wire.HasCode(err, "InvalidParameterValue") {
		t.Errorf("unknown filter: %v", err)
	}
	tags := must[api.DescribeTagsOutput](t)(ec2.DescribeTags(w.Context, &api.DescribeTagsInput{Filters: []api.Filter{{Name: new("resource-type"), Values: []string{"vpc"}}}}))
	if len(tags.Tags) != 1 || *tags.Tags[0].ResourceId != vpc {
		t.Errorf("tags: %+v", tags)
	}
	must[api.DeleteTagsOutput](t)(ec2.DeleteTags(w.Context, &api.DeleteTagsInput{Resources: []string{vpc}, Tags: []api.Tag{{Key: new("Name")}}}))
	if _, err := ec2.CreateVpc(w.Context, &api.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), DryRun: new(true)}); !wire.HasCode(err, "DryRunOperation") {
		t.Errorf("dry run: %v", err)
	}
}

func TestLaunchTemplatesHaveVersionsAndInstancesFollow(t *testing.T) {
	t.Parallel()
	w, ec2 := start(t)
	ctx := w.Context
	made := must[api.CreateLaunchTemplateOutput](t)(ec2.CreateLaunchTemplate(ctx, &api.CreateLaunchTemplateInput{LaunchTemplateName: "nodes", LaunchTemplateData: &api.RequestLaunchTemplateData{
		ImageId: new("ami-1"), InstanceType: new("t3.micro"), MetadataOptions: &api.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: new("required")}}})).LaunchTemplate
	must[api.CreateLaunchTemplateVersionOutput](t)(ec2.CreateLaunchTemplateVersion(ctx, &api.CreateLaunchTemplateVersionInput{LaunchTemplateName: new("nodes"), SourceVersion: new("1"), LaunchTemplateData: &api.RequestLaunchTemplateData{InstanceType: new("t4g.micro")}}))
	versions := must[api.DescribeLaunchTemplateVersionsOutput](t)(ec2.DescribeLaunchTemplateVersions(ctx, &api.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: made.LaunchTemplateId, Versions: []string{"$Latest", "$Default"}})).LaunchTemplateVersions
	if *versions[0].LaunchTemplateData.InstanceType != "t4g.micro" || *versions[0].LaunchTemplateData.ImageId != "ami-1" || *versions[0].LaunchTemplateData.MetadataOptions.HttpTokens != "required" || *versions[1].VersionNumber != 1 {
		t.Errorf("versions %+v", versions)
	}
	run := must[api.RunInstancesOutput](t)(ec2.RunInstances(ctx, &api.RunInstancesInput{MinCount: 2, MaxCount: 2, LaunchTemplate: &api.LaunchTemplateSpecification{LaunchTemplateName: new("nodes"), Version: new("$Latest")}}))
	found := must[api.DescribeInstancesOutput](t)(ec2.DescribeInstances(ctx, &api.DescribeInstancesInput{Filters: []api.Filter{{Name: new("instance-type"), Values: []string{"t4g.*"}}}}))
	if len(found.Reservations) != 1 || len(found.Reservations[0].Instances) != 2 || *found.Reservations[0].Instances[0].Architecture != "arm64" {
		t.Errorf("instances %+v", found)
	}
	must[api.TerminateInstancesOutput](t)(ec2.TerminateInstances(ctx, &api.TerminateInstancesInput{InstanceIds: []string{*run.Instances[0].InstanceId}}))
	running := must[api.DescribeInstancesOutput](t)(ec2.DescribeInstances(ctx, &api.DescribeInstancesInput{Filters: []api.Filter{{Name: new("instance-state-name"), Values: []string{"running"}}}}))
	if len(running.Reservations[0].Instances) != 1 {
		t.Errorf("running %+v", running)
	}
	if _, err := ec2.CreateLaunchTemplate(ctx, &api.CreateLaunchTemplateInput{LaunchTemplateName: "nodes", LaunchTemplateData: &api.RequestLaunchTemplateData{}}); !wire.HasCode(err, "InvalidLaunchTemplateName.AlreadyExistsException") {
		t.Errorf("name twice: %v", err)
	}
}

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("needs the AWS CLI")
	}
	w, _ := start(t)
	aws := func(line string) string {
		t.Helper()
		c := exec.Command("aws", strings.Fields("ec2 "+line+" --output text")...)
		c.Env = append(c.Environ(), w.Env()...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("aws ec2 %s: %v\n%s", line, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	vpc := aws("create-vpc --cidr-block 10.2.0.0/16 --tag-specifications ResourceType=vpc,Tags=[{Key=Name,Value=cli}] --query Vpc.VpcId")
	group := aws("create-security-group --group-name g --description d --vpc-id " + vpc + " --query GroupId")
	aws("authorize-security-group-ingress --group-id " + group + " --protocol tcp --port 443 --cidr 0.0.0.0/0")
	for line, want := range map[string]string{
		"describe-vpcs --filters Name=tag:Name,Values=c* --query Vpcs[].VpcId":                                     vpc,
		"describe-vpcs --filters Name=isDefault,Values=true --query Vpcs[].CidrBlock":                              "172.31.0.0/16",
		"describe-security-groups --group-ids " + group + " --query SecurityGroups[].IpPermissions[].FromPort":     "443",
		"describe-network-acls --filters Name=vpc-id,Values=" + vpc + " --query NetworkAcls[].IsDefault":           "True",
		"describe-route-tables --filters Name=vpc-id,Values=" + vpc + " --query RouteTables[].Associations[].Main": "True",
		"describe-availability-zones --zone-names us-east-1a --query AvailabilityZones[].ZoneId":                   "use1-az1",
		"describe-instance-types --instance-types t3.micro --query InstanceTypes[].MemoryInfo.SizeInMiB":           "1024",
	} {
		if got := aws(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
