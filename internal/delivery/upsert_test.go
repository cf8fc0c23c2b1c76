package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"slipway.dev/internal/blueprint"
	"slipway.dev/internal/manifest"
)

// fakeStack is a stack of fakeCloudFormation. While its operation lasts, each look brings it one status on.
type fakeStack struct {
	id, status string
	next       []string // the statuses to come
	events     []types.StackEvent
	body       string
	protected  bool
}

// fakeCloudFormation keeps stacks in memory. Operations end after they have been looked at as often as they have statuses.
type fakeCloudFormation struct {
	CloudFormation
	lock    sync.Mutex
	stacks  map[string]*fakeStack
	sets    map[string]*cloudformation.CreateChangeSetInput
	calls   []string
	refuse  map[string]error // by operation, once
	becomes map[string][]string
	reason  string // why EcsService fails
	made    int
}

func newFake() *fakeCloudFormation {
	return &fakeCloudFormation{stacks: map[string]*fakeStack{}, sets: map[string]*cloudformation.CreateChangeSetInput{}, refuse: map[string]error{}, becomes: map[string][]string{
		"CREATE": {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}, "UPDATE": {"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"}, "DELETE": {"DELETE_IN_PROGRESS", "DELETE_COMPLETE"},
	}}
}

func (f *fakeCloudFormation) enter(operation, subject string) error {
	f.calls = append(f.calls, strings.TrimSpace(operation+" "+subject))
	err := f.refuse[operation]
	delete(f.refuse, operation)
	return err
}

func fault(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (f *fakeCloudFormation) find(name string) *fakeStack {
	for key, s := range f.stacks {
		if key == name || s.id == name {
			return s
		}
	}
	return nil
}

func (s *fakeStack) begin(statuses []string) {
	s.status, s.next = statuses[0], statuses[1:]
	s.say("stack", s.id, s.status, "")
}

func (s *fakeStack) say(logical, physical, status, reason string) {
	e := types.StackEvent{
		EventId: aws.String(fmt.Sprintf("%s-%d", s.id, len(s.events))), StackId: aws.String(s.id), LogicalResourceId: &logical, PhysicalResourceId: &physical,
		ResourceStatus: types.ResourceStatus(status), ResourceType: aws.String("AWS::ECS::Service"), Timestamp: aws.Time(time.Now()),
		ClientRequestToken: aws.String("slipway-ann-desk-7-abc"),
	}
	if reason != "" {
		e.ResourceStatusReason = &reason
	}
	s.events = append([]types.StackEvent{e}, s.events...)
}

func (f *fakeCloudFormation) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	out := &cloudformation.DescribeStacksOutput{}
	if in.StackName == nil {
		return out, nil
	}
	s := f.find(*in.StackName)
	if s == nil || s.status == "DELETE_COMPLETE" && *in.StackName != s.id {
		return nil, fault("ValidationError", "Stack with id %s does not exist", *in.StackName)
	}
	out.Stacks = append(out.Stacks, types.Stack{
		StackName: aws.String(*in.StackName), StackId: &s.id, StackStatus: types.StackStatus(s.status), EnableTerminationProtection: &s.protected,
		Outputs: []types.Output{{OutputKey: aws.String("CloudFormationRoleArn"), OutputValue: aws.String("arn:role")}},
	})
	if len(s.next) > 0 {
		s.status, s.next = s.next[0], s.next[1:]
		if strings.Contains(s.status, "ROLLBACK_IN_PROGRESS") {
			s.say("EcsService", "svc", "CREATE_FAILED", f.reason)
			s.say("Other", "other", "CREATE_FAILED", "Resource creation cancelled")
		}
		s.say("stack", s.id, s.status, "")
	}
	return out, nil
}

