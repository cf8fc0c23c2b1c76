package cfn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"slipway.dev/internal/cfn/schema"
)

// ParamValue is the value of a parameter in one stack operation.
type ParamValue struct {
	Name         string
	Type         string
	Raw          string // as given, or the default; for an SSM type the parameter's name
	Value        any    // string, or []any of strings for list types
	SSM          bool   // Raw names an SSM parameter and Value is what it held
	NoEcho       bool
	FromDefault  bool
	FromPrevious bool
}

// Masked is how DescribeStacks shows a NoEcho parameter.
const Masked = "****"

// Shown is the value as DescribeStacks shows it.
func (v ParamValue) Shown() string {
	if v.NoEcho {
		return Masked
	}
	return v.Raw
}

// Resolved is what an SSM parameter held, as DescribeStacks shows it, or "".
func (v ParamValue) Resolved() string {
	if !v.SSM || v.NoEcho {
		return ""
	}
	if list, ok := v.Value.([]any); ok {
		return joinScalars(list, ",")
	}
	text, _ := v.Value.(string)
	return text
}

func joinScalars(list []any, separator string) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i], _ = scalarText(item)
	}
	return strings.Join(texts, separator)
}

// awsTypes are the AWS-specific parameter types that also have a List<> form
// (User Guide, "AWS-specific parameter types").
var awsTypes = []string{
	"AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id", "AWS::EC2::Instance::Id", "AWS::EC2::KeyPair::KeyName",
	"AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id", "AWS::EC2::Subnet::Id", "AWS::EC2::Volume::Id",
	"AWS::EC2::VPC::Id", "AWS::Route53::HostedZone::Id",
}

const ssmName = "AWS::SSM::Parameter::Name"

func parameterTypeNames() []string {
	names := []string{"String", "Number", "CommaDelimitedList", "List<Number>", "List<String>", ssmName}
	for _, name := range awsTypes {
		names = append(names, name, "List<"+name+">")
	}
	return names
}

func knownParameterType(typ string) bool {
	if inner, ok := ssmValueType(typ); ok {
		return inner == "String" || inner == "CommaDelimitedList" || inner == "List<String>" || slices.Contains(awsTypes, listElement(inner))
	}
	return slices.Contains(parameterTypeNames(), typ)
}

// ssmValueType returns X of AWS::SSM::Parameter::Value<X>.
func ssmValueType(typ string) (string, bool) {
	inner, ok := strings.CutPrefix(typ, "AWS::SSM::Parameter::Value<")
	return strings.TrimSuffix(inner, ">"), ok && strings.HasSuffix(inner, ">")
}

// listElement returns X of List<X>, or the type itself.
func listElement(typ string) string {
	if inner, ok := strings.CutPrefix(typ, "List<"); ok {
		return strings.TrimSuffix(inner, ">")
	}
	return typ
}

// IsList reports whether the parameter's value is a list.
func (p *Parameter) IsList() bool {
	typ := p.Type
	if inner, ok := ssmValueType(typ); ok {
		typ = inner
	}
	return typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<")
}

// SSMLookup returns the value of an SSM parameter; a name may end in ":version".
type SSMLookup func(name string) (string, error)

// ResolveParameters makes the values of all parameters: the given one, else
// the previous one (of an update that keeps it), else the default. It checks
// them and reports all faults as Errors with AWS's texts. ssm may be nil when
// the template has no parameter of an SSM value type.
func (t *Template) ResolveParameters(given, previous map[string]string, ssm SSMLookup) (map[string]ParamValue, error) {
	report := &faults{lines: t.lines}
	t.refuseUnknown(given, report)
	values := map[string]ParamValue{}
	var missing []*Parameter
	for _, p := range t.Parameters {
		value, ok := p.choose(given, previous)
		if !ok {
			missing = append(missing, p)
			continue
		}
		if err := value.convert(p, ssm); err != nil {
			report.keep(p.Pos, t.faultAt(p.Pos, err))
			continue
		}
		values[p.Name] = value
	}
	if len(missing) > 0 {
		report.add(missing[0].Pos, "Parameters: [%s] must have values", parameterNames(missing))
	}
	if err := report.result(); err != nil {
		return nil, err
	}
	return values, nil
}

func (t *Template) refuseUnknown(given map[string]string, report *faults) {
	var unknown, known []string
	for _, name := range sortedKeys(given) {
		if t.parameters[name] == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return
	}
	for _, p := range t.Parameters {
		known = append(known, p.Name)
	}
	report.add(Pos{File: t.Name}, "Parameters: [%s] do not exist in the template", strings.Join(unknown, ", ")).
		Hint = report.suggestion(unknown[0], known)
}

