package cfn

import "strings"

// mostLoops is how deep Fn::ForEach may nest.
const mostLoops = 5

// Expand runs the transforms of the template and returns what AWS calls the
// processed template, which it also puts in e.Template. AWS::LanguageExtensions
// is done here (Fn::ForEach, functions in Ref, Fn::GetAtt and the policies);
// every other macro, Fn::Transform included, is asked of e.Macro. A template
// without transforms is returned as it is.
func (e *Evaluator) Expand() (*Template, error) {
	if !e.Template.pending() {
		return e.Template, nil
	}
	root, err := e.macros(e.Template.Root)
	if err != nil {
		return nil, err
	}
	for _, transform := range e.Template.Transforms {
		if root, err = e.transform(transform, root); err != nil {
			return nil, err
		}
	}
	expanded, err := e.Template.rebuild(root.without("Transform"))
	if err != nil {
		return nil, err
	}
	expanded.extended = e.Template.HasTransform(LanguageExtensions)
	e.Template = expanded
	return expanded, nil
}

// pending reports whether transforms have still to run, so that the template
// may lack what they will add.
func (t *Template) pending() bool {
	if len(t.Transforms) > 0 || len(t.Loops) > 0 {
		return true
	}
	for n := range t.Root.Walk() {
		if n.Is("Fn::Transform") || n.Get("Fn::Transform") != nil {
			return true
		}
	}
	return false
}

func (n *Node) without(key string) *Node {
	out := *n
	out.Entries = nil
	for _, entry := range n.Entries {
		if entry.Key != key {
			out.Entries = append(out.Entries, entry)
		}
	}
	return &out
}

func (e *Evaluator) transform(transform Transform, root *Node) (*Node, error) {
	if transform.Name == LanguageExtensions {
		x := &expansion{e: e}
		return x.node(root, nil, 0)
	}
	at := &Node{Pos: transform.Pos}
	parameters, err := e.macroParameters(transform.Parameters)
	if err != nil {
		return nil, err
	}
	return e.runMacro(at, transform.Name, parameters, root.without("Transform"))
}

func (e *Evaluator) macroParameters(n *Node) (map[string]any, error) {
	value, err := e.Resolve(n)
	if err != nil {
		return nil, err
	}
	parameters, _ := value.(map[string]any)
	return parameters, nil
}

func (e *Evaluator) runMacro(at *Node, name string, parameters map[string]any, fragment *Node) (*Node, error) {
	if e.Macro == nil {
		return nil, e.fault(at, "No transform named %s found.", name)
	}
	result, err := e.Macro(name, parameters, fragment.Plain())
	if err != nil {
		return nil, e.wrap(at, err)
	}
	out, err := NodeOf(result)
	if err != nil {
		return nil, e.wrap(at, err)
	}
	return out, nil
}

// Plain turns the tree into plain Go values with functions in their long form,
// the opposite of NodeOf.
func (n *Node) Plain() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case List:
		out := make([]any, len(n.Items))
		for i, item := range n.Items {
			out[i] = item.Plain()
		}
		return out
	case Map:
		out := make(map[string]any, len(n.Entries))
		for _, entry := range n.Entries {
			out[entry.Key] = entry.Value.Plain()
		}
		return out
	case Func:
		return map[string]any{n.Name: n.Arg.Plain()}
	}
	return literal(n)
}

// macros runs Fn::Transform, innermost first.
func (e *Evaluator) macros(n *Node) (*Node, error) {
	out, err := n.rewrite(e.macros)
	if err != nil || n == nil {
		return out, err
	}
	call := out.Get("Fn::Transform")
	if out.Is("Fn::Transform") {
		call = out.Arg
	}
	if call == nil {
		return out, nil
	}
	name := call.Get("Name")
	if !name.IsScalar() {
		return nil, e.fault(out, "Template error: Fn::Transform requires an object with a Name and Parameters")
	}
	parameters, err := e.macroParameters(call.Get("Parameters"))
	if err != nil {
		return nil, err
	}
	siblings := &Node{Kind: Map, Pos: out.Pos}
	if out.Kind == Map {
		siblings = out.without("Fn::Transform")
	}
	result, err := e.runMacro(call, name.Text, parameters, siblings)
	if err != nil || name.Text != "AWS::Include" || result.Kind != Map {
		return result, err
	}
	siblings.Entries = append(siblings.Entries, result.Entries...)
	return siblings, nil
}

