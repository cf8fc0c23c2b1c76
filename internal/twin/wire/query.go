package wire

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
)

// formReader turns the flat parameters of the query and ec2 protocols into a tree.
type formReader struct {
	form  url.Values
	names map[string]bool // every dotted prefix that occurs
	used  map[string]bool // parameters that a member took
	ec2   bool
}

func newFormReader(form url.Values, ec2 bool) *formReader {
	f := &formReader{form: form, names: map[string]bool{}, used: map[string]bool{"Action": true, "Version": true}, ec2: ec2}
	for key := range form {
		for i := range key {
			if key[i] == '.' {
				f.names[key[:i]] = true
			}
		}
		f.names[key] = true
	}
	return f
}

func (f *formReader) has(prefix string) bool { return f.names[prefix] }

func (f *formReader) read(s *Shape, r *Ref, prefix string) tree {
	if !f.has(prefix) && prefix != "" {
		return nil
	}
	switch s.Type {
	case "structure":
		return f.structure(s, prefix)
	case "list":
		return f.list(s, r, prefix)
	case "map":
		return f.entries(s, r, prefix)
	}
	f.used[prefix] = true
	return f.form.Get(prefix)
}

func (f *formReader) structure(s *Shape, prefix string) tree {
	m := map[string]any{}
	for name, ref := range s.Members {
		if t := f.read(ref.Target, ref, dotted(prefix, f.key(name, ref))); t != nil {
			m[memberKey(name, ref)] = t
		}
	}
	return m
}

// key is a member's name in the form. The ec2 protocol capitalises the XML name.
func (f *formReader) key(name string, ref *Ref) string {
	if f.ec2 {
		if ref.QueryName != "" {
			return ref.QueryName
		}
		if ref.LocationName != "" {
			return strings.ToUpper(ref.LocationName[:1]) + ref.LocationName[1:]
		}
		return strings.ToUpper(name[:1]) + name[1:]
	}
	list := ref.Target
	if list.Type == "list" && (list.Flattened || ref.Flattened) && list.Member.LocationName != "" {
		return list.Member.LocationName
	}
	if ref.LocationName != "" {
		return ref.LocationName
	}
	return name
}

func (f *formReader) list(s *Shape, r *Ref, prefix string) tree {
	items := []any{}
	if values, ok := f.form[prefix]; ok && len(values) == 1 && values[0] == "" {
		f.used[prefix] = true
		return items
	}
	item := prefix
	if !f.ec2 && !s.Flattened && !(r != nil && r.Flattened) {
		item = dotted(prefix, "member")
		if n := s.Member.LocationName; n != "" && f.has(dotted(prefix, n)) {
			item = dotted(prefix, n)
		}
	}
	for i := 1; f.has(item + "." + strconv.Itoa(i)); i++ {
		items = append(items, f.read(s.Member.Target, s.Member, item+"."+strconv.Itoa(i)))
	}
	return items
}

func (f *formReader) entries(s *Shape, r *Ref, prefix string) tree {
	m := map[string]any{}
	entry := prefix
	if !s.Flattened && !(r != nil && r.Flattened) {
		entry = dotted(prefix, "entry")
	}
	for i := 1; f.has(entry + "." + strconv.Itoa(i)); i++ {
		at := entry + "." + strconv.Itoa(i)
		key := dotted(at, cmp.Or(s.Key.LocationName, "key"))
		f.used[key] = true
		m[f.form.Get(key)] = f.read(s.Value.Target, s.Value, dotted(at, cmp.Or(s.Value.LocationName, "value")))
	}
	return m
}

// leftover is a parameter that no member took, "" where there is none.
func (f *formReader) leftover() string {
	for key := range f.form {
		if !f.used[key] && !strings.HasPrefix(key, "X-Amz-") && key != "AWSAccessKeyId" && key != "SignatureVersion" {
			return key
		}
	}
	return ""
}

func dotted(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
