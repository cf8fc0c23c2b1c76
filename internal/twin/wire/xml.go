package wire

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// xmlWriter writes shapes as the query, ec2 and rest-xml protocols do.
type xmlWriter struct {
	bytes.Buffer
}

func (w *xmlWriter) open(name string, ns *XMLNamespace) {
	w.WriteByte('<')
	w.WriteString(name)
	if ns != nil && ns.Prefix == "" {
		fmt.Fprintf(w, ` xmlns="%s"`, ns.URI)
	}
	w.WriteByte('>')
}

func (w *xmlWriter) close(name string) {
	w.WriteString("</")
	w.WriteString(name)
	w.WriteByte('>')
}

func (w *xmlWriter) text(name, value string) {
	w.open(name, nil)
	xml.EscapeText(w, []byte(value))
	w.close(name)
}

// structure writes the body members of a structure, without an element around them.
func (w *xmlWriter) structure(s *Shape, v reflect.Value) error {
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		f := field(v, name)
		if _, ok := present(f); !ok || ref.Location != "" || ref.XMLAttribute {
			continue
		}
		if err := w.member(ref, xmlName(name, ref), f); err != nil {
			return err
		}
	}
	return nil
}

// xmlName is the element of a member; a flattened list takes the name of its items.
func xmlName(name string, ref *Ref) string {
	t := ref.Target
	if t.Type == "list" && (t.Flattened || ref.Flattened) && t.Member.LocationName != "" {
		return t.Member.LocationName
	}
	return cmp.Or(ref.LocationName, name)
}

func (w *xmlWriter) member(ref *Ref, name string, v reflect.Value) error {
	v, ok := present(v)
	if !ok {
		return nil
	}
	s := ref.Target
	switch s.Type {
	case "structure":
		w.openStruct(name, ref, s, v)
		if err := w.structure(s, v); err != nil {
			return err
		}
		w.close(name)
		return nil
	case "list":
		return w.list(ref, s, name, v)
	case "map":
		return w.entries(ref, s, name, v)
	}
	text, err := scalarText(s, ref, v, "iso8601")
	if err != nil {
		return err
	}
	w.text(name, text)
	return nil
}

// openStruct opens an element with the attributes of the structure, such as xsi:type.
func (w *xmlWriter) openStruct(name string, ref *Ref, s *Shape, v reflect.Value) {
	w.WriteString("<" + name)
	if ns := ref.XMLNamespace; ns == nil {
		ns = s.XMLNamespace
		if ns != nil && ns.Prefix != "" {
			fmt.Fprintf(w, ` xmlns:%s="%s"`, ns.Prefix, ns.URI)
		}
	} else if ns.Prefix != "" {
		fmt.Fprintf(w, ` xmlns:%s="%s"`, ns.Prefix, ns.URI)
	} else {
		fmt.Fprintf(w, ` xmlns="%s"`, ns.URI)
	}
	for _, m := range s.MemberNames() {
		if a := s.Members[m]; a.XMLAttribute {
			if f, ok := present(field(v, m)); ok {
				fmt.Fprintf(w, ` %s="`, cmp.Or(a.LocationName, m))
				xml.EscapeText(w, []byte(f.String()))
				w.WriteByte('"')
			}
		}
	}
	w.WriteByte('>')
}

func (w *xmlWriter) list(ref *Ref, s *Shape, name string, v reflect.Value) error {
	flat := s.Flattened || ref.Flattened
	item := name
	if !flat {
		item = cmp.Or(s.Member.LocationName, "member")
		w.open(name, nil)
	}
	for i := range v.Len() {
		if err := w.member(s.Member, item, v.Index(i)); err != nil {
			return err
		}
	}
	if !flat {
		w.close(name)
	}
	return nil
}

