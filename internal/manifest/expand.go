package manifest

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxAliasNodes bounds what aliases may unfold to, so that a few lines of
// nested anchors do not fill the memory.
const maxAliasNodes = 100_000

// expander turns the nodes of a document into a plain tree: aliases become
// copies, merge keys are merged, ${env:NAME} is replaced. Along the way it
// finds the mistakes that are mistakes anywhere in the file: duplicate keys,
// keys that are not text, and tags out of place.
type expander struct {
	src    *source
	opt    Options
	errors Errors
	// written has the text of substituted scalars as it is in the file. It
	// is what error messages show: the value may be a secret.
	written map[*yaml.Node]string
	// broken are nodes with an error already, whose text means nothing.
	broken map[*yaml.Node]bool
	// open are the anchors being unfolded, to find one that contains itself.
	open   []*yaml.Node
	copied int
}

func (x *expander) fail(at Position, kind Kind, path, message, hint string) {
	x.errors = append(x.errors, x.src.report(at, kind, path, message, hint))
}

// expand returns the plain copy of a node; path is its key's path.
func (x *expander) expand(n *yaml.Node, path string) *yaml.Node {
	switch n.Kind {
	case yaml.AliasNode:
		return x.unfold(n, path)
	case yaml.MappingNode:
		return x.mapping(n, path)
	case yaml.SequenceNode:
		return x.sequence(n, path)
	default:
		return x.scalar(n, path)
	}
}

// copyOf is the node without its children and its anchor.
func (x *expander) copyOf(n *yaml.Node, path string) *yaml.Node {
	if len(x.open) > 0 {
		x.copied++
	}
	x.checkTag(n, path)
	c := *n
	c.Content, c.Anchor, c.Alias = nil, "", nil
	return &c
}

func (x *expander) scalar(n *yaml.Node, path string) *yaml.Node {
	c := x.copyOf(n, path)
	if custom(n) && !inPatch(path) {
		x.broken[c] = true
	}
	x.substitute(c, path)
	return c
}

func (x *expander) sequence(n *yaml.Node, path string) *yaml.Node {
	c := x.copyOf(n, path)
	for i, item := range n.Content {
		c.Content = append(c.Content, x.expand(item, fmt.Sprintf("%s[%d]", path, i)))
	}
	return c
}

// unfold replaces an alias by a copy of what it names. The copy keeps the
// positions of the original, where the text to mend is.
func (x *expander) unfold(n *yaml.Node, path string) *yaml.Node {
	empty := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
	if slices.Contains(x.open, n.Alias) {
		x.fail(x.src.at(n), KindSyntax, path, "alias *"+n.Value+" stands inside the value it names", "")
		return empty
	}
	if x.copied > maxAliasNodes {
		x.fail(x.src.at(n), KindSyntax, path, fmt.Sprintf("aliases unfold to more than %d values", maxAliasNodes), "")
		return empty
	}
	x.open = append(x.open, n.Alias)
	defer func() { x.open = x.open[:len(x.open)-1] }()
	return x.expand(n.Alias, path)
}

// mapping copies a mapping; a key of its own wins over a merged one.
func (x *expander) mapping(n *yaml.Node, path string) *yaml.Node {
	c := x.copyOf(n, path)
	seen := map[string]*yaml.Node{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMergeKey(n.Content[i]) {
			merged = append(merged, x.merged(n.Content[i+1], path)...)
			continue
		}
		k, ok := x.key(n.Content[i], path)
		if !ok {
			continue
		}
		at := join(path, k.Value)
		if first := seen[k.Value]; first != nil {
			x.fail(x.src.at(k), KindDuplicate, at, fmt.Sprintf("duplicate key, first given on line %d", first.Line), "")
			continue
		}
		seen[k.Value] = k
		c.Content = append(c.Content, k, x.expand(n.Content[i+1], at))
	}
	for _, m := range merged {
		c.Content = append(c.Content, missingFrom(c, m)...)
	}
	return c
}

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.ShortTag() == "!!merge"
}