func (f *fakeCloudFormation) CreateChangeSet(_ context.Context, in *cloudformation.CreateChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if err := f.enter("CreateChangeSet", string(in.ChangeSetType)); err != nil {
		return nil, err
	}
	s := f.find(*in.StackName)
	if in.ChangeSetType == types.ChangeSetTypeCreate && (s == nil || s.status == "DELETE_COMPLETE") {
		f.made++
		s = &fakeStack{id: fmt.Sprintf("arn:stack/%s/%d", *in.StackName, f.made), status: "REVIEW_IN_PROGRESS"}
		f.stacks[*in.StackName] = s
	}
	id := fmt.Sprintf("arn:set/%d", len(f.sets))
	f.sets[id] = in
	return &cloudformation.CreateChangeSetOutput{Id: &id, StackId: &s.id}, nil
}

func (f *fakeCloudFormation) DescribeChangeSet(_ context.Context, in *cloudformation.DescribeChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	set := f.sets[*in.ChangeSetName]
	if f.find(*set.StackName).body == *set.TemplateBody {
		return &cloudformation.DescribeChangeSetOutput{Status: types.ChangeSetStatusFailed, StatusReason: aws.String("The submitted information didn't contain changes. Submit different information to create a change set.")}, nil
	}
	return &cloudformation.DescribeChangeSetOutput{Status: types.ChangeSetStatusCreateComplete, Changes: make([]types.Change, 2)}, nil
}

func (f *fakeCloudFormation) ExecuteChangeSet(_ context.Context, in *cloudformation.ExecuteChangeSetInput, _ ...func(*cloudformation.Options)) (*cloudformation.ExecuteChangeSetOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if err := f.enter("ExecuteChangeSet", ""); err != nil {
		return nil, err
	}
	set := f.sets[*in.ChangeSetName]
	s := f.find(*set.StackName)
	s.body = *set.TemplateBody
	s.begin(f.becomes[string(set.ChangeSetType)])
	return &cloudformation.ExecuteChangeSetOutput{}, nil
}

func (f *fakeCloudFormation) DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	return &cloudformation.DeleteChangeSetOutput{}, f.enter("DeleteChangeSet", "")
}

func (f *fakeCloudFormation) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if err := f.enter("DeleteStack", ""); err != nil {
		return nil, err
	}
	s := f.find(*in.StackName)
	s.begin(f.becomes["DELETE"])
	return &cloudformation.DeleteStackOutput{}, nil
}

func (f *fakeCloudFormation) DescribeStackEvents(_ context.Context, in *cloudformation.DescribeStackEventsInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	return &cloudformation.DescribeStackEventsOutput{StackEvents: slices.Clone(f.find(*in.StackName).events)}, nil
}

func (f *fakeCloudFormation) ListStackResources(context.Context, *cloudformation.ListStackResourcesInput, ...func(*cloudformation.Options)) (*cloudformation.ListStackResourcesOutput, error) {
	return &cloudformation.ListStackResourcesOutput{}, nil
}

func (f *fakeCloudFormation) UpdateTerminationProtection(_ context.Context, in *cloudformation.UpdateTerminationProtectionInput, _ ...func(*cloudformation.Options)) (*cloudformation.UpdateTerminationProtectionOutput, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.find(*in.StackName).protected = *in.EnableTerminationProtection
	return &cloudformation.UpdateTerminationProtectionOutput{}, f.enter("UpdateTerminationProtection", fmt.Sprint(*in.EnableTerminationProtection))
}

// told collects events.
type told struct {
	lock   sync.Mutex
	events []Event
}

func (r *told) Report(e Event) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.events = append(r.events, e)
}

func (r *told) outcomes() (list []string) {
	for _, e := range r.events {
		if e.Kind == EventStackFinished {
			list = append(list, e.Stack+" "+string(e.Outcome))
		}
	}
	return list
}

func project(f *fakeCloudFormation) (*Project, *told) {
	r := &told{}
	return &Project{
		Manifest: &manifest.Manifest{Namespace: "n"}, Version: "1.0.0", Reporter: r,
		Target: &Target{Name: TargetAWS, Account: "1", Region: "r", Clients: Clients{CloudFormation: f}},
	}, r
}

