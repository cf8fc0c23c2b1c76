package blueprint

import (
	"fmt"
	"strings"

	"slipway.dev/internal/manifest"
)

// Kind is what a stack is about. It is the second word of the stack's name;
// kinds of IAM stacks are two words.
type Kind string

// The kinds of stack, in the order in which they come up.
const (
	KindIAMCommon      Kind = "iam-common"
	KindIAMEnvironment Kind = "iam-environment"
	KindVPC            Kind = "vpc"
	KindTarget         Kind = "target"
	KindLoadBalancer   Kind = "loadbalancer"
	KindEnvironment    Kind = "environment"
	KindIAMService     Kind = "iam-service"
	KindRepo           Kind = "repo"
	KindBucket         Kind = "bucket"
	KindService        Kind = "service"
)

// Type is the value of the mu:type tag of such stacks: all IAM stacks are "iam".
func (k Kind) Type() string {
	if strings.HasPrefix(string(k), "iam-") {
		return "iam"
	}
	return string(k)
}

// Stack is everything CloudFormation has to be told about one stack.
type Stack struct {
	Kind Kind
	Name string
	// Template is YAML; the same input gives the same bytes.
	Template []byte
	// Parameters leaves out those that have the template's own default.
	Parameters []Parameter
	Tags       []Tag
	// Capabilities are those the template needs: CAPABILITY_NAMED_IAM,
	// CAPABILITY_AUTO_EXPAND.
	Capabilities []string
	// DependsOn names the stacks that must be there first. A stack that
	// belongs to another file or environment is named too.
	DependsOn []string
	// TerminationProtection is wanted for what other stacks cannot do without.
	TerminationProtection bool
	// StackPolicy is a JSON document, or empty for none.
	StackPolicy string
}

// Parameter is one input of a stack.
type Parameter struct {
	Key   string `json:"ParameterKey"`
	Value string `json:"ParameterValue"`
}

// Tag is one tag of a stack; CloudFormation gives it to the stack's resources.
type Tag struct {
	Key   string
	Value string
}

// Parameter is the value given to the stack, and whether one is given.
func (s *Stack) Parameter(key string) (string, bool) {
	return lookup(s.Parameters, key)
}

func lookup(parameters []Parameter, key string) (string, bool) {
	for _, p := range parameters {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

// Facts is what the manifest cannot know. The zero value renders offline.
type Facts struct {
	// Version of slipway, for the tag mu:version.
	Version string
	// Revision is the commit that is deployed, RepoSlug the repository it
	// comes from (owner/name). Empty values leave their tags out.
	Revision string
	RepoSlug string
	// Provider is that of the environment as deployed (its tag mu:provider);
	// empty takes the manifest's word.
	Provider string
	// Image is the full reference of the image to run. When it is empty the
	// service's imageRepository is taken, or else <repository>:<Tag>, which
	// only shows where the image goes.
	Image string
	// Tag of the stand-in for Image; empty is "latest".
	Tag string
	// CPUArchitecture is the one the image was built for, X86_64 or ARM64;
	// empty is X86_64.
	CPUArchitecture string
	// AZCount is the number of zones the region has; 0 and more than 3 are 3.
	AZCount int
	// NextPriority is the listener's next free rule number, or the one the
	// service has already. It counts when the manifest has no priority; 0 is 1.
	NextPriority int
	// CurrentCount is how many tasks the deployed service wants; nil before
	// the first deployment. Where autoscaling is on, an update keeps it.
	CurrentCount *int
}

// Error is something in the manifest that cannot be rendered.
type Error struct {
	// Pos may be without a line when the fault is not at one place.
	Pos     manifest.Position
	Message string
	// Hint says how to mend it, or is empty.
	Hint string
}

// Error is the place, the message and the hint on one line.
func (e *Error) Error() string {
	text := e.Message
	if place := e.Pos.String(); place != "" {
		text = place + ": " + text
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

func faultAt(pos manifest.Position, hint, format string, args ...any) *Error {
	return &Error{Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint}
}
