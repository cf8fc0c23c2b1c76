package manifest

import (
	"regexp"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

const reference = "${env:"

// wholeReference is ${env:NAME} or ${env:NAME:-default}.
var wholeReference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\$\{env:([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)
})

// substitute replaces every ${env:NAME} of a scalar. With a default the
// variable may be unset or empty, as in the shell; without one an unset
// variable is an error and an empty one is empty text.
func (x *expander) substitute(n *yaml.Node, path string) {
	if !strings.Contains(n.Value, reference) {
		return
	}
	var b strings.Builder
	rest := n.Value
	for {
		before, _, found := strings.Cut(rest, reference)
		b.WriteString(before)
		if !found {
			break
		}
		rest = rest[len(before):]
		text, length := x.lookUp(n, rest, path)
		b.WriteString(text)
		rest = rest[length:]
	}
	x.written[n] = n.Value
	n.Value = b.String()
	retag(n)
}

// lookUp gives the text for the reference at the start of rest, and how much
// of rest that reference takes.
func (x *expander) lookUp(n *yaml.Node, rest, path string) (text string, length int) {
	m := wholeReference().FindStringSubmatch(rest)
	if m == nil {
		x.broken[n] = true
		piece, _, _ := strings.Cut(rest, "\n")
		x.fail(x.src.within(n, piece), KindSyntax, path, "malformed ${env:…}",
			"write ${env:NAME} or ${env:NAME:-default}; a name has letters, digits and underscores")
		return "", len(reference)
	}
	name, hasDefault := m[1], m[2] != ""
	value, ok := x.opt.getenv(name)
	if hasDefault && value == "" {
		return m[3], len(m[0])
	}
	if !ok {
		x.broken[n] = true
		x.fail(x.src.within(n, m[0]), KindUnset, path, "environment variable "+name+" is not set",
			"set it, or give a default: ${env:"+name+":-default}")
	}
	return value, len(m[0])
}

// retag gives a plain scalar the type its new text reads as, as if that text
// had been in the file. Quoted and tagged scalars keep their type, and a
// substitution never makes a null, which would remove keys in a patch.
func retag(n *yaml.Node) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return
	}
	read := scalarTag(n.Value)
	switch read {
	case "!!int", "!!float", "!!bool":
		n.Tag = read
	case "!!str":
		n.Tag = "!!str"
	default:
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
}

// scalarTag is the type a plain scalar of this text has.
func scalarTag(text string) string {
	return (&yaml.Node{Kind: yaml.ScalarNode, Value: text}).ShortTag()
}
