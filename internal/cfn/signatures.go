package cfn

import (
	"errors"

	"go.yaml.in/yaml/v3"
)

var errNotYet = errors.New("not implemented")

// Error is one fault of a template.
type Error struct {
	Pos     Pos
	Message string // AWS's text where AWS has one
	Hint    string // how to mend it, or ""
	Source  string // the source line, or ""
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Message }

// Errors are all faults found, in file order. Parse, Validate, ResolveParameters and
// the Evaluator return errors of this type (or *Error for a single evaluation).
type Errors []*Error

func (e Errors) Error() string { return "" }

// Message is the faults' AWS texts without positions, for a server's answer.
func (e Errors) Message() string { return "" }

// Parse reads a template in YAML or JSON. The error is an Errors.
func Parse(name string, src []byte) (*Template, error) { return nil, errNotYet }

// ParseYAMLNode builds a template from a parsed YAML document or mapping node.
func ParseYAMLNode(name string, n *yaml.Node) (*Template, error) { return nil, errNotYet }

// ParseNode builds a template from a tree.
func ParseNode(name string, root *Node) (*Template, error) { return nil, errNotYet }

// NodeOf turns plain Go values (as encoding/json decodes them) into a tree, functions recognised.
func NodeOf(value any) (*Node, error) { return nil, errNotYet }

// Validate checks everything that needs no parameter values.
func (t *Template) Validate() error { return errNotYet }

// ValidateTypes checks resources against the schemas of their types.
func (t *Template) ValidateTypes() error { return errNotYet }

// ParamValue is the value of a parameter.
type ParamValue struct {
	Name                      string
	Type                      string
	Raw                       string // as given, or the default; for an SSM type the parameter's name
	Value                     any    // string, or []any of strings for list types
	SSM                       bool   // Raw names an SSM parameter and Value is what it held
	NoEcho                    bool
	FromDefault, FromPrevious bool
}

// SSMLookup returns the value of an SSM parameter; a name may end in ":version".
type SSMLookup func(name string) (string, error)

// ResolveParameters merges given values, previous values (used for names not given) and
// defaults, and checks them.
func (t *Template) ResolveParameters(given, previous map[string]string, ssm SSMLookup) (map[string]ParamValue, error) {
	return nil, errNotYet
}

// Pseudo holds the pseudo parameters of a stack.
type Pseudo struct {
	AccountID, Region, Partition, StackName, StackID, URLSuffix string
	NotificationARNs                                            []string
}

// Evaluator resolves expressions of one template for one stack.
type Evaluator struct {
	Template   *Template
	Parameters map[string]ParamValue
	Pseudo     Pseudo
	// Ref and GetAtt return the value of a resource; they may return Unknown{}.
	Ref    func(logicalID string) (any, error)
	GetAtt func(logicalID, attribute string) (any, error)
	// Import returns the value of an export.
	Import func(exportName string) (string, error)
	// AZs returns the availability zones of a region.
	AZs func(region string) ([]string, error)
	// Dynamic resolves a dynamic reference; nil leaves {{resolve:…}} as it is.
	Dynamic func(DynamicReference) (string, error)
}

// Unknown is a value that will only be known once the stack operation has run.
type Unknown struct{}

// KnownAfterApply is how AWS shows such a value in a change set.
const KnownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"

func (Unknown) String() string { return KnownAfterApply }

// DynamicReference is a {{resolve:service:reference}} in a string.
type DynamicReference struct {
	Service   string // ssm, ssm-secure or secretsmanager
	Reference string // everything after the service
	// for ssm and ssm-secure
	Name, Version string
	// for secretsmanager
	SecretID, SecretString, JSONKey, VersionStage, VersionID string
}

// Expand expands Fn::ForEach when the template asks for AWS::LanguageExtensions; it replaces
// e.Template and returns it.
func (e *Evaluator) Expand() (*Template, error) { return nil, errNotYet }

// Conditions evaluates every condition.
func (e *Evaluator) Conditions() (map[string]bool, error) { return nil, errNotYet }

// CheckRules evaluates the Rules section.
func (e *Evaluator) CheckRules() error { return errNotYet }

// Resolve evaluates an expression: nil, bool, json.Number, string, []any, map[string]any or Unknown.
// AWS::NoValue at the top resolves to nil.
func (e *Evaluator) Resolve(n *Node) (any, error) { return nil, errNotYet }

// ResolveProperties evaluates a resource's properties; never nil without error.
func (e *Evaluator) ResolveProperties(r *Resource) (map[string]any, error) { return nil, errNotYet }

// ResolvedOutput is the value of an output.
type ResolvedOutput struct{ Name, Description, Value, ExportName string }

// ResolveOutput evaluates an output.
func (e *Evaluator) ResolveOutput(o *Output) (ResolvedOutput, error) {
	return ResolvedOutput{}, errNotYet
}

// ActiveOutputs returns the outputs whose condition holds, and ActiveResources the resources.
func (t *Template) ActiveOutputs(conditions map[string]bool) []*Output     { return nil }
func (t *Template) ActiveResources(conditions map[string]bool) []*Resource { return nil }

// Graph is the dependency graph of active resources.
type Graph struct{}

// Graph returns the dependencies among the resources whose conditions hold.
func (t *Template) Graph(conditions map[string]bool) (*Graph, error) { return nil, errNotYet }

// Order returns logical ids in levels: a level depends only on the levels before it.
func (g *Graph) Order() [][]string { return nil }

// DependsOn returns what the resource needs directly, Dependents what needs it directly; sorted.
func (g *Graph) DependsOn(id string) []string  { return nil }
func (g *Graph) Dependents(id string) []string { return nil }

// PropertyChange is one difference; Path is like "Tags/0/Value"; a nil side with Had… false is absent.
type PropertyChange struct {
	Path          string
	Property      string // the top-level property
	Before, After any
	Kind          ChangeKind
}

// ChangeKind is Add, Remove or Modify as in a change set's details.
type ChangeKind string

// The kinds of property change.
const (
	Add    ChangeKind = "Add"
	Remove ChangeKind = "Remove"
	Modify ChangeKind = "Modify"
)

// DiffProperties compares resolved properties, sorted by path. Scalars compare by their text, as
// CloudFormation does ("80" equals 80).
func DiffProperties(before, after map[string]any) []PropertyChange { return nil }

// YAML and JSON write the tree back.
func (n *Node) YAML() ([]byte, error) { return nil, errNotYet }
func (n *Node) JSON() ([]byte, error) { return nil, errNotYet }