func (w *xmlWriter) entries(ref *Ref, s *Shape, name string, v reflect.Value) error {
	flat := s.Flattened || ref.Flattened
	entry := name
	if !flat {
		entry = "entry"
		w.open(name, nil)
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	for _, k := range keys {
		w.open(entry, nil)
		w.text(cmp.Or(s.Key.LocationName, "key"), k.String())
		if err := w.member(s.Value, cmp.Or(s.Value.LocationName, "value"), v.MapIndex(k)); err != nil {
			return err
		}
		w.close(entry)
	}
	if !flat {
		w.close(name)
	}
	return nil
}

// scalarText is the text of a scalar in forms, XML, headers and URIs.
func scalarText(s *Shape, r *Ref, v reflect.Value, times string) (string, error) {
	switch s.Type {
	case "string", "character":
		return v.String(), nil
	case "boolean":
		return strconv.FormatBool(v.Bool()), nil
	case "integer", "long":
		return strconv.FormatInt(v.Int(), 10), nil
	case "float", "double":
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	case "timestamp":
		return timeText(format(s, r, times), v.Interface().(time.Time)), nil
	case "blob":
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	}
	return "", fmt.Errorf("shape %s of type %s has no text form", s.Name, s.Type)
}

// xmlNode is a parsed element of a request body.
type xmlNode struct {
	name     string
	attrs    []xml.Attr
	text     string
	children []*xmlNode
}

func parseXML(body io.Reader) (*xmlNode, error) {
	d := xml.NewDecoder(body)
	var stack []*xmlNode
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, Errorf("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		}
		if err != nil {
			return nil, Errorf("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			n := &xmlNode{name: token.Name.Local, attrs: token.Attr}
			if len(stack) > 0 {
				parent := stack[len(stack)-1]
				parent.children = append(parent.children, n)
			}
			if len(stack) > 100 {
				return nil, Errorf("MalformedXML", "The XML you provided is nested too deeply")
			}
			stack = append(stack, n)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(token)
			}
		case xml.EndElement:
			if len(stack) == 1 {
				return stack[0], nil
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// tree turns an element into a tree of the shape.
func (n *xmlNode) tree(s *Shape, r *Ref) tree {
	switch s.Type {
	case "structure":
		return n.structure(s)
	case "list":
		items := []any{}
		for _, c := range n.children {
			items = append(items, c.tree(s.Member.Target, s.Member))
		}
		return items
	case "map":
		m := map[string]any{}
		for _, c := range n.children {
			c.entry(s, m)
		}
		return m
	}
	return n.text
}

func (n *xmlNode) structure(s *Shape) tree {
	m := map[string]any{}
	for name, ref := range s.Members {
		if ref.XMLAttribute {
			_, local, _ := strings.Cut(cmp.Or(ref.LocationName, name), ":")
			for _, a := range n.attrs {
				if a.Name.Local == local {
					m[memberKey(name, ref)] = a.Value
				}
			}
			continue
		}
		if t, ok := n.member(name, ref); ok {
			m[memberKey(name, ref)] = t
		}
	}
	return m
}

func (n *xmlNode) member(name string, ref *Ref) (tree, bool) {
	t := ref.Target
	flat := (t.Type == "list" || t.Type == "map") && (t.Flattened || ref.Flattened)
	wanted := xmlName(name, ref)
	items := []any{}
	for _, c := range n.children {
		if c.name != wanted {
			continue
		}
		if !flat {
			return c.tree(t, ref), true
		}
		if t.Type == "list" {
			items = append(items, c.tree(t.Member.Target, t.Member))
		}
	}
	return items, len(items) > 0
}

func (n *xmlNode) entry(s *Shape, m map[string]any) {
	var key string
	var value tree
	for _, c := range n.children {
		switch c.name {
		case cmp.Or(s.Key.LocationName, "key"):
			key = c.text
		case cmp.Or(s.Value.LocationName, "value"):
			value = c.tree(s.Value.Target, s.Value)
		}
	}
	m[key] = value
}
