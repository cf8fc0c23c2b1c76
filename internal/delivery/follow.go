package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// StackError is a stack operation that failed.
type StackError struct {
	Stack    string
	Status   string
	Failures []Failure // in the order in which they happened
}

// Failure is a resource that could not be made, changed or deleted.
type Failure struct {
	Resource string // logical id
	Type     string
	Status   string
	Reason   string
}

// Error is the stack, its status and each failure with its reason.
func (e *StackError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stack %s: %s", e.Stack, e.Status)
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %s (%s): %s", f.Resource, f.Type, f.Reason)
	}
	return b.String()
}

// follower reads the events of one operation on a stack until it ends.
type follower struct {
	project   *Project
	id, name  string
	operation Operation
	total     int
	begun     time.Time
	last      string          // id of the newest event read
	done      map[string]bool // logical ids that are as wanted
	failures  []Failure
}

func (p *Project) follow(id, name string, o Operation, total int) *follower {
	return &follower{project: p, id: id, name: name, operation: o, total: total, begun: time.Now(), done: map[string]bool{}}
}

// skipPast leaves out the events there are already. It comes before the operation.
func (f *follower) skipPast(ctx context.Context) error {
	_, err := f.newEvents(ctx)
	return err
}

// run reports what happens until the operation ends. It is called once the operation has begun.
func (f *follower) run(ctx context.Context) error {
	p := f.project
	p.underWay.begin(f.name, f.operation)
	p.report(Event{Kind: EventStackStarted, Stack: f.name, Operation: f.operation, Total: f.total})
	final, err := f.watch(ctx)
	if err != nil {
		return err // nobody knows how it ended, so it still counts as under way
	}
	p.underWay.end(f.name)
	elapsed := time.Since(f.begun)
	if outcome, ok := outcomeOf(f.operation, final.Status); ok {
		p.report(Event{Kind: EventStackFinished, Stack: f.name, Operation: f.operation, Status: final.Status, Outcome: outcome, Done: len(f.done), Total: f.total, Elapsed: elapsed})
		return nil
	}
	failed := &StackError{Stack: f.name, Status: final.Status, Failures: f.failures}
	if len(failed.Failures) == 0 && final.Reason != "" {
		failed.Failures = []Failure{{Resource: f.name, Type: "AWS::CloudFormation::Stack", Status: final.Status, Reason: final.Reason}}
	}
	p.report(Event{Kind: EventStackFinished, Stack: f.name, Operation: f.operation, Status: final.Status, Outcome: Failed, Elapsed: elapsed})
	return failed
}

// watch reads until the stack's status is final.
func (f *follower) watch(ctx context.Context) (*Stack, error) {
	for pace := f.project.pace(); ; {
		s, err := f.project.describe(ctx, f.id)
		if errors.Is(err, ErrNoStack) && f.operation == Delete {
			return &Stack{Name: f.name, Status: string(types.StackStatusDeleteComplete)}, nil
		}
		if err != nil {
			return nil, err
		}
		events, err := f.newEvents(ctx)
		if err != nil {
			return nil, err
		}
		f.tell(events)
		if !s.InProgress() && s.exists() {
			return s, nil
		}
		if len(events) > 0 {
			pace = f.project.pace()
		}
		if err := pace.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// newEvents reads what has happened since the last call, oldest first.
func (f *follower) newEvents(ctx context.Context) ([]types.StackEvent, error) {
	pages := cloudformation.NewDescribeStackEventsPaginator(f.project.Target.Clients.CloudFormation, &cloudformation.DescribeStackEventsInput{StackName: &f.id})
	var fresh []types.StackEvent
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("events of stack %s: %w", f.name, err)
		}
		known := slices.IndexFunc(page.StackEvents, func(e types.StackEvent) bool { return aws.ToString(e.EventId) == f.last })
		if known >= 0 {
			fresh = append(fresh, page.StackEvents[:known]...)
			break
		}
		fresh = append(fresh, page.StackEvents...)
	}
	slices.Reverse(fresh)
	if len(fresh) > 0 {
		f.last = aws.ToString(fresh[len(fresh)-1].EventId)
	}
	return fresh, nil
}

func (f *follower) tell(events []types.StackEvent) {
	for _, e := range events {
		id, status, reason := aws.ToString(e.LogicalResourceId), string(e.ResourceStatus), aws.ToString(e.ResourceStatusReason)
		ofStack := aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId)
		if !ofStack {
			f.count(id, status)
		}
		if strings.HasSuffix(status, "_FAILED") && !ofStack && !isConsequence(reason) {
			f.failures = append(f.failures, Failure{Resource: id, Type: aws.ToString(e.ResourceType), Status: status, Reason: reason})
		}
		f.project.report(Event{
			Time: aws.ToTime(e.Timestamp), Kind: EventStackEvent, Stack: f.name, Operation: f.operation,
			Resource: id, Type: aws.ToString(e.ResourceType), Status: status, Reason: reason,
			Done: len(f.done), Total: f.total, Elapsed: time.Since(f.begun),
		})
	}
}

// count keeps how many resources are as wanted. A rollback takes them back.
func (f *follower) count(id, status string) {
	rollingBack := len(f.failures) > 0
	switch {
	case strings.HasSuffix(status, "_COMPLETE") && !rollingBack:
		f.done[id] = true
	case strings.HasPrefix(status, "DELETE_") && f.operation != Delete && rollingBack:
		delete(f.done, id)
	}
	if f.total < len(f.done) {
		f.total = len(f.done)
	}
}

// isConsequence recognises resources that were given up because of another one's failure.
func isConsequence(reason string) bool {
	return strings.HasPrefix(reason, "Resource creation cancelled") || strings.HasPrefix(reason, "Resource update cancelled") || strings.HasPrefix(reason, "Resource deletion cancelled")
}

// outcomeOf tells success from failure: whatever was rolled back failed.
func outcomeOf(o Operation, status string) (Outcome, bool) {
	switch {
	case o == Create && status == string(types.StackStatusCreateComplete):
		return Created, true
	case o == Update && status == string(types.StackStatusUpdateComplete):
		return Updated, true
	case o == Delete && status == string(types.StackStatusDeleteComplete):
		return Deleted, true
	}
	return Failed, false
}
