package cfn

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a template in YAML or JSON; text that begins with "{" is JSON.
// It reports every fault of syntax and structure at once, as Errors. name is
// shown in positions.
func Parse(name string, src []byte) (*Template, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	t := &Template{Name: name, Source: src, lines: strings.Split(string(src), "\n")}
	report := &faults{lines: t.lines}
	if bytes.HasPrefix(bytes.TrimLeft(src, " \t\r\n"), []byte("{")) {
		t.Root = readJSON(name, src, report)
	} else {
		t.Root = readYAML(name, src, report)
	}
	return t.build(report)
}

// ParseYAMLNode builds a template from a parsed YAML document or mapping node.
// Positions are those of the nodes; nodes made by code have none.
func ParseYAMLNode(name string, n *yaml.Node) (*Template, error) {
	report := &faults{}
	t := &Template{Name: name, Root: convertYAML(name, n, report)}
	return t.build(report)
}

// ParseNode builds a template from a tree.
func ParseNode(name string, root *Node) (*Template, error) {
	t := &Template{Name: name, Root: root}
	return t.build(&faults{})
}

// rebuild makes a template of another tree of the same source.
func (t *Template) rebuild(root *Node) (*Template, error) {
	out := &Template{Name: t.Name, Source: t.Source, lines: t.lines, Root: root}
	return out.build(&faults{lines: t.lines})
}

func (t *Template) build(report *faults) (*Template, error) {
	if t.Root != nil {
		b := &builder{t: t, report: report}
		b.template()
	}
	if err := report.result(); err != nil {
		return nil, err
	}
	return t, nil
}

// builder reads the sections of a template out of its tree.
type builder struct {
	t      *Template
	report *faults
}

var sections = []string{
	"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Transform",
	"Resources", "Outputs", "Rules", "Hooks", "Globals",
}

func (b *builder) template() {
	b.t.parameters, b.t.conditions = map[string]*Parameter{}, map[string]*Condition{}
	b.t.mappings, b.t.resources = map[string]*Mapping{}, map[string]*Resource{}
	root := b.t.Root
	if root.Kind != Map {
		b.report.add(root.Pos, "Template format error: a template is an object with a Resources section, this is a %s", root.Kind)
		return
	}
	b.transforms(root.Get("Transform"))
	b.known(root, sections, "Invalid template property or properties")
	b.version(root.Get("AWSTemplateFormatVersion"))
	b.t.Description = b.text(root.Get("Description"), "Description")
	b.t.Metadata = b.object(root.Get("Metadata"), "Metadata")
	b.each(root, "Parameters", b.parameter)
	b.each(root, "Mappings", b.mapping)
	b.each(root, "Conditions", b.condition)
	b.each(root, "Rules", b.rule)
	b.resources(root)
	b.each(root, "Outputs", b.output)
}

func (b *builder) resources(root *Node) {
	section := root.Get("Resources")
	if section == nil || section.Kind == Null || section.Kind == Map && len(section.Entries) == 0 {
		b.report.add(root.KeyPos("Resources"), "Template format error: At least one Resources member must be defined.")
		return
	}
	b.each(root, "Resources", b.resource)
}

// known refuses members an object does not have.
func (b *builder) known(n *Node, names []string, complaint string) {
	for _, entry := range n.Entries {
		if entry.Key == "Fn::Transform" || strings.HasPrefix(entry.Key, forEachPrefix) || slices.Contains(names, entry.Key) {
			continue
		}
		b.report.add(entry.KeyPos, "%s [%s]", complaint, entry.Key).Hint = b.report.suggestion(entry.Key, names)
	}
}

func (b *builder) version(n *Node) {
	if n == nil {
		return
	}
	b.t.FormatVersion = b.text(n, "AWSTemplateFormatVersion")
	if b.t.FormatVersion != "2010-09-09" {
		b.report.add(n.Pos, "Template format error: %s is not a supported value for AWSTemplateFormatVersion.", b.t.FormatVersion).
			Hint = "the only version is 2010-09-09"
	}
}

func (b *builder) transforms(n *Node) {
	if n == nil {
		return
	}
	items := []*Node{n}
	if n.Kind == List {
		items = n.Items
	}
	for _, item := range items {
		switch {
		case item.Kind == String:
			b.t.Transforms = append(b.t.Transforms, Transform{Name: item.Text, Pos: item.Pos})
		case item.Kind == Map && item.Get("Name").IsScalar():
			b.t.Transforms = append(b.t.Transforms, Transform{item.Get("Name").Text, item.Get("Parameters"), item.Pos})
		default:
			b.report.add(item.Pos, "Template format error: a Transform is the name of a macro, or an object with Name and Parameters")
		}
	}
}

