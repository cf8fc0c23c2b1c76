package cloudformation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/resource"
)

const parameterType = "AWS::SSM::Parameter"

// bend changes a resource type before any stack uses it.
func (w *world) bend(change func(*resource.Type)) {
	typ := w.Resources()[parameterType]
	change(&typ)
	w.Resources()[parameterType] = typ
}

func valued(value, other string) string {
	return fmt.Sprintf(`
Resources:
  A: {Type: "AWS::SSM::Parameter", Properties: {Name: /r/a, Type: String, Value: %s}}
  B: {Type: "AWS::SSM::Parameter", DependsOn: A, Properties: {Name: %s, Type: String, Value: x}}
`, value, other)
}

// wedged is a stack in UPDATE_ROLLBACK_FAILED: its parameter A does not take its old value back while broken.
func wedged(t *testing.T) (w *world, broken *atomic.Bool) {
	t.Helper()
	w, broken = start(t), &atomic.Bool{}
	w.bend(func(typ *resource.Type) {
		update := typ.Update
		typ.Update = func(ctx context.Context, r resource.Request) error {
			if broken.Load() && r.Text("Value") == "one" {
				return errors.New("out of order")
			}
			return update(ctx, r)
		}
	})
	broken.Store(true)
	w.create(t, "r", valued("one", "/r/b"))
	w.ends(t, "r", "CREATE_COMPLETE")
	w.update(t, "r", valued("two", "/ssm/reserved"))
	w.ends(t, "r", "UPDATE_ROLLBACK_FAILED")
	return w, broken
}

func TestAFailedRollbackGoesOnWhenAsked(t *testing.T) {
	t.Parallel()
	w, broken := wedged(t)
	broken.Store(false)
	if _, err := w.cfn.ContinueUpdateRollback(w.Context, &api.ContinueUpdateRollbackInput{StackName: "r"}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, "r", "UPDATE_ROLLBACK_COMPLETE")
	if got := w.value(t, "/r/a"); got != "one" {
		t.Errorf("/r/a = %q", got)
	}
}

func TestAFailedRollbackGoesOnWithoutWhatIsSkipped(t *testing.T) {
	t.Parallel()
	w, _ := wedged(t)
	_, err := w.cfn.ContinueUpdateRollback(w.Context, &api.ContinueUpdateRollbackInput{StackName: "r", ResourcesToSkip: []string{"C"}})
	if err == nil || !strings.Contains(err.Error(), "C is not in the UPDATE_FAILED state") {
		t.Errorf("skipping a resource that did not fail: %v", err)
	}
	if _, err := w.cfn.ContinueUpdateRollback(w.Context, &api.ContinueUpdateRollbackInput{StackName: "r", ResourcesToSkip: []string{"A"}}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, "r", "UPDATE_ROLLBACK_COMPLETE")
	w.update(t, "r", valued("three", "/r/b"))
	w.ends(t, "r", "UPDATE_COMPLETE")
}

func TestAnUpdateCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := start(t)
	var slow atomic.Bool
	w.bend(func(typ *resource.Type) {
		typ.Settled = func(_ context.Context, r resource.Request) (bool, error) {
			return !slow.Load() || r.Text("Value") != "two", nil
		}
	})
	w.create(t, "r", valued("one", "/r/b"))
	w.ends(t, "r", "CREATE_COMPLETE")
	slow.Store(true)
	w.update(t, "r", valued("two", "/r/b"))
	if _, err := w.cfn.CancelUpdateStack(w.Context, &api.CancelUpdateStackInput{StackName: "r"}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, "r", "UPDATE_ROLLBACK_COMPLETE")
	if got := w.value(t, "/r/a"); got != "one" {
		t.Errorf("/r/a = %q", got)
	}
}
