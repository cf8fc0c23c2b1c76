package cloudformation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/twintest"
	"slipway.dev/internal/twin/wire"
)

// world is a twin with clients for what the tests look at.
type world struct {
	*twintest.Twin
	cfn api.Client
	ssm ssm.Client
}

func start(t testing.TB) *world {
	t.Helper()
	w := twintest.Start(t)
	return &world{w, api.Client{Invoker: w.Invoker}, ssm.Client{Invoker: w.Invoker}}
}

// ends waits until the stack rests and checks its status.
func (w *world) ends(t *testing.T, name, status string) api.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.Context, 20*time.Second)
	defer cancel()
	for {
		news := w.Changed()
		out, err := w.cfn.DescribeStacks(w.Context, &api.DescribeStacksInput{StackName: &name})
		if err != nil {
			t.Fatal(err)
		}
		st := out.Stacks[0]
		if !strings.HasSuffix(st.StackStatus, "_IN_PROGRESS") {
			if st.StackStatus != status {
				t.Fatalf("%s ended %s (%s), want %s\n%s", name, st.StackStatus, wire.Value(st.StackStatusReason), status, w.history(t, name))
			}
			return st
		}
		select {
		case <-news:
		case <-ctx.Done():
			t.Fatalf("%s is still %s\n%s", name, st.StackStatus, w.history(t, name))
		}
	}
}

