package ecs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"slipway.dev/internal/engine"
	"slipway.dev/internal/twin"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/ecr"
	api "slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/twintest"
)

// push puts the test image into a repository of the twin's and takes it off the engine.
func (w *world) push(repository, tag string) {
	w.t.Helper()
	client := ecr.Client{Invoker: w.Invoker}
	made, err := client.CreateRepository(w.Context, &ecr.CreateRepositoryInput{RepositoryName: repository})
	w.must(err)
	token, err := client.GetAuthorizationToken(w.Context, &ecr.GetAuthorizationTokenInput{})
	w.must(err)
	plain, err := base64.StdEncoding.DecodeString(*token.AuthorizationData[0].AuthorizationToken)
	w.must(err)
	user, password, _ := strings.Cut(string(plain), ":")
	ref := w.Address() + (*made.Repository.RepositoryUri)[strings.Index(*made.Repository.RepositoryUri, "/"):] + ":" + tag
	w.must(w.engine.Tag(w.Context, image, ref))
	_, err = w.engine.Push(w.Context, ref, engine.Auth{Username: user, Password: password}, io.Discard)
	w.must(err)
	w.must(w.engine.RemoveImage(w.Context, ref, true))
	w.t.Cleanup(func() { _ = w.engine.RemoveImage(context.Background(), ref, true) })
}

func TestAnImageOfTheTwinsOwnRegistry(t *testing.T) {
	t.Parallel()
	w := start(t).settle()
	w.push("app/web", "v1")
	for _, name := range []string{"000000000000.dkr.ecr.us-east-1.amazonaws.com/app/web:v1", "127.0.0.1:1/000000000000/us-east-1/app/web:v1"} {
		definition := w.register("pulled", nil, func(in *api.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Image = &name })
		task := w.awaitTask(*w.run(definition, nil).TaskArn, "RUNNING")
		if got := w.get(w.dial(task, 8080), "/"); got != "hello from pulled" {
			t.Errorf("%s answers %q", name, got)
		}
		if task.Containers[0].ImageDigest == nil || *task.Containers[0].Image != name {
			t.Errorf("%+v", task.Containers[0])
		}
	}
}

func TestWithoutAnEngineATaskSaysSo(t *testing.T) {
	t.Parallel()
	none := func(context.Context) (*engine.Engine, error) {
		return nil, errors.New("no container engine: install Docker")
	}
	opened, err := twin.Open(twin.Options{Dir: t.TempDir(), Address: "127.0.0.1:0", Region: "us-east-1", Engine: none, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- opened.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	w := &world{Twin: &twintest.Twin{Twin: opened, Invoker: opened.Gateway(), Context: twintest.As(context.Background(), twin.Account, "us-east-1")}, t: t, ecs: api.Client{Invoker: opened.Gateway()}}
	w.settle()
	w.create("web", w.register("web", nil, nil), 1, nil)
	var v api.Service
	w.await("the failure", func() bool { v = w.service("web"); return *v.Deployments[0].RolloutState == "FAILED" })
	if !strings.Contains(events(v), "CannotStartContainerError: no container engine: install Docker") {
		t.Errorf("no reason in\n%s", events(v))
	}
	w.await("the end of the tasks", func() bool {
		out, err := ec2.Client{Invoker: w.Invoker}.DescribeNetworkInterfaces(w.Context, &ec2.DescribeNetworkInterfacesInput{})
		w.must(err)
		return len(out.NetworkInterfaces) == 0
	})
}