func parameterNames(parameters []*Parameter) string {
	names := make([]string, len(parameters))
	for i, p := range parameters {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

func (p *Parameter) choose(given, previous map[string]string) (ParamValue, bool) {
	value := ParamValue{Name: p.Name, Type: p.Type, NoEcho: p.NoEcho}
	var ok bool
	if value.Raw, ok = given[p.Name]; ok {
		return value, true
	}
	if value.Raw, ok = previous[p.Name]; ok {
		value.FromPrevious = true
		return value, true
	}
	if p.Default != nil {
		value.Raw, value.FromDefault = *p.Default, true
		return value, true
	}
	return value, false
}

// convert checks Raw and fills Value.
func (v *ParamValue) convert(p *Parameter, ssm SSMLookup) error {
	if err := p.check(v.Raw); err != nil {
		return err
	}
	text := v.Raw
	if _, ok := ssmValueType(p.Type); ok {
		if ssm == nil {
			return fmt.Errorf("parameter %s: no SSM parameter store to ask for %s", p.Name, v.Raw)
		}
		found, err := ssm(v.Raw)
		if err != nil {
			return fmt.Errorf("Unable to fetch parameters [%s] from parameter store for this account: %w", v.Raw, err)
		}
		v.SSM, text = true, found
	}
	v.Value = text
	if p.IsList() {
		v.Value = splitList(text)
	}
	return nil
}

// splitList splits a comma-delimited list; spaces around members are dropped
// and the empty text is the empty list.
func splitList(text string) []any {
	list := []any{}
	if text == "" {
		return list
	}
	for item := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(item))
	}
	return list
}

// check applies the type and the constraints to a value as given.
func (p *Parameter) check(raw string) error {
	items := []string{raw}
	if p.IsList() {
		items = items[:0]
		for _, item := range splitList(raw) {
			items = append(items, item.(string))
		}
	}
	for _, item := range items {
		if err := p.checkItem(item); err != nil {
			return err
		}
	}
	return nil
}

func (p *Parameter) checkItem(item string) error {
	number := p.Type == "Number" || p.Type == "List<Number>"
	value, err := strconv.ParseFloat(item, 64)
	switch {
	case number && err != nil:
		return p.violated("must be a number")
	case p.AllowedValues != nil && !slices.Contains(p.AllowedValues, item):
		return p.violated("must be one of AllowedValues")
	case number && (p.MinValue != nil && value < *p.MinValue):
		return p.violated("must be a number not less than " + formatNumber(*p.MinValue))
	case number && (p.MaxValue != nil && value > *p.MaxValue):
		return p.violated("must be a number not greater than " + formatNumber(*p.MaxValue))
	}
	return p.checkText(item)
}

func (p *Parameter) checkText(item string) error {
	length := utf8.RuneCountInString(item)
	switch {
	case p.MinLength != nil && length < *p.MinLength:
		return p.violated(fmt.Sprintf("must contain at least %d characters", *p.MinLength))
	case p.MaxLength != nil && length > *p.MaxLength:
		return p.violated(fmt.Sprintf("must contain at most %d characters", *p.MaxLength))
	case p.AllowedPattern != "" && !matchesWhole(p.AllowedPattern, item):
		return p.violated("must match pattern " + p.AllowedPattern)
	case item == "" && slices.Contains(awsTypes, listElement(p.Type)):
		return fmt.Errorf("Parameter validation failed: parameter value %s for parameter name %s does not exist", item, p.Name)
	}
	return nil
}

// violated words a constraint as AWS does: the author's description replaces the rule.
func (p *Parameter) violated(rule string) error {
	if p.ConstraintDescription != "" {
		return fmt.Errorf("Parameter %s failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
	}
	if rule == "must be one of AllowedValues" {
		return fmt.Errorf("Parameter '%s' must be one of AllowedValues", p.Name)
	}
	if rule == "must be a number" {
		return fmt.Errorf("Parameter '%s' must be a number", p.Name)
	}
	return fmt.Errorf("Parameter '%s' %s", p.Name, rule)
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// compilePattern anchors a pattern at both ends, as AWS (Java) matches it whole.
func compilePattern(pattern string) (*schema.Pattern, error) {
	return schema.CompilePattern(`^(?:` + pattern + `)$`)
}

func matchesWhole(pattern, text string) bool {
	re, err := compilePattern(pattern)
	return err == nil && re.Match(text)
}

// faultAt gives an error the position and source line of what it is about.
func (t *Template) faultAt(pos Pos, err error) error {
	return &Error{Pos: pos, Message: err.Error(), Source: sourceLine(t.lines, pos), Err: err}
}
