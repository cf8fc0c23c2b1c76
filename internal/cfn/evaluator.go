package cfn

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Pseudo holds the pseudo parameters of a stack. An empty Partition is "aws",
// an empty URLSuffix "amazonaws.com".
type Pseudo struct {
	AccountID, Region, Partition, StackName, StackID, URLSuffix string
	NotificationARNs                                            []string
}

// Evaluator resolves the expressions of one template for one stack. A function
// left nil makes the expressions that need it fail with an error that says so.
// It keeps the values of conditions; it is not for concurrent use before
// Conditions has returned, and safe afterwards as far as its functions are.
type Evaluator struct {
	Template   *Template
	Parameters map[string]ParamValue
	Pseudo     Pseudo
	// Ref and GetAtt return the value of a resource; it may be Unknown{}.
	Ref    func(logicalID string) (any, error)
	GetAtt func(logicalID, attribute string) (any, error)
	// Import returns the value of an export.
	Import func(exportName string) (string, error)
	// StackOutput returns an output of another stack.
	StackOutput func(StackOutputRef) (string, error)
	// AZs returns the availability zones of a region.
	AZs func(region string) ([]string, error)
	// Dynamic resolves a dynamic reference; nil leaves {{resolve:…}} as it is,
	// which is what a change set shows.
	Dynamic func(DynamicReference) (string, error)
	// Macro runs a macro other than AWS::LanguageExtensions over a fragment and
	// returns what replaces it.
	Macro func(name string, parameters map[string]any, fragment any) (any, error)
	// ParameterAttribute answers Fn::ValueOf in rules: an attribute (such as
	// Tags.Name) of the thing a parameter of an AWS-specific type names.
	ParameterAttribute func(parameterType, value, attribute string) (string, error)

	conditions map[string]bool
	evaluating []string // conditions under evaluation, to find cycles
}

// StackOutputRef is the argument of Fn::GetStackOutput; Region and RoleARN may be "".
type StackOutputRef struct{ StackName, OutputName, Region, RoleARN string }

// Unknown is a value that is known only once the stack operation has run.
// Functions of an Unknown are Unknown.
type Unknown struct{}

// KnownAfterApply is how AWS shows an unknown value in a change set.
const KnownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"

func (Unknown) String() string { return KnownAfterApply }

// MarshalJSON writes KnownAfterApply.
func (Unknown) MarshalJSON() ([]byte, error) { return json.Marshal(KnownAfterApply) }

// removed is what AWS::NoValue evaluates to.
type removed struct{}

// Resolve evaluates an expression to nil, bool, json.Number, string, []any,
// map[string]any or Unknown. AWS::NoValue as the whole expression is nil.
// Errors are *Error with the position.
func (e *Evaluator) Resolve(n *Node) (any, error) {
	value, err := e.eval(n)
	if _, gone := value.(removed); gone {
		return nil, err
	}
	return value, err
}

// ResolveProperties evaluates a resource's properties, dynamic references
// included. Without properties it returns an empty map.
func (e *Evaluator) ResolveProperties(r *Resource) (map[string]any, error) {
	if r.Properties == nil {
		return map[string]any{}, nil
	}
	value, err := e.Resolve(r.Properties)
	if err != nil {
		return nil, err
	}
	if value, err = e.ResolveDynamic(value); err != nil {
		return nil, e.wrap(r.Properties, err)
	}
	if value == nil {
		return map[string]any{}, nil
	}
	properties, ok := value.(map[string]any)
	if !ok {
		return nil, e.fault(r.Properties, "Template format error: [/Resources/%s/Properties] must resolve to an object", r.LogicalID)
	}
	return properties, nil
}

// ResolvedOutput is the value of an output; ExportName is "" when it is not exported.
type ResolvedOutput struct{ Name, Description, Value, ExportName string }

// ResolveOutput evaluates an output. An Unknown value reads as KnownAfterApply.
func (e *Evaluator) ResolveOutput(o *Output) (ResolvedOutput, error) {
	out := ResolvedOutput{Name: o.Name, Description: o.Description}
	var err error
	if out.Value, err = e.outputText(o, o.Value, "Value"); err != nil {
		return out, err
	}
	if o.Export != nil {
		out.ExportName, err = e.outputText(o, o.Export, "Export Name")
	}
	return out, err
}

func (e *Evaluator) outputText(o *Output, n *Node, what string) (string, error) {
	value, err := e.Resolve(n)
	if err != nil {
		return "", err
	}
	if unknown, ok := value.(Unknown); ok {
		return unknown.String(), nil
	}
	text, ok := scalarText(value)
	if !ok {
		return "", e.fault(n, "Template format error: Output %s is malformed. The %s of an output must be a string", o.Name, what)
	}
	return text, nil
}

