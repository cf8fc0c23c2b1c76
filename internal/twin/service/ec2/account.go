package ec2

import (
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/wire"
)

// DescribeAccountAttributes returns the account's default VPC and AWS's default quotas.
func (s *Service) DescribeAccountAttributes(ctx context.Context, in *api.DescribeAccountAttributesInput) (*api.DescribeAccountAttributesOutput, error) {
	home, err := s.defaultVPC(ctx)
	if wire.HasCode(err, "VPCIdNotSpecified") {
		home, err = "none", nil
	}
	if err != nil {
		return nil, err
	}
	out := &api.DescribeAccountAttributesOutput{AccountAttributes: []api.AccountAttribute{}}
	for _, a := range [][]string{{"supported-platforms", "VPC"}, {"default-vpc", home}, {"max-instances", "20"}, {"vpc-max-security-groups-per-interface", "5"},
		{"max-elastic-ips", "5"}, {"vpc-max-elastic-ips", "5"}} {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, a[0]) {
			out.AccountAttributes = append(out.AccountAttributes, api.AccountAttribute{AttributeName: &a[0], AttributeValues: []api.AccountAttributeValue{{AttributeValue: &a[1]}}})
		}
	}
	return out, nil
}

// size is an instance type as DescribeInstanceTypes tells of it.
type size struct {
	name       string
	cpus, mebi int
}

// sizes are the common general purpose, compute and memory types.
// https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html
var sizes = []size{
	{"c5.large", 2, 4096}, {"c5.xlarge", 4, 8192}, {"c6g.large", 2, 4096}, {"c7g.large", 2, 4096}, {"m5.large", 2, 8192}, {"m5.xlarge", 4, 16384}, {"m5.2xlarge", 8, 32768},
	{"m6g.large", 2, 8192}, {"m6i.large", 2, 8192}, {"m6i.xlarge", 4, 16384}, {"m7g.large", 2, 8192}, {"r5.large", 2, 16384}, {"r6g.large", 2, 16384}, {"t2.micro", 1, 1024},
	{"t2.small", 1, 2048}, {"t2.medium", 2, 4096}, {"t3.nano", 2, 512}, {"t3.micro", 2, 1024}, {"t3.small", 2, 2048}, {"t3.medium", 2, 4096}, {"t3.large", 2, 8192},
	{"t3.xlarge", 4, 16384}, {"t3a.micro", 2, 1024}, {"t3a.small", 2, 2048}, {"t3a.medium", 2, 4096}, {"t4g.nano", 2, 512}, {"t4g.micro", 2, 1024}, {"t4g.small", 2, 2048},
	{"t4g.medium", 2, 4096}, {"t4g.large", 2, 8192},
}

// architectureOf tells Graviton types from the rest: their family ends in a generation and g.
func architectureOf(kind string) string {
	family, _, _ := strings.Cut(kind, ".")
	if len(family) > 2 && strings.Contains(family[2:], "g") {
		return "arm64"
	}
	return "x86_64"
}

func describeSize(z size) api.InstanceTypeInfo {
	architecture := architectureOf(z.name)
	burst := z.name[0] == 't'
	return api.InstanceTypeInfo{InstanceType: &z.name, CurrentGeneration: new(z.name[:2] != "t2"), BareMetal: new(false), BurstablePerformanceSupported: &burst, FreeTierEligible: new(z.name == "t2.micro" || z.name == "t3.micro"),
		VCpuInfo: &api.VCpuInfo{DefaultVCpus: &z.cpus}, MemoryInfo: &api.MemoryInfo{SizeInMiB: &z.mebi}, InstanceStorageSupported: new(false), HibernationSupported: new(false),
		ProcessorInfo: &api.ProcessorInfo{SupportedArchitectures: []string{architecture}}, Hypervisor: new("nitro"), SupportedRootDeviceTypes: []string{"ebs"},
		SupportedUsageClasses: []string{"on-demand", "spot"}, SupportedVirtualizationTypes: []string{"hvm"}}
}

var sizeFields = &kind[api.InstanceTypeInfo]{
	tags: func(*api.InstanceTypeInfo) *[]api.Tag { return &[]api.Tag{} },
	fields: map[string]func(*api.InstanceTypeInfo) []string{
		"instance-type":                         text(func(v *api.InstanceTypeInfo) *string { return v.InstanceType }),
		"current-generation":                    truth(func(v *api.InstanceTypeInfo) *bool { return v.CurrentGeneration }),
		"burstable-performance-supported":       truth(func(v *api.InstanceTypeInfo) *bool { return v.BurstablePerformanceSupported }),
		"free-tier-eligible":                    truth(func(v *api.InstanceTypeInfo) *bool { return v.FreeTierEligible }),
		"processor-info.supported-architecture": func(v *api.InstanceTypeInfo) []string { return v.ProcessorInfo.SupportedArchitectures },
		"vcpu-info.default-vcpus":               func(v *api.InstanceTypeInfo) []string { return number10(v.VCpuInfo.DefaultVCpus) },
		"memory-info.size-in-mib":               func(v *api.InstanceTypeInfo) []string { return number10(v.MemoryInfo.SizeInMiB) },
	},
}

// DescribeInstanceTypes lists the types that the twin knows.
func (s *Service) DescribeInstanceTypes(_ context.Context, in *api.DescribeInstanceTypesInput) (*api.DescribeInstanceTypesOutput, error) {
	if err := sizeFields.check(in.Filters); err != nil {
		return nil, err
	}
	var all []api.InstanceTypeInfo
	unknown := slices.Clone(in.InstanceTypes)
	for _, z := range sizes {
		v := describeSize(z)
		unknown = slices.DeleteFunc(unknown, func(name string) bool { return glob(name, z.name) })
		wanted := len(in.InstanceTypes) == 0 || slices.ContainsFunc(in.InstanceTypes, func(name string) bool { return glob(name, z.name) })
		if wanted && sizeFields.matches(&v, in.Filters) {
			all = append(all, v)
		}
	}
	if len(unknown) > 0 {
		return nil, wire.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 100, "InvalidNextToken")
	return &api.DescribeInstanceTypesOutput{InstanceTypes: all, NextToken: next}, err
}

// DescribeImages lists the account's images: none, for an image cannot be made here. An image asked for by id does not exist.
func (s *Service) DescribeImages(_ context.Context, in *api.DescribeImagesInput) (*api.DescribeImagesOutput, error) {
	if len(in.ImageIds) > 0 {
		return nil, wire.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", strings.Join(in.ImageIds, ", "))
	}
	return &api.DescribeImagesOutput{Images: []api.Image{}}, nil
}