// key copies the key of a mapping, which must be one piece of text.
func (x *expander) key(n *yaml.Node, path string) (*yaml.Node, bool) {
	at := x.src.at(n)
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		x.fail(at, KindType, path, "a key must be text, not "+describe(n), "")
		return nil, false
	}
	if custom(n) {
		x.fail(at, KindSyntax, path, "a key cannot have the tag "+n.Tag, "")
	}
	k := *n
	k.Anchor, k.Line, k.Column = "", at.Line, at.Column
	x.substitute(&k, path)
	return &k, !x.broken[&k]
}

// merged lists the mappings of a merge key, nearest first.
func (x *expander) merged(n *yaml.Node, path string) []*yaml.Node {
	c := x.expand(n, path)
	switch c.Kind {
	case yaml.MappingNode:
		return []*yaml.Node{c}
	case yaml.SequenceNode:
		if !slices.ContainsFunc(c.Content, func(m *yaml.Node) bool { return m.Kind != yaml.MappingNode }) {
			return c.Content
		}
	}
	x.fail(x.src.at(n), KindType, path, "<< must name a mapping or a list of mappings, as in <<: *defaults", "")
	return nil
}

// missingFrom lists the pairs of m whose keys the mapping c has not.
func missingFrom(c, m *yaml.Node) (pairs []*yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if valueOf(c, m.Content[i].Value) == nil {
			pairs = append(pairs, m.Content[i], m.Content[i+1])
		}
	}
	return pairs
}

// valueOf is the value of a key in an expanded mapping, nil when absent.
func valueOf(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// functionTags are the short forms of CloudFormation's intrinsic functions
// ("Intrinsic function reference" and "Condition functions" of its user
// guide). Fn::ForEach has no short form.
var functionTags = []string{
	"!And", "!Base64", "!Cidr", "!Condition", "!Contains", "!EachMemberEquals", "!EachMemberIn",
	"!Equals", "!FindInMap", "!GetAtt", "!GetAZs", "!If", "!ImportValue", "!Join", "!Length",
	"!Not", "!Or", "!Ref", "!RefAll", "!Select", "!Split", "!Sub", "!ToJsonString", "!Transform",
	"!ValueOf", "!ValueOfAll",
}

var plainTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!timestamp", "!!merge"}

// custom reports a tag that is not one of YAML's own plain types.
func custom(n *yaml.Node) bool {
	return n.Style&yaml.TaggedStyle != 0 && !slices.Contains(plainTags, n.ShortTag())
}

// checkTag refuses tags out of place. Only a patch under templates goes into
// a template with its functions intact.
func (x *expander) checkTag(n *yaml.Node, path string) {
	if !custom(n) {
		return
	}
	tag := n.ShortTag()
	isFunction := slices.Contains(functionTags, tag)
	switch {
	case inPatch(path) && isFunction:
	case inPatch(path):
		hint := ""
		if near := closest(tag, functionTags); near != "" {
			hint = "did you mean " + near + "?"
		}
		x.fail(x.src.at(n), KindSyntax, path, "unknown tag "+tag, hint)
	case isFunction:
		x.fail(x.src.at(n), KindSyntax, path, "the CloudFormation function "+tag+" can only be used under templates", functionHint(path))
	default:
		x.fail(x.src.at(n), KindSyntax, path, "unknown tag "+tag, "")
	}
}

// inPatch tells the values under templates from the rest of the file.
func inPatch(path string) bool { return strings.HasPrefix(path, "templates.") }

func functionHint(path string) string {
	if strings.HasPrefix(path, "service.environment.") {
		return "write the text without the tag: ${Name} in a variable is already replaced as by !Sub"
	}
	return "write the text without the tag"
}

// join appends a key to a path. A key that does not read as a plain name is
// quoted, so that a path stays one word.
func join(path, name string) string {
	if strings.ContainsAny(name, ". \t\n\"") || name == "" {
		name = fmt.Sprintf("%q", name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe names what a node is, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	default:
		return fmt.Sprintf("the text %q", n.Value)
	}
}
