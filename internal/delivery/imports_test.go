package delivery

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// sharing is a CloudFormation with two environments, int in the network of dev.
type sharing struct {
	*fakeCloudFormation
	imports map[string][]string // stacks by export
}

func newSharing(imports map[string][]string) *sharing {
	f := newFake()
	for _, name := range []string{"n-vpc-dev", "n-loadbalancer-dev", "n-environment-dev", "n-loadbalancer-int", "n-environment-int"} {
		f.stacks[name] = &fakeStack{id: "arn:" + name, status: "CREATE_COMPLETE"}
	}
	return &sharing{f, imports}
}

func (s *sharing) DescribeStacks(ctx context.Context, in *cloudformation.DescribeStacksInput, options ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	if in.StackName != nil {
		out, err := s.fakeCloudFormation.DescribeStacks(ctx, in, options...)
		if err == nil {
			out.Stacks[0].Tags = tagsOf(*in.StackName)
		}
		return out, err
	}
	out := &cloudformation.DescribeStacksOutput{}
	for _, name := range slices.Sorted(maps.Keys(s.stacks)) {
		if s.stacks[name].status != "DELETE_COMPLETE" {
			out.Stacks = append(out.Stacks, types.Stack{StackName: &name, StackId: &s.stacks[name].id, Tags: tagsOf(name)})
		}
	}
	return out, nil
}

func tagsOf(name string) []types.Tag {
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return nil
	}
	return []types.Tag{{Key: aws.String("mu:type"), Value: &parts[1]}, {Key: aws.String("mu:environment"), Value: &parts[2]}}
}

func (s *sharing) ListExports(context.Context, *cloudformation.ListExportsInput, ...func(*cloudformation.Options)) (*cloudformation.ListExportsOutput, error) {
	out := &cloudformation.ListExportsOutput{}
	for export := range s.imports {
		owner, _, _ := strings.Cut(export, "/")
		out.Exports = append(out.Exports, types.Export{Name: &export, ExportingStackId: &s.stacks[owner].id})
	}
	return out, nil
}

func (s *sharing) ListImports(_ context.Context, in *cloudformation.ListImportsInput, _ ...func(*cloudformation.Options)) (*cloudformation.ListImportsOutput, error) {
	if len(s.imports[*in.ExportName]) == 0 {
		return nil, fault("ValidationError", "Export '%s' is not imported by any stack.", *in.ExportName)
	}
	return &cloudformation.ListImportsOutput{Imports: s.imports[*in.ExportName]}, nil
}

// What others use is not half deleted: the refusal comes before the first deletion, and before the question.
func TestWhatOthersUseStays(t *testing.T) {
	t.Parallel()
	imports := map[string][]string{
		"n-vpc-dev/VpcId":             {"n-loadbalancer-dev", "n-environment-dev", "n-environment-int"},
		"n-vpc-dev/Subnets":           nil,
		"n-environment-dev/Cluster":   {"by-hand"},
		"n-loadbalancer-int/Listener": {"n-environment-int"},
	}
	for name, test := range map[string]struct {
		names, refusals []string
		deletions       int
	}{
		"used": {[]string{"dev"}, []string{
			"nothing was deleted: ",
			"the environment int uses the network of dev: the stack n-environment-int imports n-vpc-dev/VpcId of the stack n-vpc-dev; take that down first",
			"the stack by-hand uses the environment dev: the stack by-hand imports n-environment-dev/Cluster of the stack n-environment-dev; take that down first",
		}, 0},
		"among themselves": {[]string{"int"}, nil, 2},
		"with its users":   {[]string{"dev", "int"}, []string{"the stack by-hand uses the environment dev"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newSharing(imports)
				f.stacks["by-hand"] = &fakeStack{id: "arn:by-hand", status: "CREATE_COMPLETE"}
				p, _ := project(f.fakeCloudFormation)
				p.Target.Clients.CloudFormation, p.Yes = f, true
				err := p.TerminateEnvironments(t.Context(), test.names)
				if (err == nil) != (test.refusals == nil) {
					t.Fatal(err)
				}
				for _, text := range test.refusals {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%v\nwithout %q", err, text)
					}
				}
				if err != nil && slices.Contains(test.names, "int") && strings.Contains(err.Error(), "the environment int uses") {
					t.Errorf("what goes as well is no reason: %v", err)
				}
				if len(f.calls) != test.deletions {
					t.Errorf("calls %q", f.calls)
				}
			})
		})
	}
}
