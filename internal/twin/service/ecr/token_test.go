package ecr

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// The address of a layer works for an hour. The requests go to the handler itself: a socket knows no fake time.
func TestTheAddressOfALayerExpires(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(dir, Tables...)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s := New(room.House{Store: st, Log: slog.New(slog.DiscardHandler), Dir: dir, Endpoint: "http://127.0.0.1:4566"})
		ctx := operation.WithCaller(context.Background(), operation.Caller{Account: "000000000000", Region: "us-east-1"})
		r := repository{Account: "000000000000", Region: "us-east-1", Name: "app"}
		l := layer{Account: r.Account, Region: r.Region, Repository: r.Name, Digest: digestOf(nil)}
		err = st.Update(ctx, func(_ context.Context, tx *store.Tx) error {
			return errors.Join(repositories.Put(tx, r.key(), r), layers.Put(tx, l.key(), l))
		})
		if err = errors.Join(err, s.blobs.keep("nothing was sent", l.Digest)); err != nil {
			t.Fatal(err)
		}
		out, err := s.GetDownloadUrlForLayer(ctx, &api.GetDownloadUrlForLayerInput{RepositoryName: r.Name, LayerDigest: l.Digest})
		if err != nil {
			t.Fatal(err)
		}
		get := func() (int, string) {
			answer := httptest.NewRecorder()
			(&registry{Service: s}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, *out.DownloadUrl, nil))
			return answer.Code, answer.Body.String()
		}
		time.Sleep(downloadLife - time.Second) // fake time
		if status, body := get(); status != http.StatusOK {
			t.Errorf("within the hour: %d %s", status, body)
		}
		time.Sleep(2 * time.Second)
		if status, body := get(); status != http.StatusForbidden || !strings.Contains(body, "expired") {
			t.Errorf("after the hour: %d %s", status, body)
		}
	})
}
