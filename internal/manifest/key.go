package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// shape is what a key's value looks like.
type shape int

const (
	textShape    shape = iota // a scalar of any type, taken as its text
	numberShape               // a whole number
	flagShape                 // true or false
	listShape                 // a list, each item like key.each
	mappingShape              // the keys of key.keys, no others
	openShape                 // any keys, each value like key.each
	patchShape                // a partial template, kept as it is
	perEnvShape               // text, or a mapping of environment to text
)

// state tells whether Slipway acts on a key (or a value) of mu.
type state bool

const (
	now   state = true
	later state = false // known, refused with "not supported yet"
)

// key describes one key of the file. The tables of keys are the only place
// that knows the file's shape: decoding, defaults, the JSON Schema and the
// list of what is not supported yet all come from them.
type key struct {
	name    string
	aliases []string
	state   state
	shape   shape
	about   string // one sentence, for the schema and the reference
	reason  string // of a later key: why, when there is more to say
	preset  string // the default as text, when it does not depend on other keys
	// required keys must be present in their mapping.
	required bool

	choices  []choice // of text: the values there are
	anyCase  bool     // choices hold in any case, and are taken as listed
	pattern  string   // of text: a regular expression it must match whole
	wants    string   // the pattern, said in words
	longest  int      // of text: characters; of a list: items; 0 for any
	least    int      // of a number
	most     int      // of a number; 0 for any
	keys     []key    // of a mapping
	each     *key     // of the items of a list, or the values of open keys
	eachName *key     // of open keys: what the names must look like
}

// choice is one value of an enumeration.
type choice struct {
	value string
	state state
}

func text(name string, s state, about string) key {
	return key{name: name, state: s, shape: textShape, about: about}
}

func number(name string, s state, least, most int, about string) key {
	return key{name: name, state: s, shape: numberShape, about: about, least: least, most: most}
}

func yesno(name string, s state, about string) key {
	return key{name: name, state: s, shape: flagShape, about: about}
}

func list(name string, s state, each key, about string) key {
	return key{name: name, state: s, shape: listShape, about: about, each: &each}
}

func mapping(name string, s state, about string, keys []key) key {
	return key{name: name, state: s, shape: mappingShape, about: about, keys: keys}
}

func open(name string, s state, eachName, each key, about string) key {
	return key{name: name, state: s, shape: openShape, about: about, each: &each, eachName: &eachName}
}

// or gives the key its default.
func (k key) or(preset string) key {
	k.preset = preset
	return k
}

func (k key) alias(names ...string) key {
	k.aliases = names
	return k
}

// because says why a later key is refused.
func (k key) because(reason string) key {
	k.reason = reason
	return k
}

// must makes the key mandatory.
func (k key) must() key {
	k.required = true
	return k
}

// matching restricts text to a regular expression, said in words by wants.
func (k key) matching(pattern, wants string) key {
	k.pattern, k.wants = pattern, wants
	return k
}

// upTo bounds the length of text or the number of items of a list.
func (k key) upTo(longest int) key {
	k.longest = longest
	return k
}

// oneOf restricts text to values Slipway acts on.
func (k key) oneOf(values ...string) key {
	for _, v := range values {
		k.choices = append(k.choices, choice{v, now})
	}
	return k
}

// orLater adds values of mu that are not supported yet.
func (k key) orLater(values ...string) key {
	for _, v := range values {
		k.choices = append(k.choices, choice{v, later})
	}
	return k
}

func (k key) inAnyCase() key {
	k.anyCase = true
	return k
}

// child finds the key of a mapping by name or alias.
func (k *key) child(name string) *key {
	for i := range k.keys {
		if k.keys[i].name == name || slices.Contains(k.keys[i].aliases, name) {
			return &k.keys[i]
		}
	}
	return nil
}

func (k *key) childNames() []string {
	names := make([]string, len(k.keys))
	for i := range k.keys {
		names[i] = k.keys[i].name
	}
	return names
}

// supportedChildren lists the keys that Slipway acts on.
func (k *key) supportedChildren() string {
	var names []string
	for i := range k.keys {
		if k.keys[i].state == now {
			names = append(names, k.keys[i].name)
		}
	}
	return strings.Join(names, ", ")
}

// choose finds the choice a text stands for.
func (k *key) choose(text string) (choice, bool) {
	for _, c := range k.choices {
		if c.value == text || k.anyCase && strings.EqualFold(c.value, text) {
			return c, true
		}
	}
	return choice{}, false
}

// supported lists the choices that hold now.
func (k *key) supported() (values []string) {
	for _, c := range k.choices {
		if c.state == now {
			values = append(values, c.value)
		}
	}
	return values
}

// patterns keeps compiled expressions, so that a run compiles only those
// that the file at hand needs.
var patterns sync.Map

func matchesWhole(pattern, text string) bool {
	re, ok := patterns.Load(pattern)
	if !ok {
		re, _ = patterns.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return re.(*regexp.Regexp).MatchString(text)
}

// refuse says what is wrong with a text, or "" when it is allowed.
func (k *key) refuse(text string) (message, hint string) {
	if len(k.choices) > 0 {
		return k.refuseChoice(text)
	}
	if k.longest > 0 && len([]rune(text)) > k.longest {
		return fmt.Sprintf("is %d characters long; at most %d are allowed", len([]rune(text)), k.longest), ""
	}
	if k.pattern != "" && !matchesWhole(k.pattern, text) {
		return "is not allowed; expected " + k.wants, ""
	}
	return "", ""
}

func (k *key) refuseChoice(text string) (message, hint string) {
	if _, ok := k.choose(text); ok {
		return "", ""
	}
	if near := closest(text, k.supported()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "is not allowed; expected " + oneOfWords(k.supported()), hint
}

// oneOfWords is "a, b or c".
func oneOfWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
