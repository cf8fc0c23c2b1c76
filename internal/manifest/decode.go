package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder checks expanded nodes against the table of keys.
type decoder struct {
	*expander
	// refused is set below a key that is not supported yet, whose own
	// children need not be refused one by one.
	refused bool
}

// value is a checked value of the file. A value whose key is absent, or
// whose text was wrong, is not set and stands for the key's default.
type value struct {
	key  *key
	path string
	at   Position
	set  bool

	text   string              // of text; a choice in the spelling of the table
	number int                 // of a number
	flag   bool                // of a flag
	node   *yaml.Node          // of a patch
	items  []*value            // of a list
	named  []named             // of open keys, in file order
	fields map[string]*value   // of a mapping
	keyAt  map[string]Position // of a mapping: where each key stands
}

// named is one entry of a mapping with open keys.
type named struct {
	name string
	at   Position
	*value
}

// field is the value of a mapping's key, never nil.
func (v *value) field(name string) *value {
	if f := v.fields[name]; f != nil {
		return f
	}
	k := v.key.child(name)
	f := &value{key: k, path: join(v.path, name), at: v.at}
	f.preset()
	return f
}

// preset fills in the default of the key's table entry.
func (v *value) preset() {
	v.text = v.key.preset
	v.flag = v.key.preset == "true"
	if v.key.shape == numberShape && v.key.preset != "" {
		v.number, _ = strconv.Atoi(v.key.preset)
	}
}

// list is the texts of a list's items.
func (v *value) list() (texts []string) {
	for _, item := range v.items {
		texts = append(texts, item.text)
	}
	return texts
}

func (d *decoder) wrongType(v *value, n *yaml.Node, expected, hint string) {
	d.fail(v.at, KindType, v.path, "expected "+expected+", found "+d.describe(n), hint)
}

// describe is what the value is, without giving away what a variable of the
// process environment holds.
func (d *decoder) describe(n *yaml.Node) string {
	if written, ok := d.written[n]; ok {
		return "the value of " + written
	}
	return describe(n)
}

// quote is a text for a message, with the same care.
func (d *decoder) quote(n *yaml.Node) string {
	if written, ok := d.written[n]; ok {
		return "the value of " + written
	}
	return fmt.Sprintf("%q", n.Value)
}

// decode checks one value against its key.
func (d *decoder) decode(k *key, n *yaml.Node, path string) *value {
	v := &value{key: k, path: path, at: d.src.at(n)}
	v.preset()
	if d.broken[n] || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && k.shape != patchShape {
		return v
	}
	switch k.shape {
	case textShape:
		d.text(v, n)
	case numberShape:
		d.number(v, n)
	case flagShape:
		d.flag(v, n)
	case listShape:
		d.list(v, n)
	case mappingShape:
		d.mapping(v, n)
	case openShape:
		d.open(v, n)
	case patchShape:
		d.patch(v, n)
	case perEnvShape:
		d.perEnvironment(v, n)
	}
	return v
}

func (d *decoder) text(v *value, n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		d.wrongType(v, n, "text", "")
		return
	}
	if n.Value == "" && v.key.name != "" {
		return // an empty text is no text, as in mu
	}
	if message, hint := v.key.refuse(n.Value); message != "" {
		d.fail(v.at, KindValue, v.path, d.quote(n)+" "+message, hint)
		return
	}
	v.set, v.text = true, n.Value
	if c, ok := v.key.choose(n.Value); ok {
		v.text = c.value
		if c.state == later && !d.refused {
			d.unsupported(v.at, v.path, d.quote(n)+" is ", "supported: "+strings.Join(v.key.supported(), ", "))
		}
	}
}

func (d *decoder) number(v *value, n *yaml.Node) {
	_, substituted := d.written[n]
	tag := n.ShortTag()
	if substituted {
		tag = scalarTag(n.Value)
	}
	if n.Kind != yaml.ScalarNode || tag != "!!int" {
		hint := ""
		if n.Kind == yaml.ScalarNode && scalarTag(n.Value) == "!!int" && !substituted {
			hint = "write " + n.Value + " without quotes"
		}
		d.wrongType(v, n, "a whole number", hint)
		return
	}
	plain := yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}
	if err := plain.Decode(&v.number); err != nil || v.number < v.key.least || v.key.most > 0 && v.number > v.key.most {
		v.preset()
		d.fail(v.at, KindValue, v.path, d.quoteNumber(n)+" is out of range; expected "+v.key.bounds(), "")
		return
	}
	v.set = true
}

func (d *decoder) quoteNumber(n *yaml.Node) string {
	if _, ok := d.written[n]; ok {
		return d.quote(n)
	}
	return n.Value
}

// bounds is the range of a number in words.
func (k *key) bounds() string {
	if k.most == 0 {
		return fmt.Sprintf("%d or more", k.least)
	}
	return fmt.Sprintf("%d to %d", k.least, k.most)
}

// trueWords and falseWords are YAML 1.1's, which mu read.
var (
	trueWords  = []string{"true", "yes", "on", "y"}
	falseWords = []string{"false", "no", "off", "n"}
)

func (d *decoder) flag(v *value, n *yaml.Node) {
	word := strings.ToLower(n.Value)
	isTrue, isFalse := slices.Contains(trueWords, word), slices.Contains(falseWords, word)
	if n.Kind != yaml.ScalarNode || !isTrue && !isFalse {
		d.wrongType(v, n, "true or false", "")
		return
	}
	v.set, v.flag = true, isTrue
}

