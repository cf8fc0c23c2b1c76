package blueprint

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// Operators of an override.
const (
	opSplice  = "Fn::Splice"
	opReplace = "Fn::Replace"
)

// merger applies one override to a template. The rules are mu's:
//
//	override                 template            result
//	{Fn::Splice: [s, n, l]}  list                n elements from s are combined with items of l, the rest of l is inserted
//	                         missing             l
//	{Fn::Replace: v}         anything            v
//	list                     list                the override's elements after the template's
//	                         missing             the list
//	mapping                  mapping             merged key by key
//	                         missing             the mapping
//	scalar                   anything            the scalar
//	null                     anything            the key is removed
//
// Where mu panicked, kept quiet or left an operator lying in the output, the
// override is wrong and says so: a list over something that is none, a mapping
// over a scalar or list, a malformed operator. Operators work at any depth.
//
// A call of an intrinsic function is one value, in short form (!Ref X) or long.
// Over a scalar or another call it takes the place; over a call of the same
// function, operators and mappings reach into the arguments, and Fn::And and
// Fn::Or, which take any number of them, get more.
type merger struct {
	file   string
	faults []error
}

// merge changes the template tree in place. The override is left as it is; it
// has no aliases, which the loader of the manifest resolves.
func (m *merger) merge(template, override *yaml.Node) {
	if override.Kind != yaml.MappingNode {
		m.fail(override, "", "", "an override is a mapping of template sections")
		return
	}
	m.mergeKeys(template, override, "")
}

// mergeKeys goes through the keys of an override in their order.
func (m *merger) mergeKeys(d, s *yaml.Node, path string) {
	for i := 0; i+1 < len(s.Content); i += 2 {
		key, value := s.Content[i], s.Content[i+1]
		here := join(path, key.Value)
		j := find(d, key.Value)
		switch {
		case isNull(value) && j >= 0:
			d.Content = append(d.Content[:j], d.Content[j+2:]...)
		case isNull(value):
		case j >= 0:
			d.Content[j+1] = m.combine(d.Content[j+1], value, here)
		default:
			d.Content = append(d.Content, copyTree(key), m.resolve(value, here))
		}
	}
}

// combine is what becomes of d, which exists, under the override s.
func (m *merger) combine(d, s *yaml.Node, path string) *yaml.Node {
	if args, ok := operator(s, opSplice); ok {
		return m.splice(d, s, args, path)
	}
	if value, ok := operator(s, opReplace); ok {
		return m.replace(d, s, value, path)
	}
	_, sCall := call(s)
	switch {
	case sCall:
		return m.combineCall(d, s, path)
	case isNull(d):
		return m.resolve(s, path)
	case s.Kind == yaml.SequenceNode:
		return m.combineList(d, s, path)
	case s.Kind == yaml.MappingNode:
		return m.combineMapping(d, s, path)
	default:
		return keepComments(d, copyTree(s))
	}
}

// combineList appends.
func (m *merger) combineList(d, s *yaml.Node, path string) *yaml.Node {
	if _, isCall := call(d); isCall || d.Kind != yaml.SequenceNode {
		m.fail(s, path, "use Fn::Replace to put the list in its place", "a list cannot be merged into %s", describe(d))
		return d
	}
	for i, item := range s.Content {
		d.Content = append(d.Content, m.resolve(item, index(path, i)))
	}
	return d
}

// combineMapping merges key by key.
func (m *merger) combineMapping(d, s *yaml.Node, path string) *yaml.Node {
	if _, isCall := call(d); isCall || d.Kind != yaml.MappingNode {
		m.fail(s, path, "use Fn::Replace to put the mapping in its place", "a mapping cannot be merged into %s", describe(d))
		return d
	}
	m.mergeKeys(d, s, path)
	return d
}

// combineCall puts a call of an intrinsic function over what is there.
func (m *merger) combineCall(d, s *yaml.Node, path string) *yaml.Node {
	function, _ := call(s)
	if there, ok := call(d); ok && there == function && reachesInto(s) {
		args := m.combine(argument(d), argument(s), join(path, function))
		return keepComments(d, mapping(text(function), args))
	}
	_, dCall := call(d)
	if d.Kind == yaml.ScalarNode || dCall || function == "Fn::Transform" && d.Kind != yaml.MappingNode {
		return keepComments(d, m.resolve(s, path))
	}
	if function == "Fn::Transform" {
		m.mergeKeys(d, longForm(s), path)
		return d
	}
	m.fail(s, path, "use Fn::Replace to put it in its place", "%s cannot be merged into %s", function, describe(d))
	return d
}

// reachesInto reports whether a call means to change the arguments of the
// same call in the template and not to take its place.
func reachesInto(s *yaml.Node) bool {
	function, _ := call(s)
	args := argument(s)
	variadic := function == "Fn::And" || function == "Fn::Or"
	return args.Kind == yaml.MappingNode && !isShort(args) || variadic && args.Kind == yaml.SequenceNode
}

// splice is Fn::Splice: [start, count, items] on a list.
func (m *merger) splice(d, s, args *yaml.Node, path string) *yaml.Node {
	start, count, items, ok := m.spliceArgs(s, args, path)
	if !ok {
		return d
	}
	if isNull(d) {
		return m.resolve(s, path)
	}
	if _, isCall := call(d); isCall || d.Kind != yaml.SequenceNode {
		m.fail(s, path, "", "Fn::Splice changes a list, and there is %s", describe(d))
		return d
	}
	start = min(start, len(d.Content))
	end := min(start+count, len(d.Content))
	changed := append([]*yaml.Node{}, d.Content[:start]...)
	for i, item := range items.Content {
		switch {
		case start+i < end && isNull(item):
		case start+i < end:
			changed = append(changed, m.combine(d.Content[start+i], item, index(path, start+i)))
		default:
			changed = append(changed, m.resolve(item, index(path, start+i)))
		}
	}
	d.Content = append(changed, d.Content[end:]...)
	return d
}

