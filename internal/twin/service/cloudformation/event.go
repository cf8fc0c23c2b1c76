package cloudformation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// event is one line of a stack's history.
type event struct {
	ID          string
	StackID     string
	StackName   string
	LogicalID   string
	PhysicalID  string
	Type        string
	Status      string
	Reason      string
	Properties  string
	At          time.Time
	Token       string
	OperationID string
}

var events = &store.Table[event]{Name: "cfn_events", By: func(e event) string { return e.StackID }}

var lastEvent atomic.Int64

// sequence numbers events in the order in which they are written, also across restarts: the moment in nanoseconds, never one twice.
func sequence(now time.Time) int64 {
	for {
		last := lastEvent.Load()
		next := max(now.UnixNano(), last+1)
		if lastEvent.CompareAndSwap(last, next) {
			return next
		}
	}
}

func (s *Service) record(ctx context.Context, tx *store.Tx, st stack, e event) error {
	e.StackID, e.StackName, e.At = st.ID, st.Name, s.Clock.Now()
	number := sequence(e.At)
	if e.Type == "AWS::CloudFormation::Stack" && e.PhysicalID == st.ID {
		e.ID = newID()
	} else {
		e.ID = fmt.Sprintf("%s-%s-%s", e.LogicalID, e.Status, time.Unix(0, number).UTC().Format("2006-01-02T15:04:05.000000000Z"))
	}
	if st.Operation != nil {
		e.Token, e.OperationID = st.Operation.Token, st.Operation.ID
	}
	return events.Put(tx, s.key(ctx, fmt.Sprintf("%020d", number)), e)
}

// DescribeStackEvents returns a stack's history, newest first.
func (s *Service) DescribeStackEvents(ctx context.Context, in *api.DescribeStackEventsInput) (*api.DescribeStackEventsOutput, error) {
	var found []event
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := s.find(ctx, tx, in.StackName)
		if err != nil {
			return wire.Errorf("ValidationError", "Stack [%s] does not exist", in.StackName)
		}
		c := operation.CallerOf(ctx)
		found, err = events.ListBy(tx, c.Account, c.Region, st.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(found)
	found, next, err := page.Cut(found, in.NextToken, nil, 100, "ValidationError")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStackEventsOutput{NextToken: next, StackEvents: make([]api.StackEvent, len(found))}
	for i, e := range found {
		out.StackEvents[i] = api.StackEvent{EventId: e.ID, StackId: e.StackID, StackName: e.StackName, LogicalResourceId: &e.LogicalID,
			PhysicalResourceId: &e.PhysicalID, ResourceType: &e.Type, ResourceStatus: &e.Status, ResourceStatusReason: wire.Maybe(e.Reason),
			ResourceProperties: wire.Maybe(e.Properties), Timestamp: e.At, ClientRequestToken: wire.Maybe(e.Token), OperationId: wire.Maybe(e.OperationID)}
	}
	return out, nil
}

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
