package cfn

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// args returns the arguments of a call that takes between least and most of them.
func args(n *Node, least, most int) ([]*Node, bool) {
	if n.Arg == nil || n.Arg.Kind != List || len(n.Arg.Items) < least || len(n.Arg.Items) > most {
		return nil, false
	}
	return n.Arg.Items, true
}

// longestText bounds what nested Fn::Sub and Fn::Join may build; a template's
// whole processed body may have 1 MB.
const longestText = 4 << 20

func (e *Evaluator) join(n *Node) (any, error) {
	usage := misuse(n.Name)
	a, ok := args(n, 2, 2)
	if !ok {
		return nil, e.fault(n, "%s", usage)
	}
	delimiter, unknown, err := e.text(a[0], "Fn::Join")
	if err != nil || unknown {
		return Unknown{}, err
	}
	list, unknown, err := e.evalList(a[1], usage)
	if err != nil || unknown {
		return Unknown{}, err
	}
	var b strings.Builder
	for i, item := range list {
		text, ok := scalarText(item)
		if !ok {
			return nil, e.fault(n, "%s", usage)
		}
		if i > 0 {
			b.WriteString(delimiter)
		}
		if b.WriteString(text); b.Len() > longestText {
			return nil, e.fault(n, "Template error: the result of Fn::Join is longer than %d bytes", longestText)
		}
	}
	return b.String(), nil
}

// evalList evaluates an argument that must be a list; unknown when it or an
// element of it is.
func (e *Evaluator) evalList(n *Node, usage string) (list []any, unknown bool, err error) {
	value, err := e.eval(n)
	if err != nil {
		return nil, false, err
	}
	if _, ok := value.(Unknown); ok {
		return nil, true, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, false, e.fault(n, "%s", usage)
	}
	for _, item := range list {
		if _, ok := item.(Unknown); ok {
			return list, true, nil
		}
	}
	return list, false, nil
}

