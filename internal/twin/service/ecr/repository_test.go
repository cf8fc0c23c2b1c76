package ecr_test

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

func TestARepositoryAndItsSettings(t *testing.T) {
	t.Parallel()
	g := start(t)
	out, err := g.CreateRepository(g.Context, &api.CreateRepositoryInput{RepositoryName: "team/app", Tags: []api.Tag{{Key: "a", Value: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Repository.RepositoryUri != g.Address()+"/000000000000/us-east-1/team/app" || *out.Repository.RepositoryArn != "arn:aws:ecr:us-east-1:000000000000:repository/team/app" {
		t.Errorf("%s, %s", *out.Repository.RepositoryUri, *out.Repository.RepositoryArn)
	}
	_, err = g.CreateRepository(g.Context, &api.CreateRepositoryInput{RepositoryName: "team/app"})
	if !wire.HasCode(err, "RepositoryAlreadyExistsException") {
		t.Errorf("again: %v", err)
	}
	_, err = g.CreateRepository(g.Context, &api.CreateRepositoryInput{RepositoryName: "Upper"})
	if !wire.HasCode(err, "InvalidParameterException") {
		t.Errorf("upper case: %v", err)
	}
	_, err = g.GetLifecyclePolicy(g.Context, &api.GetLifecyclePolicyInput{RepositoryName: "team/app"})
	if !wire.HasCode(err, "LifecyclePolicyNotFoundException") {
		t.Errorf("no lifecycle policy: %v", err)
	}
	_, err = g.GetRepositoryPolicy(g.Context, &api.GetRepositoryPolicyInput{RepositoryName: "team/app"})
	if !wire.HasCode(err, "RepositoryPolicyNotFoundException") {
		t.Errorf("no policy: %v", err)
	}
	tags, err := g.ListTagsForResource(g.Context, &api.ListTagsForResourceInput{ResourceArn: *out.Repository.RepositoryArn})
	if err != nil || len(tags.Tags) != 1 {
		t.Errorf("%v, %v", tags, err)
	}
	there, err := g.DescribeRepositories(twintest.As(t.Context(), "000000000000", "eu-west-1"), &api.DescribeRepositoriesInput{})
	if err != nil || len(there.Repositories) != 0 {
		t.Errorf("another region: %v, %v", there, err)
	}
	_, err = g.DescribeRepositories(g.Context, &api.DescribeRepositoriesInput{RepositoryNames: []string{"none"}})
	if err == nil || !strings.Contains(err.Error(), "The repository with name 'none' does not exist in the registry with id '000000000000'") {
		t.Errorf("%v", err)
	}
}

func TestALifecyclePolicyIsAppliedWhenImagesArrive(t *testing.T) {
	t.Parallel()
	g := start(t)
	uri := g.repository(t, "app")
	_, err := g.PutLifecyclePolicy(g.Context, &api.PutLifecyclePolicyInput{RepositoryName: "app", LifecyclePolicyText: `{"rules":[{"rulePriority":1,
		"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"v1", "v2", "v3"} {
		if err := remote.Write(parse(t, uri+":"+tag), randomImage(t), g.auth()); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		out, err := g.ListImages(g.Context, &api.ListImagesInput{RepositoryName: "app"})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.ImageIds) == 2
	})
	_, err = g.DescribeImages(g.Context, &api.DescribeImagesInput{RepositoryName: "app", ImageIds: []api.ImageIdentifier{{ImageTag: new("v1")}}})
	if !wire.HasCode(err, "ImageNotFoundException") {
		t.Errorf("the oldest is still there: %v", err)
	}
	waitFor(t, func() bool { return g.blobFiles(t) == 8 }) // three layers and a configuration each
}
