package cfn

import (
	"fmt"
	"iter"
)

// Pos is a place in a source file; Line and Column count from 1, Column in
// bytes. The zero Pos means "no place known".
type Pos struct {
	File   string
	Line   int
	Column int
}

// IsValid reports whether the position is known.
func (p Pos) IsValid() bool { return p.Line > 0 }

func (p Pos) String() string {
	if !p.IsValid() {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Kind tells what a Node holds.
type Kind int

// The kinds of node a template is made of.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Map
	Func
)

func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "list", "object", "function"}[k]
}

// Node is one value of a template as written, with its position. Nodes are
// shared between the template and what is derived from it: treat as read-only.
type Node struct {
	Kind Kind
	Pos  Pos
	// Text is the value of a String, the literal of a Number (a valid JSON
	// number) and "true" or "false" for a Bool.
	Text string
	// Items are the elements of a List.
	Items []*Node
	// Entries are the members of a Map, in file order.
	Entries []Entry
	// Name is the full name of a Func ("Ref", "Condition", "Fn::Sub", …); Arg is
	// its argument. The argument of Fn::GetAtt is always a List of two.
	Name string
	Arg  *Node
	// Short tells that a Func was written as a YAML tag (!Sub).
	Short bool
	// Block tells that a String was written as a YAML block scalar, and Quoted
	// that it was in quotes.
	Block, Quoted bool

	written string // a Bool as it was written, when that is not Text
}

// label is the text of a scalar used as a name: "Yes" names a condition even
// though YAML 1.1 reads it as a boolean.
func (n *Node) label() string {
	if n.written != "" {
		return n.written
	}
	return n.Text
}

// Entry is one member of a Map.
type Entry struct {
	Key    string
	KeyPos Pos
	Value  *Node
}

// Get returns the member of a Map, or nil when n is nil, no Map or has no such key.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return n.Entries[i].Value
		}
	}
	return nil
}

// KeyPos returns the position of a Map's key, or of the Map when it has no such key.
func (n *Node) KeyPos(key string) Pos {
	for i := range n.Entries {
		if n.Entries[i].Key == key {
			return n.Entries[i].KeyPos
		}
	}
	return n.Pos
}

// IsScalar reports whether the node is a string, number or boolean literal.
func (n *Node) IsScalar() bool {
	return n != nil && (n.Kind == String || n.Kind == Number || n.Kind == Bool)
}

// Is reports whether the node is a call of the named function.
func (n *Node) Is(function string) bool {
	return n != nil && n.Kind == Func && n.Name == function
}

// Walk yields the node and everything below it, parents first, in file order.
func (n *Node) Walk() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { n.walk(yield) }
}

func (n *Node) walk(yield func(*Node) bool) bool {
	if n == nil {
		return true
	}
	if !yield(n) || !n.Arg.walk(yield) {
		return false
	}
	for _, item := range n.Items {
		if !item.walk(yield) {
			return false
		}
	}
	for i := range n.Entries {
		if !n.Entries[i].Value.walk(yield) {
			return false
		}
	}
	return true
}
