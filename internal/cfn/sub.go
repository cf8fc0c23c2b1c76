package cfn

import (
	"fmt"
	"strings"
)

// subPart is a piece of a Fn::Sub text: a literal, or a reference.
type subPart struct {
	text      string
	reference bool
}

// subParts cuts "a${b}c${!d}" into pieces. A "${" without "}" is text, as is
// "${!x}", which stands for "${x}".
func subParts(text string) ([]subPart, error) {
	var parts []subPart
	for text != "" {
		start := strings.Index(text, "${")
		if start < 0 {
			return append(parts, subPart{text, false}), nil
		}
		end := strings.IndexByte(text[start:], '}')
		if end < 0 {
			return append(parts, subPart{text, false}), nil
		}
		if start > 0 {
			parts = append(parts, subPart{text[:start], false})
		}
		inner := text[start+2 : start+end]
		text = text[start+end+1:]
		if literal, ok := strings.CutPrefix(inner, "!"); ok {
			parts = append(parts, subPart{"${" + literal + "}", false})
			continue
		}
		name := strings.TrimSpace(inner)
		if !subName(name) {
			return nil, fmt.Errorf("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
		}
		parts = append(parts, subPart{name, true})
	}
	return parts, nil
}

func subName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != ':' {
			return false
		}
	}
	return name != ""
}

// subArguments returns the text and the variables of a Fn::Sub; vars may be nil.
func subArguments(n *Node) (text, vars *Node, ok bool) {
	if n.Arg == nil {
		return nil, nil, false
	}
	if n.Arg.IsScalar() {
		return n.Arg, nil, true
	}
	a, ok := args(n, 1, 2)
	if !ok || !a[0].IsScalar() {
		return nil, nil, false
	}
	if len(a) == 1 {
		return a[0], nil, true
	}
	return a[0], a[1], a[1].Kind == Map
}

const subUsage = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"

func (e *Evaluator) sub(n *Node) (any, error) {
	text, vars, ok := subArguments(n)
	if !ok {
		return nil, e.fault(n, subUsage)
	}
	parts, err := subParts(text.Text)
	if err != nil {
		return nil, e.fault(text, "%s", err.Error())
	}
	var b strings.Builder
	unknown := false
	for _, part := range parts {
		if !part.reference {
			b.WriteString(part.text)
			continue
		}
		value, err := e.subValue(n, text, vars, part.text)
		if err != nil {
			return nil, err
		}
		if _, is := value.(Unknown); is {
			unknown = true
			continue
		}
		if b.WriteString(value.(string)); b.Len() > longestText {
			return nil, e.fault(n, "Template error: the result of Fn::Sub is longer than %d bytes", longestText)
		}
	}
	if unknown {
		return Unknown{}, nil
	}
	return b.String(), nil
}

// subValue is the value of ${name}: a string or Unknown.
func (e *Evaluator) subValue(n, text, vars *Node, name string) (any, error) {
	var value any
	var err error
	if v := vars.Get(name); v != nil {
		value, err = e.eval(v)
	} else {
		value, err = e.subReference(text, name)
	}
	if err != nil {
		return nil, err
	}
	if _, ok := value.(Unknown); ok {
		return value, nil
	}
	if list, ok := value.([]any); ok && vars.Get(name) == nil && !containsUnknown(list) {
		return joinScalars(list, ","), nil
	}
	out, ok := scalarText(value)
	if !ok {
		return nil, e.fault(n, "Template error: the value of ${%s} in Fn::Sub must be a string", name)
	}
	return out, nil
}

// subReference is ${Name} as Ref and ${Name.Attribute} as Fn::GetAtt.
func (e *Evaluator) subReference(text *Node, name string) (any, error) {
	if id, attribute, ok := strings.Cut(name, "."); ok {
		return e.attribute(text, id, attribute)
	}
	return e.ref(&Node{Kind: Func, Pos: text.Pos, Name: "Ref", Arg: &Node{Kind: String, Pos: text.Pos, Text: name}})
}
