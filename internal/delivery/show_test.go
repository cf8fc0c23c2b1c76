package delivery

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway.dev/internal/manifest"
)

// twoOfThree is an ECS where every service wants three tasks and has two.
type twoOfThree struct{ ECS }

func (twoOfThree) DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	return &ecs.DescribeServicesOutput{Services: []ecstypes.Service{{Status: aws.String("ACTIVE"), RunningCount: 2, DesiredCount: 3}}}, nil
}

func TestServiceState(t *testing.T) {
	t.Parallel()
	p := &Project{Manifest: &manifest.Manifest{Namespace: "n", Service: &manifest.Service{Name: "web", PathPatterns: []string{"/app/*"}}},
		Target: &Target{Clients: Clients{ECS: twoOfThree{}}}}
	e := &EnvironmentState{}
	stack := &Stack{Tags: map[string]string{"mu:type": "service", "mu:service": "web", "mu:environment": "dev"}, Outputs: map[string]string{"BaseUrl": "http://x"}}
	if err := e.add(t.Context(), p, stack); err != nil {
		t.Fatal(err)
	}
	if s := e.Services[0]; s.Running != 2 || s.Desired != 3 || s.URL != "http://x/app/" {
		t.Errorf("%+v", s)
	}
}

// Only where a service has no paths of its own does the address want a Host header.
func TestHostsOf(t *testing.T) {
	t.Parallel()
	hosts := []string{"api.example.com", "*.example.org"}
	for name, test := range map[string]struct {
		service manifest.Service
		asked   string
		want    []string
	}{
		"hosts alone":         {manifest.Service{Name: "web", HostPatterns: hosts}, "web", hosts},
		"paths on every host": {manifest.Service{Name: "web", HostPatterns: hosts, PathPatterns: []string{"/api/*"}}, "web", nil},
		"of another file":     {manifest.Service{Name: "web", HostPatterns: hosts}, "back", nil},
	} {
		p := &Project{Manifest: &manifest.Manifest{Service: &test.service}}
		if got := p.hostsOf(test.asked); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