func stack(name, body string, needs ...string) blueprint.Stack {
	return blueprint.Stack{Kind: blueprint.KindRepo, Name: name, Template: []byte(body), DependsOn: needs}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	inProgress := func(status string, then ...string) *fakeStack {
		s := &fakeStack{id: "arn:old", body: "b"}
		s.begin(append([]string{status}, then...))
		return s
	}
	for name, test := range map[string]struct {
		there  *fakeStack
		body   string
		refuse map[string]error
		calls  []string
		want   Outcome
	}{
		"new":       {body: "a", calls: []string{"CreateChangeSet CREATE", "ExecuteChangeSet"}, want: Created},
		"changed":   {there: &fakeStack{id: "i", status: "UPDATE_ROLLBACK_COMPLETE", body: "b"}, body: "a", calls: []string{"CreateChangeSet UPDATE", "ExecuteChangeSet"}, want: Updated},
		"unchanged": {there: &fakeStack{id: "i", status: "CREATE_COMPLETE", body: "a"}, body: "a", calls: []string{"CreateChangeSet UPDATE", "DeleteChangeSet"}, want: Unchanged},
		"never came up": {there: &fakeStack{id: "i", status: "ROLLBACK_COMPLETE", body: "b"}, body: "a",
			calls: []string{"DeleteStack", "CreateChangeSet CREATE", "ExecuteChangeSet"}, want: Created},
		"left under review": {there: &fakeStack{id: "i", status: "REVIEW_IN_PROGRESS"}, body: "a", calls: []string{"CreateChangeSet CREATE", "ExecuteChangeSet"}, want: Created},
		"held by somebody": {there: inProgress("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"), body: "a",
			calls: []string{"CreateChangeSet UPDATE", "ExecuteChangeSet"}, want: Updated},
		"overtaken before the change set": {there: &fakeStack{id: "i", status: "CREATE_COMPLETE"}, body: "a",
			refuse: map[string]error{"CreateChangeSet": fault("ValidationError", "Stack:i is in UPDATE_IN_PROGRESS state and can not be updated.")},
			calls:  []string{"CreateChangeSet UPDATE", "CreateChangeSet UPDATE", "ExecuteChangeSet"}, want: Updated},
		"overtaken after it": {there: &fakeStack{id: "i", status: "CREATE_COMPLETE"}, body: "a",
			refuse: map[string]error{"ExecuteChangeSet": fault("InvalidChangeSetStatus", "OBSOLETE")},
			calls:  []string{"CreateChangeSet UPDATE", "ExecuteChangeSet", "DeleteChangeSet", "CreateChangeSet UPDATE", "ExecuteChangeSet"}, want: Updated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				if test.there != nil {
					f.stacks["n-repo-x"] = test.there
				}
				f.refuse = map[string]error{}
				for k, v := range test.refuse {
					f.refuse[k] = v
				}
				p, r := project(f)
				up, err := p.Upsert(t.Context(), stack("n-repo-x", test.body))
				if err != nil || up == nil {
					t.Fatal(up, err)
				}
				if !slices.Equal(f.calls, test.calls) {
					t.Errorf("calls %q, want %q", f.calls, test.calls)
				}
				got := r.outcomes()
				if want := "n-repo-x " + string(test.want); got[len(got)-1] != want {
					t.Errorf("outcomes %q, want %q last", got, want)
				}
				if len(p.UnderWay()) != 0 {
					t.Errorf("still under way: %v", p.UnderWay())
				}
			})
		})
	}
}

func TestWhoHoldsTheStackIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := &fakeStack{id: "i"}
		s.begin([]string{"UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"})
		f.stacks["n-repo-x"] = s
		p, r := project(f)
		if _, err := p.Upsert(t.Context(), stack("n-repo-x", "a")); err != nil {
			t.Fatal(err)
		}
		if e := r.events[0]; e.Kind != EventStackWaiting || !strings.HasPrefix(e.Text, "slipway of user ann on desk (process 7), since ") {
			t.Errorf("%+v", e)
		}
	})
}

func TestFailureGivesTheReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.becomes["CREATE"] = []string{"CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"}
		f.reason = "no capacity"
		p, _ := project(f)
		_, err := p.Upsert(t.Context(), stack("n-repo-x", "a"))
		var failed *StackError
		if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0].Reason != "no capacity" || failed.Status != "ROLLBACK_COMPLETE" {
			t.Errorf("%v", err)
		}
	})
}

// Stacks wait for those they need; what needs a stack that failed is left alone, the others come up all the same.
func TestUpsertAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		p, r := project(f)
		stacks := []blueprint.Stack{stack("n-repo-c", "c", "n-repo-b"), stack("n-repo-b", "b", "n-repo-a"), stack("n-repo-a", "a"), stack("n-repo-d", "d")}
		there, err := p.UpsertAll(t.Context(), stacks)
		if err != nil || len(there) != 4 {
			t.Fatal(there, err)
		}
		order := r.outcomes()
		position := func(name string) int { return slices.Index(order, name+" created") }
		if position("n-repo-a") > position("n-repo-b") || position("n-repo-b") > position("n-repo-c") {
			t.Errorf("order %q", order)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.refuse["CreateChangeSet"] = fault("AccessDenied", "no")
		p, _ := project(f)
		_, err := p.UpsertAll(t.Context(), []blueprint.Stack{stack("n-repo-a", "a"), stack("n-repo-b", "b", "n-repo-a")})
		if err == nil || strings.Contains(err.Error(), "n-repo-b") || len(f.calls) != 1 {
			t.Errorf("%v; calls %q", err, f.calls)
		}
	})
}

// Interrupted before the change set is executed, nothing is left behind; after it, the stack is named as under way.
func TestInterruption(t *testing.T) {
	t.Parallel()
	interruption := errors.New("interrupted")
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.becomes["CREATE"] = slices.Repeat([]string{"CREATE_IN_PROGRESS"}, 1000)
		p, _ := project(f)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { time.Sleep(5 * time.Second); cancel(interruption) }()
		_, err := p.Upsert(ctx, stack("n-repo-x", "a"))
		if !errors.Is(err, interruption) {
			t.Error(err)
		}
		going := p.UnderWay()
		if len(going) != 1 || going[0].Stack != "n-repo-x" || going[0].Operation != Create {
			t.Errorf("under way: %+v", going)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		p, _ := project(f)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(interruption)
		if _, err := p.Upsert(ctx, stack("n-repo-x", "a")); !errors.Is(err, interruption) {
			t.Error(err)
		}
		if want := []string{"CreateChangeSet CREATE", "DeleteChangeSet", "DeleteStack"}; !slices.Equal(f.calls, want) {
			t.Errorf("calls %q, want %q", f.calls, want)
		}
	})
}

func TestTerminationProtection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		p, _ := project(f)
		s := stack("n-repo-x", "a")
		s.TerminationProtection = true
		if _, err := p.Upsert(t.Context(), s); err != nil || !f.find("n-repo-x").protected {
			t.Fatal(err)
		}
		if err := p.Remove(t.Context(), "n-repo-x"); err == nil || !strings.Contains(err.Error(), "--allow-data-loss") {
			t.Errorf("removed, or %v", err)
		}
		p.AllowDataLoss = true
		if err := p.Remove(t.Context(), "n-repo-x"); err != nil {
			t.Error(err)
		}
	})
}

// The first stack in an account is asked for; without an answer nothing is written.
func TestAdmission(t *testing.T) {
	t.Parallel()
	f := newFake()
	p, _ := project(f)
	if err := p.admit(t.Context()); !errors.Is(err, ErrDeclined) {
		t.Errorf("nobody to ask: %v", err)
	}
	asked := ""
	p.Confirm = func(question string) (bool, error) { asked = question; return true, nil }
	if err := p.admit(t.Context()); err != nil || !strings.Contains(asked, "AWS account 1 (r)") {
		t.Errorf("%v; asked %q", err, asked)
	}
	p.Target.Name = TargetTwin
	p.Confirm = nil
	if err := p.admit(t.Context()); err != nil {
		t.Errorf("the twin is not asked about: %v", err)
	}
}
