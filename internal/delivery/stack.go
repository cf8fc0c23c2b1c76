package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"slipway.dev/internal/blueprint"
)

// Stack is a stack as CloudFormation has it.
type Stack struct {
	Name       string
	ID         string // ARN
	Status     string
	Reason     string
	Outputs    map[string]string
	Parameters map[string]string
	Tags       map[string]string
	Protected  bool
	ChangedAt  time.Time // last update, or creation
}

// ErrNoStack says that a stack does not exist.
var ErrNoStack = errors.New("no such stack")

// Tag is the value of the tag mu:<key>.
func (s *Stack) Tag(key string) string { return s.Tags["mu:"+key] }

// InProgress reports whether an operation goes on.
func (s *Stack) InProgress() bool {
	return strings.HasSuffix(s.Status, "_IN_PROGRESS") && s.Status != string(types.StackStatusReviewInProgress)
}

// isHusk reports whether the stack never came to be, so that it has to be deleted before it can be created.
func (s *Stack) isHusk() bool {
	return slices.Contains([]types.StackStatus{
		types.StackStatusRollbackComplete, types.StackStatusRollbackFailed, types.StackStatusCreateFailed, types.StackStatusDeleteFailed,
	}, types.StackStatus(s.Status))
}

// exists reports whether there is something to update; a stack under review has no resources yet.
func (s *Stack) exists() bool {
	return s != nil && s.Status != string(types.StackStatusReviewInProgress)
}

// describe reads one stack by name or ARN. The error wraps ErrNoStack when there is none.
func (p *Project) describe(ctx context.Context, name string) (*Stack, error) {
	out, err := p.Target.Clients.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if missing(err) || err == nil && len(out.Stacks) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoStack, name)
	}
	if err != nil {
		return nil, fmt.Errorf("describe stack %s: %w", name, err)
	}
	s := stackOf(&out.Stacks[0])
	if s.Status == string(types.StackStatusDeleteComplete) {
		return s, fmt.Errorf("%w: %s", ErrNoStack, name)
	}
	return s, nil
}

// find is describe where absence is an answer: nil.
func (p *Project) find(ctx context.Context, name string) (*Stack, error) {
	s, err := p.describe(ctx, name)
	if errors.Is(err, ErrNoStack) {
		return nil, nil
	}
	return s, err
}

// stacks lists the stacks of the namespace: those with a mu:type tag whose name is of the form <namespace>-<type>-….
func (p *Project) stacks(ctx context.Context) ([]*Stack, error) {
	pages := cloudformation.NewDescribeStacksPaginator(p.Target.Clients.CloudFormation, &cloudformation.DescribeStacksInput{})
	var found []*Stack
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list stacks: %w", err)
		}
		for i := range page.Stacks {
			s := stackOf(&page.Stacks[i])
			if kind := s.Tag("type"); kind != "" && strings.HasPrefix(s.Name, p.Manifest.Namespace+"-") && p.owns(s, kind) {
				found = append(found, s)
			}
		}
	}
	return found, nil
}

// owns tells the namespace a from a-b: the word after the namespace has to be the stack's type.
func (p *Project) owns(s *Stack, kind string) bool {
	rest := strings.TrimPrefix(s.Name, p.Manifest.Namespace+"-")
	return strings.HasPrefix(rest, kind+"-") || kind == "vpc" && strings.HasPrefix(rest, "target-")
}

func stackOf(s *types.Stack) *Stack {
	stack := &Stack{
		Name: aws.ToString(s.StackName), ID: aws.ToString(s.StackId),
		Status: string(s.StackStatus), Reason: aws.ToString(s.StackStatusReason),
		Outputs: map[string]string{}, Parameters: map[string]string{}, Tags: map[string]string{},
		Protected: aws.ToBool(s.EnableTerminationProtection),
		ChangedAt: aws.ToTime(s.CreationTime),
	}
	if s.LastUpdatedTime != nil {
		stack.ChangedAt = *s.LastUpdatedTime
	}
	for _, o := range s.Outputs {
		stack.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, p := range s.Parameters {
		stack.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range s.Tags {
		stack.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return stack
}

// missing recognises CloudFormation's answer about a stack that does not exist: a ValidationError with a text.
func missing(err error) bool {
	var fault smithy.APIError
	return errors.As(err, &fault) && fault.ErrorCode() == "ValidationError" && strings.Contains(fault.ErrorMessage(), "does not exist")
}

// name is the name of a stack of this project.
func (p *Project) name(kind blueprint.Kind, parts ...string) string {
	return blueprint.StackName(p.Manifest.Namespace, kind, parts...)
}

// roleOnce keeps the role that CloudFormation deploys with: an output of the namespace's common stack.
type roleOnce struct {
	lock sync.Mutex
	arn  string
}

// roleFor is the role CloudFormation acts with on a stack; nil means as the caller. Stacks about IAM and those shared by all
// environments are the caller's, as in mu.
func (p *Project) roleFor(ctx context.Context, kind blueprint.Kind) (*string, error) {
	switch kind {
	case blueprint.KindIAMCommon, blueprint.KindIAMEnvironment, blueprint.KindIAMService, blueprint.KindRepo, blueprint.KindBucket:
		return nil, nil
	}
	p.role.lock.Lock()
	defer p.role.lock.Unlock()
	if p.role.arn == "" {
		common, err := p.describe(ctx, p.name(blueprint.KindIAMCommon))
		if errors.Is(err, ErrNoStack) && p.DisableIAM {
			return nil, fmt.Errorf("with --disable-iam the stack %s has to be there: %w", p.name(blueprint.KindIAMCommon), err)
		}
		if err != nil {
			return nil, err
		}
		p.role.arn = common.Outputs["CloudFormationRoleArn"]
	}
	if p.role.arn == "" {
		return nil, fmt.Errorf("stack %s has no output CloudFormationRoleArn", p.name(blueprint.KindIAMCommon))
	}
	return &p.role.arn, nil
}
