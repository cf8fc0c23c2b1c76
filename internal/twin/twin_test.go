package twin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"slipway.dev/internal/twin"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/gateway"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/twintest"
)

// A transaction may make more calls than any buffer holds; the audit writer waits for it and must not be waited for.
func TestManyCallsInOneTransactionDoNotBlock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := twintest.StartIn(t, dir)
	client := ssm.Client{Invoker: w.Invoker}
	if _, err := client.PutParameter(w.Context, &ssm.PutParameterInput{Name: "a", Type: new("String"), Value: "b"}); err != nil {
		t.Fatal(err)
	}
	err := w.Update(w.Context, func(ctx context.Context, tx *store.Tx) error {
		for range 10_000 {
			if _, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: "a"}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheTwinTellsOfItself(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	for path, check := range map[string]func(map[string]any) bool{
		"status": func(m map[string]any) bool { return m["account"] == twin.Account && m["address"] == w.Address() },
	} {
		res, err := http.Get("http://" + w.Address() + "/_slipway/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil || !check(body) {
			t.Errorf("%s = %v, %v", path, body, err)
		}
	}
}

// Requests find a service by the name they are signed for. The gateway knows these names without unpacking a model.
func TestEveryServiceIsFoundByItsSigningName(t *testing.T) {
	t.Parallel()
	w := twintest.Start(t)
	for name, service := range w.Gateway().Services() {
		model, err := service.API.Model()
		if err != nil {
			t.Fatal(err)
		}
		if got := gateway.SigningName(name); got != model.Metadata.Signing() {
			t.Errorf("%s is found as %q, its requests are signed for %q", name, got, model.Metadata.Signing())
		}
		for _, op := range service.Operations {
			if model.Operations[op.Name] == nil {
				t.Errorf("%s serves %s, which its model does not have", name, op.Name)
			}
		}
	}
}
