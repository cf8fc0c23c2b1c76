package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"slipway.dev/internal/blueprint"
)

// errOvertaken says that somebody else's operation came first: look again.
var errOvertaken = errors.New("another operation came first")

// Upsert makes a stack as described, through a change set: created where it does not exist, updated where it differs. What has
// not come up (ROLLBACK_COMPLETE) is deleted and created anew. While somebody else's operation is under way it waits.
func (p *Project) Upsert(ctx context.Context, s blueprint.Stack) (*Stack, error) {
	for {
		current, err := p.settle(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		if current != nil && current.isHusk() {
			if err := p.remove(ctx, current); err != nil {
				return nil, fmt.Errorf("remove what is left of %s (%s): %w", s.Name, current.Status, err)
			}
			current = nil
		}
		if err := p.mayTouch(current); err != nil {
			return nil, err
		}
		err = p.change(ctx, s, current)
		if errors.Is(err, errOvertaken) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return p.finish(ctx, s)
	}
}

// settle waits until no operation is under way on a stack, and returns it; nil when it does not exist.
func (p *Project) settle(ctx context.Context, name string) (*Stack, error) {
	for pace, told := p.pace(), false; ; {
		s, err := p.find(ctx, name)
		if err != nil || s == nil || !s.InProgress() {
			return s, err
		}
		if !told {
			p.report(Event{Kind: EventStackWaiting, Stack: name, Status: s.Status, Text: p.holder(ctx, s)})
			told = true
		}
		if err := pace.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// holder says who is at work on a stack: the token that slipway gives its operations names the user, the machine and the process.
func (p *Project) holder(ctx context.Context, s *Stack) string {
	text := "another operation (" + s.Status + ")"
	out, err := p.Target.Clients.CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &s.ID})
	if err != nil || len(out.StackEvents) == 0 {
		return text
	}
	token := aws.ToString(out.StackEvents[0].ClientRequestToken)
	if who, ok := readToken(token); ok {
		text = who
	} else if token != "" {
		text += " " + token
	}
	for _, e := range out.StackEvents {
		if aws.ToString(e.PhysicalResourceId) == s.ID && strings.HasSuffix(string(e.ResourceStatus), "_IN_PROGRESS") {
			return text + ", since " + aws.ToTime(e.Timestamp).Local().Format(time.TimeOnly)
		}
	}
	return text
}

var notToken = regexp.MustCompile(`[^A-Za-z0-9]+`)

// newToken names this operation to CloudFormation, whose events carry it: slipway-<user>-<machine>-<process>-<random>.
func newToken() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // without one the token is less telling, not wrong
	word := func(s string, most int) string {
		s = strings.ToLower(notToken.ReplaceAllString(s, ""))
		return s[:min(len(s), most)]
	}
	return fmt.Sprintf("slipway-%s-%s-%d-%s", word(name, 32), word(host, 32), os.Getpid(), strings.ToLower(rand.Text()[:8]))
}

func readToken(token string) (who string, ok bool) {
	parts := strings.Split(token, "-")
	if len(parts) != 5 || parts[0] != "slipway" {
		return "", false
	}
	return fmt.Sprintf("slipway of user %s on %s (process %s)", parts[1], parts[2], parts[3]), true
}

// mayTouch refuses stacks made by another major version.
func (p *Project) mayTouch(s *Stack) error {
	if s == nil || p.SkipVersionCheck {
		return nil
	}
	theirs, ours := major(s.Tag("version")), major(p.Version)
	if theirs == "" || ours == "" || theirs == ours {
		return nil
	}
	return fmt.Errorf("stack %s was made by version %s, this is %s: use that version, or --skip-version-check (-F) to go on with this one",
		s.Name, s.Tag("version"), p.Version)
}

// major is the number before the first dot; empty for what is no version, such as "devel".
func major(version string) string {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return ""
	}
	return number
}