func (d *decoder) list(v *value, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "put a dash before each item"
		}
		d.wrongType(v, n, "a list", hint)
		return
	}
	if most := v.key.longest; most > 0 && len(n.Content) > most {
		d.fail(d.src.at(n.Content[most]), KindValue, v.path, fmt.Sprintf("has %d items; at most %d are allowed", len(n.Content), most), "")
	}
	v.set = true
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", v.path, i)
		if d.isNull(v.key.each, item, path) {
			continue
		}
		v.items = append(v.items, d.decode(v.key.each, item, path))
	}
}

// isNull refuses an item or entry with nothing in it, which is more likely
// an unfinished line than an empty text.
func (d *decoder) isNull(k *key, n *yaml.Node, path string) bool {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null" {
		return false
	}
	hint := ""
	if k.shape == textShape || k.shape == perEnvShape {
		hint = `write "" if an empty text is meant`
	}
	d.fail(d.src.at(n), KindType, path, "expected a value, found nothing", hint)
	return true
}

func (d *decoder) mapping(v *value, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(v, n, "a mapping", "its keys are "+v.key.supportedChildren())
		return
	}
	v.set, v.fields, v.keyAt = true, map[string]*value{}, map[string]Position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		d.entry(v, n.Content[i], n.Content[i+1])
	}
	for i := range v.key.keys {
		if k := &v.key.keys[i]; k.required && (v.fields[k.name] == nil || !v.fields[k.name].given()) {
			d.fail(v.at, KindType, v.path, k.name+" is missing", "")
		}
	}
}

// given tells a value that is there, right or wrong, from a null.
func (v *value) given() bool { return v.set || v.node != nil }

// entry checks one key of a mapping and its value.
func (d *decoder) entry(v *value, keyNode, valueNode *yaml.Node) {
	k, at := v.key.child(keyNode.Value), d.src.at(keyNode)
	path := join(v.path, keyNode.Value)
	switch {
	case k == nil:
		d.fail(at, KindUnknownKey, path, "unknown key", d.meant(v.key, keyNode.Value))
		return
	case v.fields[k.name] != nil:
		d.fail(at, KindDuplicate, path, "duplicate key; "+strings.Join(append(k.aliases, k.name), " and ")+" mean the same", "")
		return
	case k.state == later && !d.refused:
		d.unsupported(at, path, "", k.reason)
		d.refused = true
		defer func() { d.refused = false }()
	}
	f := d.decode(k, valueNode, path)
	if valueNode.ShortTag() != "!!null" {
		f.node = valueNode
	}
	v.fields[k.name], v.keyAt[k.name] = f, at
}

func (d *decoder) unsupported(at Position, path, prefix, hint string) {
	d.fail(at, KindUnsupported, path, prefix+"not supported yet", hint)
}

// meant guesses what an unknown key was meant to be: a key spelt nearly so
// here, or one of that name elsewhere; failing that it lists what there is.
func (d *decoder) meant(parent *key, wrong string) string {
	if near := closest(wrong, parent.childNames()); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if elsewhere := fileKeys().find(wrong, ""); elsewhere != "" {
		return fmt.Sprintf("did you mean %s?", elsewhere)
	}
	return "known here: " + parent.supportedChildren()
}

// find looks for a supported key of that very name anywhere in the file.
func (k *key) find(name, path string) string {
	for i := range k.keys {
		c := &k.keys[i]
		switch at := join(path, c.name); {
		case c.name == name:
			return at
		case c.state == later:
		case c.shape == mappingShape:
			if found := c.find(name, at); found != "" {
				return found
			}
		case c.shape == listShape:
			if found := c.each.find(name, at+"[]"); found != "" {
				return found
			}
		}
	}
	return ""
}

func (d *decoder) open(v *value, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(v, n, "a mapping", "")
		return
	}
	if most := v.key.longest; most > 0 && len(n.Content)/2 > most {
		d.fail(d.src.at(n.Content[2*most]), KindValue, v.path, fmt.Sprintf("has %d entries; at most %d are allowed", len(n.Content)/2, most), "")
	}
	v.set = true
	for i := 0; i+1 < len(n.Content); i += 2 {
		keyNode, valueNode := n.Content[i], n.Content[i+1]
		path := join(v.path, keyNode.Value)
		if message, hint := v.key.eachName.refuse(keyNode.Value); message != "" {
			d.fail(d.src.at(keyNode), KindValue, path, d.quote(keyNode)+" "+message, hint)
		}
		if d.isNull(v.key.each, valueNode, path) {
			continue
		}
		v.named = append(v.named, named{keyNode.Value, d.src.at(keyNode), d.decode(v.key.each, valueNode, path)})
	}
}

func (d *decoder) patch(v *value, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(v, n, "a partial template, which is a mapping", "")
		return
	}
	v.set, v.node = true, n
}

// perEnvironment takes one text for all environments, or a mapping.
func (d *decoder) perEnvironment(v *value, n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		v.set, v.text = true, n.Value
	case yaml.MappingNode:
		byName := &key{shape: openShape, eachName: &key{}, each: &key{}}
		d.open(v.as(byName), n)
	default:
		d.wrongType(v, n, "a value, or a mapping of environment to value", "")
	}
}

// as lets the value be filled as if its key were another one.
func (v *value) as(k *key) *value {
	v.key = k
	return v
}
