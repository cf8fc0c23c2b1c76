package cfn

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// deepest is how many levels a template may nest.
	deepest = 100
	// mostNodes bounds what aliases expand to; a template of 1 MB has fewer.
	mostNodes = 500_000
)

// yamlReader turns yaml nodes into ours, within bounds.
type yamlReader struct {
	file   string
	report *faults
	nodes  int
	full   bool
	open   map[*yaml.Node]bool // aliases being expanded
}

func readYAML(name string, src []byte, report *faults) *Node {
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			report.add(Pos{name, 1, 1}, "Template format error: The template is empty")
			return nil
		}
		yamlSyntax(name, src, err, report)
		return nil
	}
	root := convertYAML(name, &document, report)
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		report.add(Pos{name, second.Line, max(second.Column, 1)}, "Template format error: a template is one YAML document, this is a second one")
	} else if !errors.Is(err, io.EOF) {
		yamlSyntax(name, src, err, report)
	}
	return root
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func yamlSyntax(name string, src []byte, err error, report *faults) {
	line, text := yamlProblem(err)
	if strings.Contains(text, "did not find expected") {
		line = max(line, firstBadLine(src, text))
	}
	column := 1
	if line >= 1 && line <= len(report.lines) {
		source := report.lines[line-1]
		column = len(source) - len(strings.TrimLeft(source, " \t")) + 1
	}
	report.add(Pos{name, line, column}, "Template format error: YAML not well-formed. (line %d, column %d): %s", line, column, text)
}

// yamlProblem takes an error of the YAML library apart.
func yamlProblem(err error) (line int, text string) {
	text, line = err.Error(), 1
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		if match[1] != "" {
			line, _ = strconv.Atoi(match[1])
		}
		text = text[len(match[0]):]
	}
	return line, text
}

// firstBadLine finds where a block goes wrong: the library names the line on
// which the block began. The source up to the line before has not this fault.
func firstBadLine(src []byte, text string) int {
	ends := []int{}
	for i, c := range src {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	ends = append(ends, len(src))
	line := sort.Search(len(ends), func(i int) bool {
		err := yaml.Unmarshal(src[:ends[i]], new(yaml.Node))
		if err == nil {
			return false
		}
		_, found := yamlProblem(err)
		return found == text
	})
	return min(line+1, len(ends))
}

func convertYAML(name string, n *yaml.Node, report *faults) *Node {
	reader := &yamlReader{file: name, report: report, open: map[*yaml.Node]bool{}}
	return reader.node(n, 0)
}

func (r *yamlReader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

// node never returns nil: what it refuses becomes a null.
func (r *yamlReader) node(n *yaml.Node, depth int) *Node {
	pos := r.pos(n)
	if r.nodes++; r.nodes > mostNodes || depth > deepest {
		r.overflow(pos, depth)
		return &Node{Pos: pos}
	}
	if name, ok := tagFunction(n.Tag); ok && isFunctionTag(n.Tag) {
		plain := *n
		plain.Tag = ""
		return newFunc(name, r.bare(&plain, depth+1), pos, true)
	}
	if isFunctionTag(n.Tag) {
		fault := r.report.add(pos, "Template format error: YAML tag %s is not an intrinsic function", n.Tag)
		fault.Hint = r.report.suggestion("Fn::"+strings.TrimPrefix(n.Tag, "!"), functions)
	}
	return r.bare(n, depth)
}

// overflow reports once that the template is too large.
func (r *yamlReader) overflow(pos Pos, depth int) {
	if r.full {
		return
	}
	r.full = true
	if depth > deepest {
		r.report.add(pos, "Template format error: the template nests deeper than %d levels", deepest)
		return
	}
	r.report.add(pos, "Template format error: the template has more than %d values once its aliases are expanded", mostNodes)
}

// isFunctionTag tells local tags (!Sub) from YAML's own (!!str, !).
func isFunctionTag(tag string) bool {
	return len(tag) > 1 && tag[0] == '!' && tag[1] != '!'
}

func (r *yamlReader) bare(n *yaml.Node, depth int) *Node {
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 1 {
			return r.node(n.Content[0], depth+1)
		}
	case yaml.AliasNode:
		return r.alias(n, depth)
	case yaml.ScalarNode:
		return r.scalar(n)
	case yaml.SequenceNode:
		return r.sequence(n, depth)
	case yaml.MappingNode:
		return foldFunction(r.mapping(n, depth), r.report)
	}
	return &Node{Pos: r.pos(n)}
}

func (r *yamlReader) alias(n *yaml.Node, depth int) *Node {
	if n.Alias == nil || r.open[n.Alias] {
		r.report.add(r.pos(n), "Template format error: alias *%s contains itself", n.Value)
		return &Node{Pos: r.pos(n)}
	}
	r.open[n.Alias] = true
	defer delete(r.open, n.Alias)
	return r.node(n.Alias, depth+1)
}

func (r *yamlReader) scalar(n *yaml.Node) *Node {
	out := &Node{Kind: String, Pos: r.pos(n), Text: n.Value}
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		out.Block = true
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		out.Quoted = true
	case n.Style&yaml.TaggedStyle != 0 && (n.Tag == "!!str" || n.Tag == "!"):
		out.Quoted = true
	case n.Tag == "!!str" && n.Line == 0:
		// Built by code rather than parsed: the tag says what the value is.
		out.Quoted = true
	default:
		if out.Kind, out.Text = plainScalar(n.Value); out.Kind == Bool && out.Text != n.Value {
			out.written = n.Value
		}
	}
	return out
}