// change brings a stack from what it is to what it should be. The error is errOvertaken when somebody else was faster.
func (p *Project) change(ctx context.Context, s blueprint.Stack, current *Stack) error {
	input, err := p.changeSetInput(ctx, s, current)
	if err != nil {
		return err
	}
	created, err := p.Target.Clients.CloudFormation.CreateChangeSet(ctx, input)
	if overtaken(err) {
		return errOvertaken
	}
	if err != nil && isEmpty(err.Error()) { // some servers say so at once
		p.report(Event{Kind: EventStackFinished, Stack: s.Name, Outcome: Unchanged})
		return nil
	}
	if err != nil {
		return fmt.Errorf("create change set of stack %s: %w", s.Name, err)
	}
	set, err := p.awaitChangeSet(ctx, *created.Id)
	if err != nil || set.empty {
		p.discard(ctx, s.Name, *created.Id, !current.exists())
		if err != nil {
			return fmt.Errorf("stack %s: %w", s.Name, err)
		}
		p.report(Event{Kind: EventStackFinished, Stack: s.Name, Outcome: Unchanged})
		return nil
	}
	return p.execute(ctx, s, current, set, aws.ToString(created.StackId))
}

func (p *Project) changeSetInput(ctx context.Context, s blueprint.Stack, current *Stack) (*cloudformation.CreateChangeSetInput, error) {
	role, err := p.roleFor(ctx, s.Kind)
	if err != nil {
		return nil, err
	}
	input := &cloudformation.CreateChangeSetInput{
		StackName:     &s.Name,
		ChangeSetName: aws.String("slipway-" + strings.ToLower(rand.Text())),
		ChangeSetType: types.ChangeSetTypeCreate,
		RoleARN:       role,
		Description:   aws.String("slipway " + p.Version),
	}
	if current.exists() {
		input.ChangeSetType = types.ChangeSetTypeUpdate
	}
	for _, parameter := range s.Parameters {
		input.Parameters = append(input.Parameters, types.Parameter{ParameterKey: aws.String(parameter.Key), ParameterValue: aws.String(parameter.Value)})
	}
	for _, tag := range s.Tags {
		input.Tags = append(input.Tags, types.Tag{Key: aws.String(tag.Key), Value: aws.String(tag.Value)})
	}
	for _, c := range s.Capabilities {
		input.Capabilities = append(input.Capabilities, types.Capability(c))
	}
	input.TemplateBody, input.TemplateURL, err = p.template(ctx, s)
	return input, err
}

// changeSet is a change set that can be executed, or one without changes.
type changeSet struct {
	id        string
	resources int // that change
	empty     bool
}

// awaitChangeSet waits until CloudFormation knows what would change.
func (p *Project) awaitChangeSet(ctx context.Context, id string) (changeSet, error) {
	set := changeSet{id: id}
	for pace := p.pace(); ; {
		out, err := p.Target.Clients.CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &id})
		if err != nil {
			return set, fmt.Errorf("describe change set: %w", err)
		}
		switch out.Status {
		case types.ChangeSetStatusCreateComplete:
			set.resources, err = p.countChanges(ctx, id, out)
			return set, err
		case types.ChangeSetStatusFailed:
			if set.empty = isEmpty(aws.ToString(out.StatusReason)); set.empty {
				return set, nil
			}
			return set, fmt.Errorf("change set: %s", aws.ToString(out.StatusReason))
		}
		if err := pace.wait(ctx); err != nil {
			return set, err
		}
	}
}

// isEmpty recognises the two reasons of a change set without changes.
func isEmpty(reason string) bool {
	return strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed")
}

func (p *Project) countChanges(ctx context.Context, id string, page *cloudformation.DescribeChangeSetOutput) (int, error) {
	count := len(page.Changes)
	for page.NextToken != nil {
		var err error
		page, err = p.Target.Clients.CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &id, NextToken: page.NextToken})
		if err != nil {
			return count, fmt.Errorf("describe change set: %w", err)
		}
		count += len(page.Changes)
	}
	return count, nil
}

