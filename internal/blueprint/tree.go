package blueprint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseTree reads one YAML document whose root is a mapping.
func parseTree(source []byte) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("a template is a mapping")
	}
	return document.Content[0], nil
}

// at follows keys down from a mapping; nil when one is missing.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		i := find(n, key)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

// find is the index of a key in a mapping's content, or -1.
func find(n *yaml.Node, key string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// keys lists the keys of a mapping in order.
func keys(n *yaml.Node) []string {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	names := make([]string, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		names = append(names, n.Content[i].Value)
	}
	return names
}

func text(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(value)
	return n
}

// plainWord is a text that is a string in every version of YAML without
// quotes, unless it is one of the words of yaml11Words.
var plainWord = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

// yaml11Words mean true, false or null to CloudFormation, which reads YAML 1.1.
var yaml11Words = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// quoted is a text of the user's that stays a string whatever it says.
func quoted(value string) *yaml.Node {
	n := text(value)
	if !plainWord.MatchString(value) || slices.Contains(yaml11Words, strings.ToLower(value)) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: content}
}

func sequence(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: content}
}

// tagged gives a node a short CloudFormation tag: tagged("!Sub", text("…")).
func tagged(tag string, n *yaml.Node) *yaml.Node {
	n.Tag = tag
	n.Style |= yaml.TaggedStyle
	return n
}

// copyTree is a copy that shares nothing.
func copyTree(n *yaml.Node) *yaml.Node {
	c := *n
	c.Anchor = ""
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = copyTree(child)
	}
	return &c
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