func (r *yamlReader) sequence(n *yaml.Node, depth int) *Node {
	out := &Node{Kind: List, Pos: r.pos(n), Items: make([]*Node, 0, len(n.Content))}
	for _, item := range n.Content {
		if r.full {
			break
		}
		out.Items = append(out.Items, r.node(item, depth+1))
	}
	return out
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) *Node {
	out := &Node{Kind: Map, Pos: r.pos(n), Entries: make([]Entry, 0, len(n.Content)/2)}
	seen := map[string]Pos{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content) && !r.full; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
			merged = append(merged, value)
			continue
		}
		name, ok := r.key(key)
		if !ok || duplicateKey(seen, name, r.pos(key), r.report) {
			continue
		}
		out.Entries = append(out.Entries, Entry{name, r.pos(key), r.node(value, depth+1)})
	}
	for _, value := range merged {
		r.merge(out, value, seen, depth)
	}
	return out
}

func (r *yamlReader) key(n *yaml.Node) (string, bool) {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		return n.Value, true
	}
	r.report.add(r.pos(n), "Template format error: a key must be a string")
	return "", false
}

func duplicateKey(seen map[string]Pos, name string, pos Pos, report *faults) bool {
	if first, ok := seen[name]; ok {
		report.add(pos, "Template format error: duplicate key %q", name).Hint = "first at line " + strconv.Itoa(first.Line)
		return true
	}
	seen[name] = pos
	return false
}

// merge adds what "<<" brings; keys written out, and earlier merges, win.
func (r *yamlReader) merge(into *Node, value *yaml.Node, seen map[string]Pos, depth int) {
	source := r.node(value, depth+1)
	if source.Kind == List {
		for _, item := range source.Items {
			r.mergeMap(into, item, seen)
		}
		return
	}
	r.mergeMap(into, source, seen)
}

func (r *yamlReader) mergeMap(into, source *Node, seen map[string]Pos) {
	if source.Kind == Func && !source.Short {
		source = &Node{Kind: Map, Pos: source.Pos, Entries: []Entry{{source.Name, source.Pos, source.Arg}}}
	}
	if source.Kind != Map {
		r.report.add(source.Pos, "Template format error: << merges an object, this is a %s", source.Kind)
		return
	}
	for _, entry := range source.Entries {
		if _, ok := seen[entry.Key]; !ok {
			seen[entry.Key] = entry.KeyPos
			into.Entries = append(into.Entries, entry)
		}
	}
}