func (e *Evaluator) fault(n *Node, format string, args ...any) error {
	return &Error{Pos: n.Pos, Message: fmt.Sprintf(format, args...), Source: sourceLine(e.lines(), n.Pos)}
}

func (e *Evaluator) lines() []string {
	if e.Template == nil {
		return nil
	}
	return e.Template.lines
}

// wrap gives a caller's error the position of the expression that needed it.
func (e *Evaluator) wrap(n *Node, err error) error {
	var fault *Error
	if errors.As(err, &fault) {
		return err
	}
	return &Error{Pos: n.Pos, Message: err.Error(), Source: sourceLine(e.lines(), n.Pos), Err: err}
}

// eval is Resolve that tells AWS::NoValue apart.
func (e *Evaluator) eval(n *Node) (any, error) {
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case List:
		return e.list(n)
	case Map:
		return e.object(n)
	case Func:
		return e.call(n)
	}
	return literal(n), nil
}

func (e *Evaluator) list(n *Node) (any, error) {
	out := make([]any, 0, len(n.Items))
	for _, item := range n.Items {
		value, err := e.eval(item)
		if err != nil {
			return nil, err
		}
		if _, gone := value.(removed); !gone {
			out = append(out, value)
		}
	}
	return out, nil
}

func (e *Evaluator) object(n *Node) (any, error) {
	out := make(map[string]any, len(n.Entries))
	for _, entry := range n.Entries {
		value, err := e.eval(entry.Value)
		if err != nil {
			return nil, err
		}
		if _, gone := value.(removed); !gone {
			out[entry.Key] = value
		}
	}
	return out, nil
}

func (e *Evaluator) call(n *Node) (any, error) {
	switch n.Name {
	case "Ref":
		return e.ref(n)
	case "Fn::GetAtt":
		return e.getAtt(n)
	case "Fn::Sub":
		return e.sub(n)
	case "Fn::Join":
		return e.join(n)
	case "Fn::Split":
		return e.split(n)
	case "Fn::Select":
		return e.selectItem(n)
	case "Fn::FindInMap":
		return e.findInMap(n)
	case "Fn::Base64":
		return e.base64(n)
	case "Fn::Cidr":
		return e.cidr(n)
	case "Fn::GetAZs":
		return e.getAZs(n)
	case "Fn::ImportValue":
		return e.importValue(n)
	case "Fn::GetStackOutput":
		return e.stackOutput(n)
	case "Fn::If":
		return e.ifElse(n)
	case "Fn::Length":
		return e.length(n)
	case "Fn::ToJsonString":
		return e.toJSONString(n)
	}
	if isBooleanFunction(n.Name) {
		return e.truth(n)
	}
	if isRuleFunction(n.Name) {
		return e.ruleFunction(n)
	}
	return nil, e.fault(n, "Template error: %s cannot be used here", n.Name)
}

func (e *Evaluator) ref(n *Node) (any, error) {
	name, ok := e.name(n.Arg)
	if !ok {
		return nil, e.fault(n, "Template error: every Ref object must have a single String value.")
	}
	if isPseudo(name) {
		return e.pseudo(name), nil
	}
	if value, ok := e.Parameters[name]; ok {
		return value.Value, nil
	}
	return e.resourceValue(n, name, func() (any, error) {
		if e.Ref == nil {
			return nil, fmt.Errorf("the value of resource %s is not known here", name)
		}
		return e.Ref(name)
	})
}

// name reads a literal name; loop identifiers in it were replaced by Expand.
func (e *Evaluator) name(n *Node) (string, bool) {
	if n == nil || !n.IsScalar() {
		return "", false
	}
	return n.label(), true
}

// resourceValue asks for a resource's value unless it is not part of the stack.
func (e *Evaluator) resourceValue(n *Node, id string, ask func() (any, error)) (any, error) {
	if err := e.present(n, id); err != nil {
		return nil, err
	}
	value, err := ask()
	if err != nil {
		return nil, e.wrap(n, err)
	}
	return value, nil
}

func (e *Evaluator) present(n *Node, id string) error {
	if e.Template == nil {
		return nil
	}
	if p := e.Template.Parameter(id); p != nil {
		return e.fault(n, "Parameters: [%s] must have values", id)
	}
	r := e.Template.Resource(id)
	if r != nil && (r.Condition == "" || e.conditions == nil || e.conditions[r.Condition]) {
		return nil
	}
	return e.fault(n, "Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", id)
}

