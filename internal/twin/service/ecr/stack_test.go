package ecr_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway.dev/internal/twin/api/cloudformation"
	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/wire"
)

const stackTemplate = `
Parameters:
  Mutability: {Type: String, Default: IMMUTABLE}
  Empty: {Type: String, Default: "false"}
Resources:
  Repo:
    Type: AWS::ECR::Repository
    Properties:
      ImageTagMutability: !Ref Mutability
      ImageScanningConfiguration: {ScanOnPush: true}
      EncryptionConfiguration: {EncryptionType: AES256}
      LifecyclePolicy:
        LifecyclePolicyText: '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":200},"action":{"type":"expire"}}]}'
      RepositoryPolicyText: {Version: "2012-10-17", Statement: []}
      EmptyOnDelete: !Ref Empty
Outputs:
  Name: {Value: !Ref Repo}
  Uri: {Value: !GetAtt Repo.RepositoryUri}
  Arn: {Value: !GetAtt Repo.Arn}
`

func (g *rig) settled(t *testing.T, c cloudformation.Client, id, want string) (s cloudformation.Stack) {
	t.Helper()
	waitFor(t, func() bool {
		out, err := c.DescribeStacks(g.Context, &cloudformation.DescribeStacksInput{StackName: &id})
		if err != nil {
			t.Fatal(err)
		}
		s = out.Stacks[0]
		return !strings.HasSuffix(s.StackStatus, "IN_PROGRESS")
	})
	if s.StackStatus != want {
		t.Fatalf("%s, want %s: %s", s.StackStatus, want, wire.Value(s.StackStatusReason))
	}
	return s
}

func TestARepositoryOfAStack(t *testing.T) {
	t.Parallel()
	g := start(t)
	c := cloudformation.Client{Invoker: g.Twin.Invoker}
	made, err := c.CreateStack(g.Context, &cloudformation.CreateStackInput{StackName: "Images", TemplateBody: new(stackTemplate)})
	if err != nil {
		t.Fatal(err)
	}
	s := g.settled(t, c, *made.StackId, "CREATE_COMPLETE")
	outputs := map[string]string{}
	for _, o := range s.Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	if !strings.HasPrefix(outputs["Name"], "images-repo-") || !strings.HasSuffix(outputs["Uri"], "/000000000000/us-east-1/"+outputs["Name"]) {
		t.Errorf("%v", outputs)
	}
	if err := remote.Write(parse(t, outputs["Uri"]+":v1"), randomImage(t), g.auth()); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(parse(t, outputs["Uri"]+":v1"), randomImage(t), g.auth()); err == nil {
		t.Error("the tag moved")
	}
	if _, err := c.DeleteStack(g.Context, &cloudformation.DeleteStackInput{StackName: *made.StackId}); err != nil {
		t.Fatal(err)
	}
	g.settled(t, c, *made.StackId, "DELETE_FAILED")
	g.moveOn(t, c, *made.StackId, outputs)
}

// moveOn updates what can change and then removes the repository with its images.
func (g *rig) moveOn(t *testing.T, c cloudformation.Client, id string, outputs map[string]string) {
	t.Helper()
	made, err := c.CreateStack(g.Context, &cloudformation.CreateStackInput{StackName: "Second", TemplateBody: new(stackTemplate)})
	if err != nil {
		t.Fatal(err)
	}
	s := g.settled(t, c, *made.StackId, "CREATE_COMPLETE")
	_, err = c.UpdateStack(g.Context, &cloudformation.UpdateStackInput{StackName: "Second", UsePreviousTemplate: new(true), Parameters: []cloudformation.Parameter{
		{ParameterKey: new("Mutability"), ParameterValue: new("MUTABLE")}, {ParameterKey: new("Empty"), ParameterValue: new("true")}}})
	if err != nil {
		t.Fatal(err)
	}
	g.settled(t, c, *made.StackId, "UPDATE_COMPLETE")
	var uri string
	for _, o := range s.Outputs {
		if *o.OutputKey == "Uri" {
			uri = *o.OutputValue
		}
	}
	for range 2 {
		if err := remote.Write(parse(t, uri+":v1"), randomImage(t), g.auth()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeleteStack(g.Context, &cloudformation.DeleteStackInput{StackName: *made.StackId}); err != nil {
		t.Fatal(err)
	}
	g.settled(t, c, *made.StackId, "DELETE_COMPLETE")
}

func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	g := start(t)
	run := func(args ...string) []byte {
		t.Helper()
		c := exec.CommandContext(t.Context(), aws, append([]string{"ecr", "--output", "json"}, args...)...)
		c.Env = append(os.Environ(), g.Env()...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	var made struct {
		Repository struct{ RepositoryURI string }
	}
	if err := json.Unmarshal(run("create-repository", "--repository-name", "app", "--image-scanning-configuration", "scanOnPush=true"), &made); err != nil {
		t.Fatal(err)
	}
	g.password = strings.TrimSpace(string(run("get-login-password")))
	i := randomImage(t)
	if err := remote.Write(parse(t, made.Repository.RepositoryURI+":v1"), i, g.auth()); err != nil {
		t.Fatal(err)
	}
	var found struct {
		ImageDetails []struct {
			ImageDigest     string
			ImageTags       []string
			ImageScanStatus struct{ Description string }
		}
	}
	if err := json.Unmarshal(run("describe-images", "--repository-name", "app"), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.ImageDetails) != 1 || found.ImageDetails[0].ImageDigest != digest(t, i) || !strings.Contains(found.ImageDetails[0].ImageScanStatus.Description, "does not scan") {
		t.Errorf("%+v", found)
	}
	manifest := run("batch-get-image", "--repository-name", "app", "--image-ids", "imageTag=v1", "--query", "images[0].imageManifest", "--output", "text")
	run("put-image", "--repository-name", "app", "--image-tag", "v2", "--image-manifest", strings.TrimSuffix(string(manifest), "\n"))
	out, err := g.DescribeImages(g.Context, &api.DescribeImagesInput{RepositoryName: "app"})
	if err != nil || len(out.ImageDetails) != 1 || strings.Join(out.ImageDetails[0].ImageTags, " ") != "v1 v2" {
		t.Errorf("retagged: %+v, %v", out, err)
	}
}
