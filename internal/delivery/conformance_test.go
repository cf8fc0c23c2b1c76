package delivery

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/cfn"
	"slipway.dev/internal/manifest"
)

const conformanceFile = `
namespace: conform
environments:
  - name: dev
    provider: ecs-fargate
    vpcTarget: {vpcId: %s, instanceSubnetIds: [%[2]s, %[3]s], elbSubnetIds: [%[2]s, %[3]s]}
service:
  name: web
  pathPatterns: [/*]
%[4]s`

// TestConformanceMoto runs the delivery code against moto_server, a server of AWS's APIs that nobody here wrote, as far as it goes: what a
// change set creates there has no outputs, so stacks that others need are created by CreateStack first; outputs that a condition
// leaves out are an error to it, so iam-environment is left alone; the VPC's template is beyond it, so its default VPC is the target;
// and it knows no termination protection, and no change of tags alone. From there on change sets, listings and deletions are ours.
func TestConformanceMoto(t *testing.T) {
	t.Parallel()
	if os.Getenv("SLIPWAY_CONFORMANCE") == "" {
		t.Skip("make conformance sets SLIPWAY_CONFORMANCE")
	}
	ctx := t.Context()
	target, err := OpenTarget(ctx, TargetOptions{EndpointURL: startMoto(t), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	r, raw := &told{}, target.Clients.CloudFormation.(*cloudformation.Client)
	target.Clients.CloudFormation = jsonTemplates{raw}
	p := &Project{Manifest: parse(t, target, ""), Target: target, Version: "1.0.0", Reporter: r, DisableIAM: true}
	createByHand(t, p, raw)
	if _, err := p.EnvironmentsUp(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(r.events, func(e Event) bool { return e.Outcome == Created || e.Outcome == Failed }) {
		t.Errorf("what is there was created again: %q", r.outcomes())
	}
	p.Manifest, r.events = parse(t, target, "parameters:\n  conform-environment-.*:\n    LogRetentionInDays: \"7\"\n"), nil
	ups, err := p.EnvironmentsUp(ctx, nil)
	if err != nil || len(ups) != 1 || !ups[0].Changed || ups[0].URL == "" {
		t.Errorf("with another parameter: %+v, %v, %q", ups, err, r.outcomes())
	}
	if e, err := p.ShowEnvironment(ctx, "DEV"); err != nil || e.ClusterStatus != "UPDATE_COMPLETE" || e.Provider != "ecs-fargate" {
		t.Errorf("%+v, %v", e, err)
	}
	created(t, p)
	p.Yes = true
	if err := p.TerminateEnvironments(ctx, []string{"dev"}); err != nil {
		t.Error(err)
	}
	if left, err := p.Environments(ctx); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// jsonTemplates sends templates as JSON: moto misreads a short function around a long one (!ImportValue around Fn::Sub) in YAML.
type jsonTemplates struct{ CloudFormation }

func (j jsonTemplates) CreateChangeSet(ctx context.Context, in *cloudformation.CreateChangeSetInput, options ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error) {
	in.TemplateBody = aws.String(asJSON(*in.TemplateBody))
	return j.CloudFormation.CreateChangeSet(ctx, in, options...)
}

// created: a stack that needs no other comes up through a change set, and goes.
func created(t *testing.T, p *Project) {
	t.Helper()
	repo, err := blueprint.Repo(p.Manifest, p.facts())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Upsert(t.Context(), repo); err != nil {
		t.Error(err)
	}
	if login, err := p.registryLogin(t.Context()); err != nil || login.Username != "AWS" {
		t.Errorf("%+v, %v", login, err)
	}
	if err := p.Remove(t.Context(), repo.Name); err != nil {
		t.Error(err)
	}
}

// createByHand creates the environment's stacks without change sets, in order.
func createByHand(t *testing.T, p *Project, raw *cloudformation.Client) {
	t.Helper()
	if zones, err := p.Target.zones(t.Context()); err != nil || zones < 3 {
		t.Errorf("zones: %d, %v", zones, err)
	}
	stacks, err := blueprint.Environment(p.Manifest, "dev", p.facts())
	if err != nil {
		t.Fatal(err)
	}
	if stacks, err = blueprint.Up(stacks); err != nil {
		t.Fatal(err)
	}
	for _, s := range stacks {
		if s.Kind == blueprint.KindIAMEnvironment {
			continue
		}
		in := &cloudformation.CreateStackInput{StackName: &s.Name, TemplateBody: aws.String(asJSON(string(s.Template)))}
		for _, parameter := range s.Parameters {
			in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(parameter.Key), ParameterValue: aws.String(parameter.Value)})
		}
		for _, tag := range s.Tags {
			in.Tags = append(in.Tags, types.Tag{Key: aws.String(tag.Key), Value: aws.String(tag.Value)})
		}
		if _, err := raw.CreateStack(t.Context(), in); err != nil {
			t.Fatalf("moto does not take %s: %v", s.Name, err)
		}
	}
}

// asJSON translates a template that is known to be well-formed; one that is not is sent as it is, and refused.
func asJSON(yaml string) string {
	template, err := cfn.Parse("template.yml", []byte(yaml))
	if err != nil {
		return yaml
	}
	text, err := template.Root.JSON()
	if err != nil {
		return yaml
	}
	return string(text)
}

func parse(t *testing.T, target *Target, more string) *manifest.Manifest {
	t.Helper()
	vpc, subnets := defaultNetwork(t, target)
	m, err := manifest.Parse("mu.yml", fmt.Appendf(nil, conformanceFile, vpc, subnets[0], subnets[1], more), manifest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	vpcID    = regexp.MustCompile(`vpc-[0-9a-f]+`)
	subnetID = regexp.MustCompile(`subnet-[0-9a-f]+`)
)

// defaultNetwork reads moto's default VPC. It does not check signatures, but finds the service in them.
func defaultNetwork(t *testing.T, target *Target) (vpc string, subnets []string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.EndpointURL, strings.NewReader("Action=DescribeSubnets&Version=2016-11-15"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	subnets = subnetID.FindAllString(string(text), -1)
	slices.Sort(subnets)
	if subnets = slices.Compact(subnets); len(subnets) < 2 {
		t.Fatalf("moto's subnets: %s", text)
	}
	return vpcID.FindString(string(text)), subnets
}

// startMoto runs moto_server on a port of its own until the test ends.
func startMoto(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, "moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(address.Port))
	if err := server.Start(); err != nil {
		stop()
		t.Fatalf("moto_server is wanted (pip install 'moto[server]'): %v", err)
	}
	t.Cleanup(func() { stop(); _ = server.Wait() })
	url := "http://" + address.String()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(60 * time.Second)
	for {
		if answer, err := http.Get(url + "/moto-api/"); err == nil {
			answer.Body.Close()
			return url
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatal("moto_server does not answer")
		}
	}
}