func (e *Evaluator) pseudo(name string) any {
	switch name {
	case "AWS::AccountId":
		return e.Pseudo.AccountID
	case "AWS::Region":
		return e.Pseudo.Region
	case "AWS::Partition":
		return orElse(e.Pseudo.Partition, "aws")
	case "AWS::StackName":
		return e.Pseudo.StackName
	case "AWS::StackId":
		return e.Pseudo.StackID
	case "AWS::URLSuffix":
		return orElse(e.Pseudo.URLSuffix, "amazonaws.com")
	case "AWS::NotificationARNs":
		arns := []any{}
		for _, arn := range e.Pseudo.NotificationARNs {
			arns = append(arns, arn)
		}
		return arns
	}
	return removed{}
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (e *Evaluator) getAtt(n *Node) (any, error) {
	if id, attribute, ok := getAttParts(n.Arg); ok {
		return e.attribute(n, id, attribute)
	}
	a, ok := args(n, 2, 2)
	if !ok || !a[0].IsScalar() {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	attribute, unknown, err := e.text(a[1], n.Name)
	if err != nil || unknown {
		return Unknown{}, err
	}
	return e.attribute(n, a[0].label(), attribute)
}

func (e *Evaluator) attribute(n *Node, id, attribute string) (any, error) {
	return e.resourceValue(n, id, func() (any, error) {
		if e.GetAtt == nil {
			return nil, fmt.Errorf("the attributes of resource %s are not known here", id)
		}
		return e.GetAtt(id, attribute)
	})
}

// getAttParts reads the arguments of Fn::GetAtt when they are literals; the
// attribute may also be a function.
func getAttParts(arg *Node) (id, attribute string, ok bool) {
	if arg == nil || arg.Kind != List || len(arg.Items) < 2 || !arg.Items[0].IsScalar() {
		return "", "", false
	}
	for i, item := range arg.Items[1:] {
		if !item.IsScalar() {
			return "", "", false
		}
		if i > 0 {
			attribute += "."
		}
		attribute += item.Text
	}
	return arg.Items[0].Text, attribute, arg.Items[0].Text != "" && attribute != ""
}

func (e *Evaluator) importValue(n *Node) (any, error) {
	name, unknown, err := e.text(n.Arg, "Fn::ImportValue")
	if err != nil || unknown {
		return Unknown{}, err
	}
	if e.Import == nil {
		return nil, e.fault(n, "exports are not known here: %s", name)
	}
	value, err := e.Import(name)
	if err != nil {
		return nil, e.wrap(n, err)
	}
	return value, nil
}

func (e *Evaluator) stackOutput(n *Node) (any, error) {
	if n.Arg.Get("StackName") == nil || n.Arg.Get("OutputName") == nil {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	if e.StackOutput == nil {
		return nil, e.fault(n, "the outputs of other stacks are not known here")
	}
	var ref StackOutputRef
	for key, field := range map[string]*string{"StackName": &ref.StackName, "OutputName": &ref.OutputName, "Region": &ref.Region, "RoleArn": &ref.RoleARN} {
		if n.Arg.Get(key) == nil {
			continue
		}
		text, unknown, err := e.text(n.Arg.Get(key), n.Name)
		if err != nil || unknown {
			return Unknown{}, err
		}
		*field = text
	}
	value, err := e.StackOutput(ref)
	if err != nil {
		return nil, e.wrap(n, err)
	}
	return value, nil
}

func (e *Evaluator) getAZs(n *Node) (any, error) {
	region := e.Pseudo.Region
	if n.Arg != nil && n.Arg.Kind != Null {
		text, unknown, err := e.text(n.Arg, "Fn::GetAZs")
		if err != nil || unknown {
			return Unknown{}, err
		}
		region = orElse(text, region)
	}
	if e.AZs == nil {
		return nil, e.fault(n, "the availability zones of %s are not known here", region)
	}
	zones, err := e.AZs(region)
	if err != nil {
		return nil, e.wrap(n, err)
	}
	out := make([]any, len(zones))
	for i, zone := range zones {
		out[i] = zone
	}
	return out, nil
}

// text evaluates an argument that must be a string.
func (e *Evaluator) text(n *Node, function string) (text string, unknown bool, err error) {
	value, err := e.eval(n)
	if err != nil {
		return "", false, err
	}
	if _, ok := value.(Unknown); ok {
		return "", true, nil
	}
	text, ok := scalarText(value)
	if !ok {
		return "", false, e.fault(n, "Template error: every %s object must have a single String value.", function)
	}
	return text, false, nil
}

// index evaluates an argument that must be a whole number.
func (e *Evaluator) index(n *Node) (int, bool, error) {
	text, unknown, err := e.text(n, "number")
	if err != nil || unknown {
		return 0, unknown, err
	}
	index, err := strconv.Atoi(text)
	if err != nil {
		return 0, false, e.fault(n, "Template error: %q must be a whole number", text)
	}
	return index, false, nil
}
