package cfn

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sort"
	"strings"
)

// jsonReader reads tokens and knows where each began.
type jsonReader struct {
	file    string
	src     []byte
	lines   []int // offset of each line's start
	decoder *json.Decoder
	report  *faults
}

func readJSON(name string, src []byte, report *faults) *Node {
	r := &jsonReader{file: name, src: src, lines: lineOffsets(src), report: report, decoder: json.NewDecoder(bytes.NewReader(src))}
	r.decoder.UseNumber()
	root, err := r.value(0)
	if err == nil {
		if pos := r.next(); pos < len(src) {
			report.add(r.pos(pos), "Template format error: JSON not well-formed: there is text after the template")
			return root
		}
		return root
	}
	r.syntax(err)
	return nil
}

func (r *jsonReader) syntax(err error) {
	var fault *Error
	if errors.As(err, &fault) {
		return // already reported
	}
	offset := int(r.decoder.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = max(int(syntax.Offset)-1, 0)
	}
	text := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		offset, text = max(len(r.src)-1, 0), "unexpected end of the template"
	}
	pos := r.pos(offset)
	r.report.add(pos, "Template format error: JSON not well-formed. (line %d, column %d): %s", pos.Line, pos.Column, text)
}

func lineOffsets(src []byte) []int {
	offsets := []int{0}
	for i, c := range src {
		if c == '\n' {
			offsets = append(offsets, i+1)
		}
	}
	return offsets
}

func (r *jsonReader) pos(offset int) Pos {
	line := sort.SearchInts(r.lines, offset+1) - 1
	return Pos{r.file, line + 1, offset - r.lines[line] + 1}
}

// next is the offset at which the next token begins.
func (r *jsonReader) next() int {
	offset := int(r.decoder.InputOffset())
	for offset < len(r.src) && strings.IndexByte(" \t\r\n,:", r.src[offset]) >= 0 {
		offset++
	}
	return offset
}

func (r *jsonReader) value(depth int) (*Node, error) {
	pos := r.pos(r.next())
	if depth > deepest {
		return nil, r.report.add(pos, "Template format error: the template nests deeper than %d levels", deepest)
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return r.list(pos, depth)
		}
		return r.object(pos, depth)
	case string:
		return &Node{Kind: String, Pos: pos, Text: v, Quoted: true}, nil
	case json.Number:
		return &Node{Kind: Number, Pos: pos, Text: v.String()}, nil
	case bool:
		return &Node{Kind: Bool, Pos: pos, Text: map[bool]string{true: "true", false: "false"}[v]}, nil
	}
	return &Node{Pos: pos}, nil
}

func (r *jsonReader) list(pos Pos, depth int) (*Node, error) {
	out := &Node{Kind: List, Pos: pos, Items: []*Node{}}
	for r.decoder.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, item)
	}
	_, err := r.decoder.Token()
	return out, err
}

func (r *jsonReader) object(pos Pos, depth int) (*Node, error) {
	out := &Node{Kind: Map, Pos: pos, Entries: []Entry{}}
	seen := map[string]Pos{}
	for r.decoder.More() {
		keyPos := r.pos(r.next())
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, r.report.add(keyPos, "Template format error: a key must be a string")
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if !duplicateKey(seen, key, keyPos, r.report) {
			out.Entries = append(out.Entries, Entry{key, keyPos, value})
		}
	}
	if _, err := r.decoder.Token(); err != nil {
		return nil, err
	}
	return foldFunction(out, r.report), nil
}

// NodeOf turns plain Go values, as encoding/json decodes them, into a tree;
// functions in their long form are recognised. Maps become sorted by key.
func NodeOf(value any) (*Node, error) {
	report := &faults{}
	n := nodeOf(value, report)
	return n, report.result()
}

func nodeOf(value any, report *faults) *Node {
	switch v := value.(type) {
	case nil:
		return &Node{}
	case bool:
		text, _ := scalarText(v)
		return &Node{Kind: Bool, Text: text}
	case string:
		return &Node{Kind: String, Text: v, Quoted: true}
	case json.Number, int, int64, float64:
		text, _ := scalarText(v)
		return &Node{Kind: Number, Text: text}
	case []any:
		out := &Node{Kind: List, Items: make([]*Node, len(v))}
		for i, item := range v {
			out.Items[i] = nodeOf(item, report)
		}
		return out
	case map[string]any:
		out := &Node{Kind: Map}
		for _, key := range sortedKeys(v) {
			out.Entries = append(out.Entries, Entry{Key: key, Value: nodeOf(v[key], report)})
		}
		return foldFunction(out, report)
	}
	report.add(Pos{}, "a %T is no template value", value)
	return &Node{}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