// discard takes back a change set that is not going to be executed, and the empty stack it was to become. It does so after an
// interruption too.
func (p *Project) discard(ctx context.Context, stack, id string, isNew bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := p.Target.Clients.CloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &id})
	if err == nil && isNew {
		if s, lookErr := p.find(ctx, stack); lookErr == nil && s != nil && s.Status == string(types.StackStatusReviewInProgress) {
			_, err = p.Target.Clients.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &stack})
		}
	}
	if err != nil {
		p.warn(fmt.Sprintf("a change set of stack %s is left over: %v", stack, err))
	}
}

// execute runs a change set and follows it to its end.
func (p *Project) execute(ctx context.Context, s blueprint.Stack, current *Stack, set changeSet, id string) error {
	o := Create
	if current.exists() {
		o, id = Update, current.ID
	}
	f := p.follow(id, s.Name, o, set.resources)
	if err := f.skipPast(ctx); err != nil {
		return err
	}
	if err := p.lift(ctx, s, current); err != nil {
		return err
	}
	if ctx.Err() != nil {
		p.discard(ctx, s.Name, set.id, !current.exists())
		return context.Cause(ctx)
	}
	// Interrupted or not, this request is sent as a whole, so that it is known whether the operation goes on.
	_, err := p.Target.Clients.CloudFormation.ExecuteChangeSet(context.WithoutCancel(ctx), &cloudformation.ExecuteChangeSetInput{
		ChangeSetName: &set.id, ClientRequestToken: aws.String(newToken()),
	})
	if overtaken(err) {
		p.discard(ctx, s.Name, set.id, false)
		return errOvertaken
	}
	if err != nil {
		p.discard(ctx, s.Name, set.id, !current.exists())
		return fmt.Errorf("execute change set of stack %s: %w", s.Name, err)
	}
	return f.run(ctx)
}

// overtaken recognises that a stack has changed since it was looked at.
func overtaken(err error) bool {
	var fault smithy.APIError
	if !errors.As(err, &fault) {
		return false
	}
	text := fault.ErrorMessage()
	switch fault.ErrorCode() {
	case "InvalidChangeSetStatus", "ChangeSetNotFound", "OperationInProgressException":
		return true
	case "ValidationError":
		return strings.Contains(text, "_IN_PROGRESS state") || strings.Contains(text, "already exists and cannot be created again")
	}
	return false
}

const allowAll = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`

// lift takes the stack policy off for an update that may lose data; finish puts it back.
func (p *Project) lift(ctx context.Context, s blueprint.Stack, current *Stack) error {
	if !p.AllowDataLoss || s.StackPolicy == "" || !current.exists() {
		return nil
	}
	return p.setPolicy(ctx, s.Name, allowAll)
}

func (p *Project) setPolicy(ctx context.Context, stack, policy string) error {
	_, err := p.Target.Clients.CloudFormation.SetStackPolicy(ctx, &cloudformation.SetStackPolicyInput{StackName: &stack, StackPolicyBody: &policy})
	if err != nil {
		return fmt.Errorf("set policy of stack %s: %w", stack, err)
	}
	return nil
}

// finish gives the stack what a change set cannot: its policy and its protection.
func (p *Project) finish(ctx context.Context, s blueprint.Stack) (*Stack, error) {
	now, err := p.describe(ctx, s.Name)
	if err != nil {
		return nil, err
	}
	if s.StackPolicy != "" {
		if err := p.setPolicy(ctx, s.Name, s.StackPolicy); err != nil {
			return nil, err
		}
	}
	if s.TerminationProtection && !now.Protected {
		err = p.protect(ctx, s.Name, true)
	}
	if err != nil && p.Target.Name == TargetEndpoint { // emulators know no such thing, and what they hold is for trying out
		p.warn(err.Error())
		err = nil
	}
	return now, err
}

func (p *Project) protect(ctx context.Context, stack string, on bool) error {
	_, err := p.Target.Clients.CloudFormation.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{
		StackName: &stack, EnableTerminationProtection: &on,
	})
	if err != nil {
		return fmt.Errorf("termination protection of stack %s: %w", stack, err)
	}
	return nil
}