// rewrite copies the node with its children replaced by what change returns.
func (n *Node) rewrite(change func(*Node) (*Node, error)) (*Node, error) {
	if n == nil || n.Kind != List && n.Kind != Map && n.Kind != Func {
		return n, nil
	}
	out := *n
	var err error
	if n.Arg != nil {
		if out.Arg, err = change(n.Arg); err != nil {
			return nil, err
		}
	}
	out.Items = make([]*Node, len(n.Items))
	for i, item := range n.Items {
		if out.Items[i], err = change(item); err != nil {
			return nil, err
		}
	}
	out.Entries = make([]Entry, len(n.Entries))
	for i, entry := range n.Entries {
		if entry.Value, err = change(entry.Value); err != nil {
			return nil, err
		}
		out.Entries[i] = entry
	}
	return &out, nil
}

// expansion carries out AWS::LanguageExtensions.
type expansion struct {
	e     *Evaluator
	nodes int
}

// binding is the value of a loop identifier; bindings form a list, innermost first.
type binding struct {
	name, value string
	outer       *binding
}

func (b *binding) lookup(name string) (string, bool) {
	for ; b != nil; b = b.outer {
		if b.name == name {
			return b.value, true
		}
	}
	return "", false
}

// fill replaces ${Name} and, without what is not alphanumeric, &{Name}.
func (b *binding) fill(text string) string {
	for ; b != nil; b = b.outer {
		if strings.Contains(text, "{") {
			text = strings.ReplaceAll(text, "${"+b.name+"}", b.value)
			text = strings.ReplaceAll(text, "&{"+b.name+"}", onlyAlphanumeric(b.value))
		}
	}
	return text
}

func onlyAlphanumeric(text string) string {
	return strings.Map(func(r rune) rune {
		if alphanumeric(string(r)) {
			return r
		}
		return -1
	}, text)
}

func (x *expansion) node(n *Node, b *binding, loops int) (*Node, error) {
	if n == nil {
		return nil, nil
	}
	if x.nodes++; x.nodes > mostNodes {
		return nil, x.e.fault(n, "Template error: Fn::ForEach expands to more than %d values", mostNodes)
	}
	switch n.Kind {
	case String:
		if b == nil {
			return n, nil
		}
		out := *n
		out.Text = b.fill(n.Text)
		return &out, x.size(n, len(out.Text))
	case Map:
		return x.object(n, b, loops)
	}
	if n.Is("Ref") && n.Arg.IsScalar() {
		if value, ok := b.lookup(n.Arg.Text); ok {
			return &Node{Kind: String, Pos: n.Pos, Text: value}, nil
		}
	}
	out, err := n.rewrite(func(child *Node) (*Node, error) { return x.node(child, b, loops) })
	if err != nil {
		return nil, err
	}
	return x.names(out)
}

// size counts text towards the bound: 64 bytes are one value.
func (x *expansion) size(n *Node, length int) error {
	if x.nodes += length / 64; x.nodes > mostNodes {
		return x.e.fault(n, "Template error: Fn::ForEach expands to too long a text")
	}
	return nil
}

// names resolves functions inside Ref and Fn::GetAtt.
func (x *expansion) names(n *Node) (*Node, error) {
	var err error
	switch {
	case n.Is("Ref") && n.Arg != nil && n.Arg.Kind == Func:
		n.Arg, err = x.literal(n.Arg)
	case n.Is("Fn::GetAtt") && n.Arg != nil && n.Arg.Kind == List:
		for i, item := range n.Arg.Items {
			if item.Kind == Func && err == nil {
				n.Arg.Items[i], err = x.literal(item)
			}
		}
	case n.Is("Fn::GetAtt") && n.Arg != nil && n.Arg.Kind == String:
		n = newFunc(n.Name, n.Arg, n.Pos, n.Short)
	}
	return n, err
}

func (x *expansion) literal(n *Node) (*Node, error) {
	text, unknown, err := x.e.text(n, n.Name)
	if err != nil {
		return nil, err
	}
	if unknown {
		return nil, x.e.fault(n, "Template error: a name cannot depend on a resource")
	}
	return &Node{Kind: String, Pos: n.Pos, Text: text}, nil
}

func (x *expansion) object(n *Node, b *binding, loops int) (*Node, error) {
	out := &Node{Kind: Map, Pos: n.Pos}
	seen := map[string]Pos{}
	for _, entry := range n.Entries {
		if strings.HasPrefix(entry.Key, forEachPrefix) {
			if err := x.loop(out, seen, entry, b, loops+1); err != nil {
				return nil, err
			}
			continue
		}
		if err := x.member(out, seen, entry, b, loops); err != nil {
			return nil, err
		}
	}
	return out, x.policies(out)
}

func (x *expansion) member(out *Node, seen map[string]Pos, entry Entry, b *binding, loops int) error {
	key := b.fill(entry.Key)
	if first, ok := seen[key]; ok {
		return x.e.fault(&Node{Pos: entry.KeyPos}, "Template error: Fn::ForEach makes the key %s twice, first at line %d", key, first.Line)
	}
	seen[key] = entry.KeyPos
	value, err := x.node(entry.Value, b, loops)
	if err != nil {
		return err
	}
	out.Entries = append(out.Entries, Entry{key, entry.KeyPos, value})
	return nil
}

