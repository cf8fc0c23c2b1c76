package cfn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes the tree as YAML, functions in their short form where YAML can
// express it. Comments and anchors of the source are gone.
func (n *Node) YAML() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(n.YAMLNode()); err != nil {
		return nil, fmt.Errorf("write template as YAML: %w", err)
	}
	err := encoder.Close()
	return b.Bytes(), err
}

// YAMLNode turns the tree into a YAML tree; the opposite of ParseYAMLNode.
func (n *Node) YAMLNode() *yaml.Node {
	if n == nil {
		return nullYAML()
	}
	switch n.Kind {
	case Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: n.Text}
	case Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: n.Text}
	case String:
		return n.stringYAML()
	case List:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.Items {
			out.Content = append(out.Content, item.YAMLNode())
		}
		return out
	case Map:
		return n.mapYAML()
	case Func:
		return n.funcYAML()
	}
	return nullYAML()
}

func nullYAML() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"} }

func keyYAML(key string) *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode, Value: key}
	if kind, _ := plainScalar(key); kind != String || key == "<<" || !plainSafe(key) {
		out.Style = yaml.DoubleQuotedStyle
	}
	return out
}

// stringYAML quotes what a plain scalar would turn into something else.
func (n *Node) stringYAML() *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Text}
	kind, _ := plainScalar(n.Text)
	switch {
	case n.Block && printable(n.Text):
		out.Style = yaml.LiteralStyle
	case kind != String, n.Quoted && !plainSafe(n.Text):
		out.Style = yaml.DoubleQuotedStyle
	case plainSafe(n.Text):
		// The value is a string for us and for any reader of YAML 1.1 that we
		// know: say so without the quotes yaml would add, say, to a date.
		out.Tag = ""
	}
	return out
}

// plainSafe is a narrow set of texts that are the same string to every reader.
func plainSafe(text string) bool {
	if text == "" || len(text) > 200 {
		return false
	}
	letters := false
	for i, r := range text {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		letters = letters || letter
		if i == 0 && !letter {
			return false
		}
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune("-_./", r) && (r != ':' || !innerColon(text, i)) {
			return false
		}
	}
	kind, _ := plainScalar(text)
	return letters && kind == String && !yamlBoolean(text)
}

func innerColon(text string, i int) bool { return i+1 < len(text) && text[i+1] != ' ' }

func yamlBoolean(text string) bool { return len(text) == 1 && strings.ContainsAny(text, "yYnN") }

func printable(text string) bool {
	for _, r := range text {
		if r < ' ' && r != '\n' || r == 0x7f || r == 0xfeff || r == 0xfffd {
			return false
		}
	}
	return !strings.HasPrefix(text, " ") && !strings.HasPrefix(text, "\n")
}

func (n *Node) mapYAML() *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, entry := range n.Entries {
		out.Content = append(out.Content, keyYAML(entry.Key), entry.Value.YAMLNode())
	}
	return out
}

// funcYAML uses the tag, except where two tags would meet on one value.
func (n *Node) funcYAML() *yaml.Node {
	arg := n.Arg.YAMLNode()
	if !n.tagged() {
		return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{keyYAML(n.Name), arg}}
	}
	if n.Name == "Fn::GetAtt" {
		if id, attribute, ok := getAttParts(n.Arg); ok && !strings.Contains(id, ".") {
			arg = &yaml.Node{Kind: yaml.ScalarNode, Value: id + "." + attribute}
		}
	}
	if flat(n.Arg) {
		arg.Style |= yaml.FlowStyle
	}
	arg.Tag = "!" + strings.TrimPrefix(n.Name, "Fn::")
	arg.Style |= yaml.TaggedStyle
	return arg
}

// flat tells lists that read well on one line.
func flat(n *Node) bool {
	length := 0
	for _, item := range n.Items {
		if !item.IsScalar() || item.Block {
			return false
		}
		length += len(item.Text) + 2
	}
	return n.Kind == List && length <= 80
}

func (n *Node) tagged() bool {
	if n.Arg == nil || n.Arg.Kind == Null || n.Name == "Fn::Transform" {
		return false
	}
	if n.Arg.Kind == Func {
		return !n.Arg.tagged()
	}
	return true
}

// JSON writes the tree as indented JSON, functions in their long form.
func (n *Node) JSON() ([]byte, error) {
	var compact, indented bytes.Buffer
	if err := n.appendJSON(&compact); err != nil {
		return nil, fmt.Errorf("write template as JSON: %w", err)
	}
	if err := json.Indent(&indented, compact.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("write template as JSON: %w", err)
	}
	return indented.Bytes(), nil
}

func (n *Node) appendJSON(b *bytes.Buffer) error {
	if n == nil || n.Kind == Null {
		b.WriteString("null")
		return nil
	}
	switch n.Kind {
	case Bool, Number:
		b.WriteString(n.Text)
	case String:
		return appendJSONString(b, n.Text)
	case List:
		return n.appendJSONList(b)
	case Map:
		return appendJSONMap(b, n.Entries)
	case Func:
		return appendJSONMap(b, []Entry{{Key: n.Name, Value: n.Arg}})
	}
	return nil
}

func appendJSONString(b *bytes.Buffer, text string) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(text)
	b.Truncate(b.Len() - 1) // the newline that Encode adds
	return err
}

func (n *Node) appendJSONList(b *bytes.Buffer) error {
	b.WriteByte('[')
	for i, item := range n.Items {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := item.appendJSON(b); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func appendJSONMap(b *bytes.Buffer, entries []Entry) error {
	b.WriteByte('{')
	for i, entry := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := appendJSONString(b, entry.Key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := entry.Value.appendJSON(b); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}
