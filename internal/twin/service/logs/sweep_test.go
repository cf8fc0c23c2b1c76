package logs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// open makes a service whose sweeper does not run by itself.
func open(t *testing.T) (*Service, context.Context) {
	t.Helper()
	state, err := store.Open(t.TempDir(), Tables...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	ctx := operation.WithCaller(t.Context(), operation.Caller{Account: "000000000000", Region: "us-east-1"})
	s := New(room.House{Store: state, Log: slog.New(slog.DiscardHandler)})
	if _, err := s.CreateLogGroup(ctx, &api.CreateLogGroupInput{LogGroupName: "g"}); err != nil {
		t.Fatal(err)
	}
	return s, ctx
}

func (s *Service) fill(t *testing.T, ctx context.Context, stream string, age time.Duration, n int) {
	t.Helper()
	s.CreateLogStream(ctx, &api.CreateLogStreamInput{LogGroupName: "g", LogStreamName: stream})
	batch := make([]api.InputLogEvent, n)
	for i := range batch {
		batch[i] = api.InputLogEvent{Timestamp: int(time.Now().Add(-age).UnixMilli()), Message: fmt.Sprintf("%-74d", i)} // 100 bytes with the overhead
	}
	if _, err := s.PutLogEvents(ctx, &api.PutLogEventsInput{LogGroupName: "g", LogStreamName: stream, LogEvents: batch}); err != nil {
		t.Fatal(err)
	}
}

// left is how many events there are in the table, and how many bytes the group says it has.
func (s *Service) left(t *testing.T, ctx context.Context) (rows, bytes int) {
	t.Helper()
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.QueryRow("SELECT coalesce(sum(bytes), 0) FROM log_groups").Scan(&bytes); err != nil {
			return err
		}
		return tx.QueryRow("SELECT count(*) FROM log_events").Scan(&rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, bytes
}

func TestTheSweeperRemovesWhatIsPastItsTime(t *testing.T) {
	t.Parallel()
	s, ctx := open(t)
	s.fill(t, ctx, "a", 4*24*time.Hour, 5000)
	s.fill(t, ctx, "a", time.Hour, 10)
	if _, err := s.PutRetentionPolicy(ctx, &api.PutRetentionPolicyInput{LogGroupName: "g", RetentionInDays: 3}); err != nil {
		t.Fatal(err)
	}
	if err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if rows, bytes := s.left(t, ctx); rows != 10 || bytes != 1000 {
		t.Errorf("%d events, %d bytes are left; want 10, 1000", rows, bytes)
	}
}

func TestTheSweeperKeepsAGroupBelowTheCap(t *testing.T) {
	t.Parallel()
	s, ctx := open(t)
	s.cap = 300_000
	s.fill(t, ctx, "a", 2*time.Hour, 6000)
	s.fill(t, ctx, "b", time.Hour, 10)
	if err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	rows, bytes := s.left(t, ctx)
	if bytes > 300_000 || bytes != rows*100 {
		t.Errorf("%d events, %d bytes are left", rows, bytes)
	}
	out, err := s.GetLogEvents(ctx, &api.GetLogEventsInput{LogGroupName: new("g"), LogStreamName: "b"})
	if err != nil || len(out.Events) != 10 {
		t.Errorf("the newest are gone: %d, %v", len(out.Events), err)
	}
}

func TestTheSweeperRemovesTheEventsOfWhatWasDeleted(t *testing.T) {
	t.Parallel()
	s, ctx := open(t)
	s.fill(t, ctx, "a", time.Hour, 5000)
	s.fill(t, ctx, "b", time.Hour, 7)
	if _, err := s.DeleteLogStream(ctx, &api.DeleteLogStreamInput{LogGroupName: "g", LogStreamName: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if rows, bytes := s.left(t, ctx); rows != 7 || bytes != 700 {
		t.Errorf("%d events, %d bytes are left; want 7, 700", rows, bytes)
	}
	if _, err := s.DeleteLogGroup(ctx, &api.DeleteLogGroupInput{LogGroupName: "g"}); err != nil {
		t.Fatal(err)
	}
	if err := s.sweepOnce(ctx); err != nil {
		t.Fatal(err)
	}
	if rows, _ := s.left(t, ctx); rows != 0 {
		t.Errorf("%d events are left of a deleted group", rows)
	}
}

func TestResourceTypes(t *testing.T) {
	t.Parallel()
	s, ctx := open(t)
	types := map[string]resource.Type{}
	for _, typ := range s.resources() {
		types[typ.Name] = typ
	}
	group := resource.Request{StackName: "app", LogicalID: "Logs", Token: "1", Properties: map[string]any{"RetentionInDays": 14, "Tags": []any{map[string]any{"Key": "k", "Value": "v"}}}}
	id, err := types["AWS::Logs::LogGroup"].Create(ctx, group)
	if err != nil || !strings.HasPrefix(id, "app-Logs-") {
		t.Fatal(id, err)
	}
	group.PhysicalID, group.Properties = id, map[string]any{}
	if err := types["AWS::Logs::LogGroup"].Update(ctx, group); err != nil {
		t.Error(err)
	}
	filter := resource.Request{StackName: "app", LogicalID: "Filter", Token: "2", Properties: map[string]any{"LogGroupName": id, "FilterPattern": "ERROR",
		"MetricTransformations": []any{map[string]any{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1", "Dimensions": []any{map[string]any{"Key": "d", "Value": "$.d"}}}}}}
	if filter.PhysicalID, err = types["AWS::Logs::MetricFilter"].Create(ctx, filter); err != nil {
		t.Fatal(err)
	}
	out, err := s.DescribeLogGroups(ctx, &api.DescribeLogGroupsInput{LogGroupNamePrefix: &id})
	if err != nil || out.LogGroups[0].RetentionInDays != nil || *out.LogGroups[0].MetricFilterCount != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	stream := resource.Request{StackName: "app", LogicalID: "Stream", Token: "3", Properties: map[string]any{"LogGroupName": id}}
	if stream.PhysicalID, err = types["AWS::Logs::LogStream"].Create(ctx, stream); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time all is gone already
		for name, r := range map[string]resource.Request{"AWS::Logs::MetricFilter": filter, "AWS::Logs::LogStream": stream, "AWS::Logs::LogGroup": group} {
			if err := types[name].Delete(ctx, r); err != nil {
				t.Errorf("delete %s: %v", name, err)
			}
		}
	}
}