// history is a stack's events, oldest first, one a line.
func (w *world) history(t *testing.T, name string) string {
	t.Helper()
	out, err := w.cfn.DescribeStackEvents(w.Context, &api.DescribeStackEventsInput{StackName: name})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range out.StackEvents {
		lines = append(lines, fmt.Sprintf("%s %s %s", *e.LogicalResourceId, *e.ResourceStatus, wire.Value(e.ResourceStatusReason)))
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

func (w *world) create(t *testing.T, name, template string, params ...api.Parameter) string {
	t.Helper()
	out, err := w.cfn.CreateStack(w.Context, &api.CreateStackInput{StackName: name, TemplateBody: &template, Parameters: params})
	if err != nil {
		t.Fatal(err)
	}
	return *out.StackId
}

func (w *world) update(t *testing.T, name, template string, params ...api.Parameter) {
	t.Helper()
	if _, err := w.cfn.UpdateStack(w.Context, &api.UpdateStackInput{StackName: name, TemplateBody: &template, Parameters: params}); err != nil {
		t.Fatal(err)
	}
}

// value is a parameter's value, "" where there is none.
func (w *world) value(t *testing.T, name string) string {
	t.Helper()
	out, err := w.ssm.GetParameter(w.Context, &ssm.GetParameterInput{Name: name})
	if wire.HasCode(err, "ParameterNotFound") {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return *out.Parameter.Value
}

const twoParameters = `
Parameters:
  Greeting: {Type: String, Default: hello}
Resources:
  First:
    Type: AWS::SSM::Parameter
    Properties: {Name: /t/first, Type: String, Value: !Ref Greeting}
  Second:
    Type: AWS::SSM::Parameter
    Properties: {Name: /t/second, Type: String, Value: !Sub "${First.Value}, ${First}"}
Outputs:
  Second: {Value: !GetAtt Second.Value, Export: {Name: !Sub "${AWS::StackName}-second"}}
`

func TestAStackIsCreatedUpdatedAndDeleted(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.create(t, "pair", twoParameters)
	st := w.ends(t, "pair", "CREATE_COMPLETE")
	if got := *st.Outputs[0].OutputValue; got != "hello, /t/first" {
		t.Errorf("output = %q", got)
	}
	want := `pair CREATE_IN_PROGRESS User Initiated
First CREATE_IN_PROGRESS 
First CREATE_IN_PROGRESS Resource creation Initiated
First CREATE_COMPLETE 
Second CREATE_IN_PROGRESS 
Second CREATE_IN_PROGRESS Resource creation Initiated
Second CREATE_COMPLETE 
pair CREATE_COMPLETE `
	if got := w.history(t, "pair"); got != want {
		t.Errorf("events:\n%s\nwant:\n%s", got, want)
	}
	w.update(t, "pair", twoParameters, api.Parameter{ParameterKey: new("Greeting"), ParameterValue: new("bye")})
	st = w.ends(t, "pair", "UPDATE_COMPLETE")
	if got := *st.Outputs[0].OutputValue; got != "bye, /t/first" || w.value(t, "/t/second") != got {
		t.Errorf("after the update: output %q, parameter %q", got, w.value(t, "/t/second"))
	}
	_, err := w.cfn.UpdateStack(w.Context, &api.UpdateStackInput{StackName: "pair", UsePreviousTemplate: new(true),
		Parameters: []api.Parameter{{ParameterKey: new("Greeting"), UsePreviousValue: new(true)}}})
	if err == nil || !strings.Contains(err.Error(), "No updates are to be performed.") {
		t.Errorf("an update of nothing: %v", err)
	}
	id := *st.StackId
	if _, err := w.cfn.DeleteStack(w.Context, &api.DeleteStackInput{StackName: "pair"}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, id, "DELETE_COMPLETE")
	if v := w.value(t, "/t/first"); v != "" {
		t.Errorf("/t/first is still %q", v)
	}
}

func TestAFailedCreationRollsBack(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.create(t, "bad", `
Resources:
  Good:
    Type: AWS::SSM::Parameter
    Properties: {Name: /bad/good, Type: String, Value: x}
  Bad:
    Type: AWS::SSM::Parameter
    DependsOn: Good
    Properties: {Name: /aws/reserved, Type: String, Value: x}
`)
	st := w.ends(t, "bad", "ROLLBACK_COMPLETE")
	if w.value(t, "/bad/good") != "" {
		t.Error("the good resource survived the rollback")
	}
	if !strings.Contains(w.history(t, "bad"), "bad ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [Bad]. Rollback requested by user.") {
		t.Errorf("events:\n%s", w.history(t, "bad"))
	}
	_, err := w.cfn.UpdateStack(w.Context, &api.UpdateStackInput{StackName: *st.StackId, TemplateBody: new(twoParameters)})
	if !wire.HasCode(err, "ValidationError") || !strings.Contains(err.Error(), "is in ROLLBACK_COMPLETE state and can not be updated") {
		t.Errorf("update of a rolled-back stack: %v", err)
	}
}

func TestAFailedUpdateRestoresWhatWas(t *testing.T) {
	t.Parallel()
	w := start(t)
	template := func(name, value, third string) string {
		return fmt.Sprintf(`
Resources:
  Kept: {Type: "AWS::SSM::Parameter", Properties: {Name: %s, Type: String, Value: %s}}
  Third: {Type: "AWS::SSM::Parameter", DependsOn: Kept, Properties: {Name: %s, Type: String, Value: x}}
`, name, value, third)
	}
	w.create(t, "s", template("/s/a", "one", "/s/third"))
	w.ends(t, "s", "CREATE_COMPLETE")
	w.update(t, "s", template("/s/b", "two", "/ssm/reserved"))
	w.ends(t, "s", "UPDATE_ROLLBACK_COMPLETE")
	if a, b := w.value(t, "/s/a"), w.value(t, "/s/b"); a != "one" || b != "" {
		t.Errorf("after the rollback /s/a = %q, /s/b = %q\n%s", a, b, w.history(t, "s"))
	}
	w.update(t, "s", template("/s/b", "two", "/s/third"))
	w.ends(t, "s", "UPDATE_COMPLETE")
	if a, b := w.value(t, "/s/a"), w.value(t, "/s/b"); a != "" || b != "two" {
		t.Errorf("after the replacement /s/a = %q, /s/b = %q", a, b)
	}
}

func TestAnExportInUseIsGuarded(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.create(t, "up", twoParameters)
	w.ends(t, "up", "CREATE_COMPLETE")
	w.create(t, "down", `
Resources:
  P: {Type: "AWS::SSM::Parameter", Properties: {Name: /down, Type: String, Value: !ImportValue up-second}}
`)
	w.ends(t, "down", "CREATE_COMPLETE")
	if _, err := w.cfn.DeleteStack(w.Context, &api.DeleteStackInput{StackName: "up"}); err != nil {
		t.Fatal(err)
	}
	st := w.ends(t, "up", "DELETE_FAILED")
	if want := "Export up-second cannot be deleted as it is in use by down"; *st.StackStatusReason != want {
		t.Errorf("reason = %q", *st.StackStatusReason)
	}
	if w.value(t, "/t/first") != "hello" {
		t.Error("a resource of the stack was deleted")
	}
}

func TestAChangeSetTellsWhatItWillDo(t *testing.T) {
	t.Parallel()
	w := start(t)
	template := func(name, value string) *string {
		return new(strings.ReplaceAll(strings.ReplaceAll(twoParameters, "/t/first", name), "Default: hello", "Default: "+value))
	}
	in := &api.CreateChangeSetInput{StackName: "c", ChangeSetName: "one", ChangeSetType: new("CREATE"), TemplateBody: template("/t/first", "hello")}
	if _, err := w.cfn.CreateChangeSet(w.Context, in); err != nil {
		t.Fatal(err)
	}
	if _, err := w.cfn.ExecuteChangeSet(w.Context, &api.ExecuteChangeSetInput{StackName: new("c"), ChangeSetName: "one"}); err != nil {
		t.Fatal(err)
	}
	w.ends(t, "c", "CREATE_COMPLETE")
	in = &api.CreateChangeSetInput{StackName: "c", ChangeSetName: "two", TemplateBody: template("/t/other", "hello")}
	if _, err := w.cfn.CreateChangeSet(w.Context, in); err != nil {
		t.Fatal(err)
	}
	out, err := w.cfn.DescribeChangeSet(w.Context, &api.DescribeChangeSetInput{StackName: new("c"), ChangeSetName: "two"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range out.Changes {
		got[*c.ResourceChange.LogicalResourceId] = *c.ResourceChange.Action + " " + *c.ResourceChange.Replacement + " " + *c.ResourceChange.Details[0].ChangeSource
	}
	if got["First"] != "Modify True DirectModification" || got["Second"] != "Modify False ResourceReference" {
		t.Errorf("changes = %v", got)
	}
	same := &api.CreateChangeSetInput{StackName: "c", ChangeSetName: "three", UsePreviousTemplate: new(true)}
	if _, err := w.cfn.CreateChangeSet(w.Context, same); err != nil {
		t.Fatal(err)
	}
	out, err = w.cfn.DescribeChangeSet(w.Context, &api.DescribeChangeSetInput{StackName: new("c"), ChangeSetName: "three"})
	if err != nil || *out.Status != "FAILED" || !strings.HasPrefix(*out.StatusReason, "The submitted information didn't contain changes.") {
		t.Errorf("a change set of nothing: %v %v", wire.Value(out.Status), err)
	}
}

func TestBadTemplatesAreRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, c := range map[string]struct{ template, want string }{
		"cycle": {`
Resources:
  A: {Type: "AWS::SSM::Parameter", Properties: {Type: String, Value: !Ref B}}
  B: {Type: "AWS::SSM::Parameter", Properties: {Type: String, Value: !Ref A}}`, "Circular dependency between resources: [A, B]"},
		"unknown type":  {"Resources: {A: {Type: 'AWS::No::Thing'}}", "Unrecognized resource types: [AWS::No::Thing]"},
		"not served":    {"Resources: {A: {Type: 'AWS::AppRunner::Service'}}", "does not serve the resource types [AWS::AppRunner::Service]"},
		"no parameter":  {"Parameters: {P: {Type: String}}\nResources: {A: {Type: 'AWS::CloudFormation::WaitConditionHandle'}}", "Parameters: [P] must have values"},
		"not a mapping": {"hello", "Template format error"},
	} {
		_, err := w.cfn.CreateStack(w.Context, &api.CreateStackInput{StackName: "x", TemplateBody: &c.template})
		if !wire.HasCode(err, "ValidationError") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestASecretParameterShowsNowhere(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.create(t, "secretive", `
Parameters: {Password: {Type: String, NoEcho: true}}
Resources:
  P: {Type: "AWS::SSM::Parameter", Properties: {Name: /p, Type: String, Value: !Sub "user:${Password}"}}
`, api.Parameter{ParameterKey: new("Password"), ParameterValue: new("canary-4711")})
	st := w.ends(t, "secretive", "CREATE_COMPLETE")
	if got := *st.Parameters[0].ParameterValue; got != "****" {
		t.Errorf("DescribeStacks shows %q", got)
	}
	out, err := w.cfn.DescribeStackEvents(w.Context, &api.DescribeStackEventsInput{StackName: "secretive"})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, e := range out.StackEvents {
		seen = seen || strings.Contains(wire.Value(e.ResourceProperties), "user:****")
		if strings.Contains(fmt.Sprintf("%v", wire.Value(e.ResourceProperties)+wire.Value(e.ResourceStatusReason)), "canary") {
			t.Errorf("event shows the secret: %v", *e.ResourceProperties)
		}
	}
	if !seen || w.value(t, "/p") != "user:canary-4711" {
		t.Error("the parameter did not reach the resource, or the event does not show the mask")
	}
}
