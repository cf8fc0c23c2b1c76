package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// tree is a decoded message before it has Go types: nil, bool, string, json.Number, []any, map[string]any. Form and XML bodies
// have strings only at the leaves.
type tree = any

func malformed(path, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = "at '" + path + "': " + message
	}
	return Errorf("SerializationException", "%s", message)
}

// assign writes a tree into a Go value of the shape's type.
func assign(s *Shape, r *Ref, t tree, v reflect.Value, path string) error {
	if t == nil {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case "structure":
		return assignStruct(s, t, v, path)
	case "list":
		return assignList(s, t, v, path)
	case "map":
		return assignMap(s, t, v, path)
	case "timestamp":
		at, err := parseTime(t)
		if err != nil {
			return malformed(path, "%v", err)
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case "blob":
		text, ok := t.(string)
		if !ok {
			return malformed(path, "expected a base64 string")
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return malformed(path, "not base64: %v", err)
		}
		v.SetBytes(b)
		return nil
	}
	return assignScalar(s, t, v, path)
}

func assignStruct(s *Shape, t tree, v reflect.Value, path string) error {
	if s.Document {
		v.Set(reflect.ValueOf(t))
		return nil
	}
	m, ok := t.(map[string]any)
	if !ok {
		return malformed(path, "expected a structure")
	}
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		inner, ok := m[memberKey(name, ref)]
		if !ok {
			continue
		}
		f := field(v, name)
		if !f.IsValid() {
			continue
		}
		if err := assign(ref.Target, ref, inner, f, join(path, name)); err != nil {
			return err
		}
	}
	return unknownMembers(s, m, path)
}

// unknownMembers refuses what the model does not know, so that nothing a caller asks for is dropped in silence.
func unknownMembers(s *Shape, m map[string]any, path string) error {
	known := 0
	for name, ref := range s.Members {
		if _, ok := m[memberKey(name, ref)]; ok {
			known++
		}
	}
	if known == len(m) {
		return nil
	}
next:
	for key := range m {
		if key == "__type" {
			continue
		}
		for name, ref := range s.Members {
			if memberKey(name, ref) == key {
				continue next
			}
		}
		return malformed(path, "unknown member '%s'", key)
	}
	return nil
}

func memberKey(name string, ref *Ref) string {
	if ref.LocationName != "" && ref.Location == "" {
		return ref.LocationName
	}
	return name
}

func join(path, member string) string {
	member = strings.ToLower(member[:1]) + member[1:]
	if path == "" {
		return member
	}
	return path + "." + member
}

func assignList(s *Shape, t tree, v reflect.Value, path string) error {
	items, ok := t.([]any)
	if !ok {
		return malformed(path, "expected a list")
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if item == nil {
			return malformed(path, "list items must not be null")
		}
		if err := assign(s.Member.Target, s.Member, item, out.Index(i), fmt.Sprintf("%s.%d.member", path, i+1)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func assignMap(s *Shape, t tree, v reflect.Value, path string) error {
	entries, ok := t.(map[string]any)
	if !ok {
		return malformed(path, "expected a map")
	}
	out := reflect.MakeMapWithSize(v.Type(), len(entries))
	for key, item := range entries {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := assign(s.Value.Target, s.Value, item, e, path+"."+key); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key), e)
	}
	v.Set(out)
	return nil
}

func assignScalar(s *Shape, t tree, v reflect.Value, path string) error {
	text, quoted := t.(string)
	if n, ok := t.(json.Number); ok {
		text = n.String()
	}
	switch s.Type {
	case "string", "character":
		if !quoted {
			return malformed(path, "expected a string")
		}
		v.SetString(text)
	case "boolean":
		if b, ok := t.(bool); ok {
			v.SetBool(b)
			return nil
		}
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return malformed(path, "expected true or false")
		}
		v.SetBool(b)
	case "integer", "long":
		n, err := strconv.ParseInt(text, 10, 64)
		if f, ferr := strconv.ParseFloat(text, 64); err != nil && ferr == nil && f == float64(int64(f)) {
			n, err = int64(f), nil
		}
		if err != nil {
			return malformed(path, "expected an integer")
		}
		v.SetInt(n)
	case "float", "double":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return malformed(path, "expected a number")
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("shape %s has the unknown type %s", s.Name, s.Type)
	}
	return nil
}

// The seconds since 1970 of the years that a time can be written in.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// parseTime accepts the forms in which AWS's protocols write a time: seconds since 1970, ISO 8601, RFC 822.
func parseTime(t tree) (time.Time, error) {
	text, _ := t.(string)
	if n, ok := t.(json.Number); ok {
		text = n.String()
	}
	if secs, err := strconv.ParseFloat(text, 64); err == nil {
		if !(secs >= firstSecond && secs <= lastSecond) {
			return time.Time{}, fmt.Errorf("%q is not a time of the years 1 to 9999", text)
		}
		whole := int64(secs)
		return time.Unix(whole, int64((secs-float64(whole))*1e9)).Round(time.Millisecond).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02", time.RFC1123, time.RFC1123Z} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", text)
}