// spliceArgs checks the three arguments.
func (m *merger) spliceArgs(s, args *yaml.Node, path string) (start, count int, items *yaml.Node, ok bool) {
	if args.Kind != yaml.SequenceNode || len(args.Content) != 3 || args.Content[2].Kind != yaml.SequenceNode {
		m.fail(s, path, "as in Fn::Splice: [1, 0, [item]]", "Fn::Splice takes a start, a count and a list of items")
		return 0, 0, nil, false
	}
	start, startOK := natural(args.Content[0])
	count, countOK := natural(args.Content[1])
	if !startOK || !countOK {
		m.fail(s, path, "", "start and count of Fn::Splice are numbers from 0")
		return 0, 0, nil, false
	}
	return start, count, args.Content[2], true
}

// natural reads a number; numbers beyond any list's length stay small enough to add.
func natural(n *yaml.Node) (int, bool) {
	const beyondAnyList = 1 << 20
	value, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || value < 0 {
		return 0, false
	}
	return min(value, beyondAnyList), true
}

func (m *merger) replace(d, s, value *yaml.Node, path string) *yaml.Node {
	if isNull(value) {
		m.fail(s, path, "to remove a key, set it to null", "Fn::Replace needs a value")
		return d
	}
	return keepComments(d, m.resolve(value, path))
}

// resolve is what an override gives where the template has nothing: a copy
// with its operators executed and its nulls gone.
func (m *merger) resolve(s *yaml.Node, path string) *yaml.Node {
	if args, ok := operator(s, opSplice); ok {
		_, _, items, ok := m.spliceArgs(s, args, path)
		if !ok {
			return copyTree(s)
		}
		return m.resolve(items, path)
	}
	if value, ok := operator(s, opReplace); ok {
		if isNull(value) {
			m.fail(s, path, "to remove a key, set it to null", "Fn::Replace needs a value")
		}
		return m.resolve(value, path)
	}
	c := *s
	c.Content = nil
	switch s.Kind {
	case yaml.MappingNode:
		m.mergeKeys(&c, s, path)
	case yaml.SequenceNode:
		for i, item := range s.Content {
			c.Content = append(c.Content, m.resolve(item, index(path, i)))
		}
	}
	return &c
}

// operator is the argument of Fn::Splice or Fn::Replace; its siblings are
// ignored, as in mu.
func operator(n *yaml.Node, name string) (*yaml.Node, bool) {
	if isShort(n) && "Fn::"+strings.TrimPrefix(n.Tag, "!") == name {
		return argument(n), true
	}
	if i := find(n, name); i >= 0 {
		return n.Content[i+1], true
	}
	return nil, false
}

// call is the long name of the intrinsic function that a node calls.
func call(n *yaml.Node) (string, bool) {
	if isShort(n) {
		return longName(strings.TrimPrefix(n.Tag, "!")), true
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", false
	}
	name := n.Content[0].Value
	section := name == opSplice || name == opReplace || strings.HasPrefix(name, "Fn::ForEach::")
	return name, name == "Ref" || strings.HasPrefix(name, "Fn::") && !section
}

// isShort reports a short-form call such as !Ref X.
func isShort(n *yaml.Node) bool {
	return strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && len(n.Tag) > 1
}

func longName(short string) string {
	if short == "Ref" || short == "Condition" {
		return short
	}
	return "Fn::" + short
}

// argument is what a function is called with, without the short tag.
func argument(n *yaml.Node) *yaml.Node {
	if !isShort(n) {
		return n.Content[1]
	}
	a := *n
	a.Style &^= yaml.TaggedStyle
	a.HeadComment, a.LineComment, a.FootComment = "", "", ""
	switch n.Kind {
	case yaml.SequenceNode:
		a.Tag = "!!seq"
	case yaml.MappingNode:
		a.Tag = "!!map"
	default:
		a.Tag = "!!str"
	}
	return &a
}

// longForm is the mapping {function: arguments} of a call.
func longForm(n *yaml.Node) *yaml.Node {
	if !isShort(n) {
		return n
	}
	name, _ := call(n)
	return mapping(text(name), argument(n))
}

// keepComments gives the value that takes the place of d the comments of d,
// unless it brings its own.
func keepComments(d, value *yaml.Node) *yaml.Node {
	if value.HeadComment == "" {
		value.HeadComment = d.HeadComment
	}
	if value.LineComment == "" && value.Kind == yaml.ScalarNode {
		value.LineComment = d.LineComment
	}
	if value.FootComment == "" {
		value.FootComment = d.FootComment
	}
	return value
}

// describe names what stands in a template, for messages.
func describe(n *yaml.Node) string {
	if name, ok := call(n); ok {
		return name
	}
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	default:
		return fmt.Sprintf("the value %q", n.Value)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func (m *merger) fail(n *yaml.Node, path, hint, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = path + ": " + message
	}
	pos := manifest.Position{File: m.file, Line: n.Line, Column: n.Column}
	m.faults = append(m.faults, &Error{Pos: pos, Message: message, Hint: hint})
}