func (e *Evaluator) split(n *Node) (any, error) {
	a, ok := args(n, 2, 2)
	if !ok {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	delimiter, unknown, err := e.text(a[0], "Fn::Split")
	if err != nil || unknown {
		return Unknown{}, err
	}
	text, unknown, err := e.text(a[1], "Fn::Split")
	if err != nil || unknown {
		return Unknown{}, err
	}
	if delimiter == "" {
		return nil, e.fault(n, "Template error: Fn::Split needs a delimiter of at least one character")
	}
	out := []any{}
	for part := range strings.SplitSeq(text, delimiter) {
		out = append(out, part)
	}
	return out, nil
}

func (e *Evaluator) selectItem(n *Node) (any, error) {
	usage := misuse(n.Name)
	a, ok := args(n, 2, 2)
	if !ok {
		return nil, e.fault(n, "%s", usage)
	}
	index, unknown, err := e.index(a[0])
	if err != nil || unknown {
		return Unknown{}, err
	}
	list, unknown, err := e.evalList(a[1], usage)
	if err != nil || unknown && list == nil {
		return Unknown{}, err
	}
	if index < 0 || index >= len(list) {
		return nil, e.fault(n, "Template error: Fn::Select cannot select nonexistent value at index %d", index)
	}
	return list[index], nil
}

func (e *Evaluator) base64(n *Node) (any, error) {
	text, unknown, err := e.text(n.Arg, "Fn::Base64")
	if err != nil || unknown {
		return Unknown{}, err
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func (e *Evaluator) length(n *Node) (any, error) {
	const usage = "Template error: Fn::Length requires a list, or a function that returns a list"
	list, unknown, err := e.evalList(n.Arg, usage)
	if err != nil || unknown && list == nil {
		return Unknown{}, err
	}
	return json.Number(strconv.Itoa(len(list))), nil
}

// toJSONString keeps the members of objects in the order they are written.
func (e *Evaluator) toJSONString(n *Node) (any, error) {
	value, err := e.Resolve(n.Arg)
	if err != nil {
		return nil, err
	}
	switch value.(type) {
	case map[string]any, []any:
	case Unknown:
		return Unknown{}, nil
	default:
		return nil, e.fault(n, "Template error: Fn::ToJsonString requires an object or a list")
	}
	if containsUnknown(value) {
		return Unknown{}, nil
	}
	ordered, _, err := e.literalTree(n.Arg)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := ordered.appendJSON(&b); err != nil {
		return nil, e.wrap(n, err)
	}
	if b.Len() > longestText {
		return nil, e.fault(n, "Template error: the result of Fn::ToJsonString is longer than %d bytes", longestText)
	}
	return b.String(), nil
}

// literalTree is the tree with its functions evaluated; ok is false for AWS::NoValue.
func (e *Evaluator) literalTree(n *Node) (tree *Node, ok bool, err error) {
	if n.Kind == Func {
		value, err := e.eval(n)
		if _, gone := value.(removed); gone || err != nil {
			return nil, false, err
		}
		tree, err = NodeOf(value)
		return tree, true, err
	}
	out := &Node{Kind: n.Kind, Pos: n.Pos, Text: n.Text}
	for _, item := range n.Items {
		child, ok, err := e.literalTree(item)
		if err != nil {
			return nil, false, err
		}
		if ok {
			out.Items = append(out.Items, child)
		}
	}
	for _, entry := range n.Entries {
		child, ok, err := e.literalTree(entry.Value)
		if err != nil {
			return nil, false, err
		}
		if ok {
			out.Entries = append(out.Entries, Entry{entry.Key, entry.KeyPos, child})
		}
	}
	return out, true, nil
}

func containsUnknown(value any) bool {
	switch v := value.(type) {
	case Unknown:
		return true
	case []any:
		for _, item := range v {
			if containsUnknown(item) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if containsUnknown(item) {
				return true
			}
		}
	}
	return false
}

func (e *Evaluator) findInMap(n *Node) (any, error) {
	a, ok := args(n, 3, 4)
	if !ok {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	var keys [3]string
	for i := range keys {
		text, unknown, err := e.text(a[i], "Fn::FindInMap")
		if err != nil || unknown {
			return Unknown{}, err
		}
		keys[i] = text
	}
	if found := e.mapped(keys); found != nil {
		return e.Resolve(found)
	}
	if len(a) == 4 && a[3].Get("DefaultValue") != nil {
		return e.eval(a[3].Get("DefaultValue"))
	}
	if e.Template == nil || e.Template.Mapping(keys[0]) == nil {
		return nil, e.fault(n, "Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", keys[0])
	}
	return nil, e.fault(n, "Template error: Unable to get mapping for %s::%s::%s", keys[0], keys[1], keys[2])
}

func (e *Evaluator) mapped(keys [3]string) *Node {
	if e.Template == nil {
		return nil
	}
	if m := e.Template.Mapping(keys[0]); m != nil {
		return m.Table.Get(keys[1]).Get(keys[2])
	}
	return nil
}

// mostCidrs is the largest count Fn::Cidr accepts.
const mostCidrs = 256

func (e *Evaluator) cidr(n *Node) (any, error) {
	a, ok := args(n, 2, 3)
	if !ok {
		return nil, e.fault(n, "%s", misuse(n.Name))
	}
	block, unknown, err := e.text(a[0], "Fn::Cidr")
	if err != nil || unknown {
		return Unknown{}, err
	}
	count, unknown, err := e.index(a[1])
	if err != nil || unknown {
		return Unknown{}, err
	}
	bits := 8
	if len(a) == 3 {
		if bits, unknown, err = e.index(a[2]); err != nil || unknown {
			return Unknown{}, err
		}
	}
	blocks, err := cidrBlocks(block, count, bits)
	if err != nil {
		return nil, e.fault(n, "Template error: Fn::Cidr: %v", err)
	}
	return blocks, nil
}

// cidrBlocks cuts count blocks with bits host bits each from the start of block.
func cidrBlocks(block string, count, bits int) ([]any, error) {
	prefix, err := netip.ParsePrefix(block)
	if err != nil {
		return nil, fmt.Errorf("%s is not a CIDR block", block)
	}
	width := prefix.Addr().BitLen()
	if count < 1 || count > mostCidrs {
		return nil, fmt.Errorf("count %d is not between 1 and %d", count, mostCidrs)
	}
	if bits < 1 || bits > width {
		return nil, fmt.Errorf("%d cidr bits are not between 1 and %d", bits, width)
	}
	size := width - bits
	if size < prefix.Bits() || float64(count) > math.Pow(2, float64(size-prefix.Bits())) {
		return nil, fmt.Errorf("%s has no room for %d blocks of %d bits", block, count, bits)
	}
	address := new(big.Int).SetBytes(prefix.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	out := make([]any, count)
	for i := range out {
		addr, _ := netip.AddrFromSlice(address.FillBytes(make([]byte, width/8)))
		out[i] = netip.PrefixFrom(addr, size).String()
		address.Add(address, step)
	}
	return out, nil
}