// policies resolves functions in a resource's DeletionPolicy and UpdateReplacePolicy.
func (x *expansion) policies(n *Node) error {
	if n.Get("Type") == nil {
		return nil
	}
	for i := range n.Entries {
		entry := &n.Entries[i]
		if (entry.Key == "DeletionPolicy" || entry.Key == "UpdateReplacePolicy") && entry.Value != nil && entry.Value.Kind == Func {
			value, err := x.literal(entry.Value)
			if err != nil {
				return err
			}
			entry.Value = value
		}
	}
	return nil
}

const forEachUsage = "Template error: Fn::ForEach requires a list of three elements: an identifier (or a list of them), a list of values (or a reference to one) and an object to repeat"

func (x *expansion) loop(out *Node, seen map[string]Pos, entry Entry, b *binding, loops int) error {
	n := entry.Value
	if n.Kind != List || len(n.Items) != 3 || n.Items[2].Kind != Map && n.Items[2].Kind != Func {
		return x.e.fault(n, forEachUsage)
	}
	if loops > mostLoops {
		return x.e.fault(n, "Template error: Fn::ForEach nests deeper than %d loops", mostLoops)
	}
	identifiers, err := x.identifiers(n.Items[0])
	if err != nil {
		return err
	}
	rows, err := x.collection(n.Items[1], b, loops, len(identifiers))
	if err != nil {
		return err
	}
	body := n.Items[2]
	if body.Kind == Func {
		body = &Node{Kind: Map, Pos: body.Pos, Entries: []Entry{{body.Name, body.Pos, body.Arg}}}
	}
	for _, row := range rows {
		inner := b
		for i, identifier := range identifiers {
			inner = &binding{identifier, row[i], inner}
		}
		if err := x.repeat(out, seen, body, inner, loops); err != nil {
			return err
		}
	}
	return nil
}

// identifiers reads the loop's variables: one name, or a list of names.
func (x *expansion) identifiers(n *Node) ([]string, error) {
	items := []*Node{n}
	if n.Kind == List {
		items = n.Items
	}
	var names []string
	for _, item := range items {
		name, unknown, err := x.e.text(item, "Fn::ForEach")
		if err != nil {
			return nil, err
		}
		if unknown || name == "" {
			return nil, x.e.fault(n, forEachUsage)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, x.e.fault(n, forEachUsage)
	}
	return names, nil
}

func (x *expansion) repeat(out *Node, seen map[string]Pos, body *Node, b *binding, loops int) error {
	for _, entry := range body.Entries {
		var err error
		if strings.HasPrefix(entry.Key, forEachPrefix) {
			err = x.loop(out, seen, entry, b, loops+1)
		} else {
			err = x.member(out, seen, entry, b, loops)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// collection evaluates the values of a loop: a row of width texts each. An
// object gives rows of key and value; with one identifier, lists within the
// list are taken apart.
func (x *expansion) collection(n *Node, b *binding, loops, width int) ([][]string, error) {
	n, err := x.node(n, b, loops)
	if err != nil {
		return nil, err
	}
	if n.Kind == Map && width == 2 {
		return x.pairs(n)
	}
	list, unknown, err := x.e.evalList(n, forEachUsage)
	if err != nil {
		return nil, err
	}
	if unknown {
		return nil, x.e.fault(n, "Template error: the values of Fn::ForEach cannot depend on a resource")
	}
	var rows [][]string
	for _, item := range list {
		nested, ok := item.([]any)
		if !ok {
			nested = []any{item}
		}
		texts, ok := scalarTexts(nested)
		switch {
		case !ok || width > 1 && len(texts) != width:
			return nil, x.e.fault(n, forEachUsage)
		case width > 1:
			rows = append(rows, texts)
		default:
			for _, text := range texts {
				rows = append(rows, []string{text})
			}
		}
	}
	return rows, nil
}

func (x *expansion) pairs(n *Node) ([][]string, error) {
	var rows [][]string
	for _, entry := range n.Entries {
		text, unknown, err := x.e.text(entry.Value, "Fn::ForEach")
		if err != nil {
			return nil, err
		}
		if unknown {
			return nil, x.e.fault(n, "Template error: the values of Fn::ForEach cannot depend on a resource")
		}
		rows = append(rows, []string{entry.Key, text})
	}
	return rows, nil
}

func scalarTexts(list []any) ([]string, bool) {
	texts := make([]string, len(list))
	for i, item := range list {
		text, ok := scalarText(item)
		if !ok {
			return nil, false
		}
		texts[i] = text
	}
	return texts, true
}
