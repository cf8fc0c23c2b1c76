package cloudformation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"slipway.dev/internal/twin"
	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/twintest"
)

// many is a template of n parameters in chains of five.
func many(n int, value string) string {
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range n {
		v := value
		if i%5 > 0 {
			v = fmt.Sprintf("!Sub '%s ${P%d}'", value, i-1)
		}
		fmt.Fprintf(&b, "  P%d: {Type: 'AWS::SSM::Parameter', Properties: {Name: /many/%03d, Type: String, Value: %s}}\n", i, i, v)
	}
	return b.String()
}

const childDir = "SLIPWAY_TEST_TWIN_DIR"

// TestMain runs a twin instead of the tests where it is asked for: the process that is killed below.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	w, err := twin.Open(twin.Options{Dir: dir, Address: "127.0.0.1:0"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w.Run(context.Background())
}

// An operation that is killed again and again ends as one that is left alone: same status, same resources, nothing twice.
func TestAKilledOperationGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := twintest.StartIn(t, dir)
	cfn := api.Client{Invoker: w.Invoker}
	if _, err := cfn.CreateStack(w.Context, &api.CreateStackInput{StackName: "many", TemplateBody: new(many(60, "a"))}); err != nil {
		t.Fatal(err)
	}
	w.Stop(t)
	for range 6 {
		runAndKill(t, dir, time.Duration(5+rand.IntN(60))*time.Millisecond)
	}
	undisturbed := start(t)
	undisturbed.create(t, "many", many(60, "a"))
	undisturbed.ends(t, "many", "CREATE_COMPLETE")

	survivor := &world{Twin: twintest.StartIn(t, dir)}
	survivor.cfn, survivor.ssm = api.Client{Invoker: survivor.Invoker}, undisturbed.ssm
	survivor.ssm.Invoker = survivor.Invoker
	survivor.ends(t, "many", "CREATE_COMPLETE")
	for i := range 60 {
		name := fmt.Sprintf("/many/%03d", i)
		if got, want := survivor.value(t, name), undisturbed.value(t, name); got != want || got == "" {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got, want := len(strings.Split(survivor.history(t, "many"), "\n")), len(strings.Split(undisturbed.history(t, "many"), "\n")); got != want {
		t.Errorf("%d events, an undisturbed run has %d", got, want)
	}
}

func runAndKill(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(after)
	child.Process.Kill()
	child.Wait()
}

func TestTwoHundredResources(t *testing.T) {
	t.Parallel()
	w := start(t)
	began := time.Now()
	w.create(t, "many", many(200, "a"))
	w.ends(t, "many", "CREATE_COMPLETE")
	created := time.Since(began)
	began = time.Now()
	if _, err := w.cfn.DeleteStack(w.Context, &api.DeleteStackInput{StackName: "many"}); err != nil {
		t.Fatal(err)
	}
	for {
		news := w.Changed()
		out, err := w.cfn.ListStacks(w.Context, &api.ListStacksInput{})
		if err != nil {
			t.Fatal(err)
		}
		if out.StackSummaries[0].StackStatus == "DELETE_COMPLETE" {
			break
		}
		<-news
	}
	t.Logf("200 resources: created in %s, deleted in %s", created, time.Since(began))
}