// each calls read for the members of a section and keeps loops aside.
func (b *builder) each(root *Node, name string, read func(name string, pos Pos, n *Node)) {
	section := root.Get(name)
	if section == nil || section.Kind == Null {
		return
	}
	if section.Kind == Func && section.Name == "Fn::Transform" {
		return
	}
	if section.Kind != Map {
		b.report.add(section.Pos, "Template format error: %s must be an object, this is a %s", name, section.Kind)
		return
	}
	for _, entry := range section.Entries {
		loop, isLoop := strings.CutPrefix(entry.Key, forEachPrefix)
		switch {
		case isLoop:
			b.t.Loops = append(b.t.Loops, &Loop{loop, name, entry.KeyPos})
		case entry.Key == "Fn::Transform" || entry.Value.Is("Fn::Transform"):
		default:
			read(entry.Key, entry.KeyPos, entry.Value)
		}
	}
}

// text reads a member that must be a literal; absent is "".
func (b *builder) text(n *Node, what string) string {
	if n == nil || n.Kind == Null {
		return ""
	}
	if !n.IsScalar() {
		b.report.add(n.Pos, "Template format error: Every %s member must be a string.", what)
		return ""
	}
	return n.Text
}

// label reads the name of a condition.
func (b *builder) label(n *Node) string {
	if b.text(n, "Condition") == "" {
		return ""
	}
	return n.label()
}

// object reads a member that must be an object; absent is nil.
func (b *builder) object(n *Node, what string) *Node {
	if n == nil || n.Kind == Null {
		return nil
	}
	if n.Kind != Map && n.Kind != Func {
		b.report.add(n.Pos, "Template format error: Every %s member must be an object, this is a %s", what, n.Kind)
		return nil
	}
	return n
}

// member reads the object behind a logical id of a section.
func (b *builder) member(name string, pos Pos, n *Node, section string) bool {
	if !alphanumeric(name) || len(name) > 255 {
		b.report.add(pos, "Template format error: %s name %s is non alphanumeric.", section, name)
	}
	if n.Kind != Map {
		b.report.add(n.Pos, "Template format error: Every %s member must be an object, this is a %s", section+"s", n.Kind)
		return false
	}
	return true
}

func alphanumeric(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func (b *builder) mapping(name string, pos Pos, n *Node) {
	if !b.member(name, pos, n, "Mapping") {
		return
	}
	for _, top := range n.Entries {
		if top.Value.Kind != Map {
			b.report.add(top.Value.Pos, "Template format error: Every Mappings attribute must be a String or a List.").
				Hint = "a mapping has two levels of keys"
			continue
		}
		for _, second := range top.Value.Entries {
			b.mappingValue(second)
		}
	}
	m := &Mapping{name, n, pos}
	b.t.Mappings = append(b.t.Mappings, m)
	b.t.mappings[name] = m
}

func (b *builder) mappingValue(entry Entry) {
	if !entry.Value.IsScalar() && entry.Value.Kind != List {
		b.report.add(entry.Value.Pos, "Template format error: Every Mappings attribute must be a String or a List.")
	}
}

func (b *builder) condition(name string, pos Pos, n *Node) {
	c := &Condition{name, n, pos}
	b.t.Conditions = append(b.t.Conditions, c)
	b.t.conditions[name] = c
}

func (b *builder) rule(name string, pos Pos, n *Node) {
	if !b.member(name, pos, n, "Rule") {
		return
	}
	b.known(n, []string{"RuleCondition", "Assertions"}, "Template format error: Invalid rule property or properties")
	rule := &Rule{Name: name, Condition: n.Get("RuleCondition"), Pos: pos}
	assertions := n.Get("Assertions")
	if assertions == nil || assertions.Kind != List {
		b.report.add(n.KeyPos("Assertions"), "Template format error: rule %s must have a list of Assertions", name)
		return
	}
	for _, item := range assertions.Items {
		if item.Get("Assert") == nil {
			b.report.add(item.Pos, "Template format error: an assertion of rule %s must have an Assert", name)
			continue
		}
		rule.Assertions = append(rule.Assertions, Assertion{item.Get("Assert"), b.text(item.Get("AssertDescription"), "AssertDescription")})
	}
	b.t.Rules = append(b.t.Rules, rule)
}

func (b *builder) output(name string, pos Pos, n *Node) {
	if !b.member(name, pos, n, "Output") {
		return
	}
	b.known(n, []string{"Description", "Value", "Export", "Condition"}, "Invalid output property or properties")
	out := &Output{Name: name, Pos: pos, Value: n.Get("Value")}
	out.Description = b.text(n.Get("Description"), "Description")
	out.Condition = b.label(n.Get("Condition"))
	if out.Value == nil || out.Value.Kind == Null {
		b.report.add(pos, "Template format error: Output %s must have a Value", name)
		return
	}
	if export := b.object(n.Get("Export"), "Export"); export != nil {
		b.known(export, []string{"Name"}, "Template format error: Invalid export property or properties")
		if out.Export = export.Get("Name"); out.Export == nil {
			b.report.add(export.Pos, "Template format error: the Export of output %s must have a Name", name)
		}
	}
	b.t.Outputs = append(b.t.Outputs, out)
}
