package ssm_test

import (
	"testing"

	api "slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

func TestAParameterKeepsItsVersions(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	ssm, ctx := api.Client{Invoker: w.Invoker}, w.Context
	for i, value := range []string{"one", "two"} {
		out, err := ssm.PutParameter(ctx, &api.PutParameterInput{Name: "/app/greeting", Value: value, Type: new("String"), Overwrite: new(i > 0)})
		if err != nil || *out.Version != i+1 {
			t.Fatalf("put %s: %v, %v", value, out, err)
		}
	}
	for selector, want := range map[string]string{"/app/greeting": "two", "/app/greeting:1": "one"} {
		out, err := ssm.GetParameter(ctx, &api.GetParameterInput{Name: selector})
		if err != nil || *out.Parameter.Value != want {
			t.Errorf("%s = %v, %v; want %s", selector, out, err, want)
		}
	}
	_, err := ssm.PutParameter(ctx, &api.PutParameterInput{Name: "/app/greeting", Value: "x", Type: new("String")})
	if !wire.HasCode(err, "ParameterAlreadyExists") {
		t.Errorf("overwrite unasked: %v", err)
	}
	_, err = ssm.PutParameter(ctx, &api.PutParameterInput{Name: "n", Value: "x", Type: new("Strong")})
	if !wire.HasCode(err, "ValidationException") {
		t.Errorf("unknown type: %v", err)
	}
}

func TestImageParametersArePublic(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	out, err := api.Client{Invoker: w.Invoker}.GetParameter(w.Context, &api.GetParameterInput{Name: "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"})
	if err != nil || len(*out.Parameter.Value) != len("ami-0123456789abcdef0") {
		t.Fatalf("%v, %v", out, err)
	}
}
