package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

func parseJSON(body []byte) (tree, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var t tree
	if err := d.Decode(&t); err != nil {
		return nil, Errorf("SerializationException", "Could not parse the request body as JSON: %v", err)
	}
	return t, nil
}

// appendJSON appends the JSON form of v, a value of the shape's type.
func appendJSON(b []byte, s *Shape, r *Ref, v reflect.Value) ([]byte, error) {
	v, ok := present(v)
	if !ok {
		return append(b, "null"...), nil
	}
	var err error
	switch s.Type {
	case "structure":
		return appendJSONStruct(b, s, v, "")
	case "list":
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, s.Member.Target, s.Member, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case "map":
		b = append(b, '{')
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return bytes.Compare([]byte(x.String()), []byte(y.String())) })
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k.String()), ':')
			if b, err = appendJSON(b, s.Value.Target, s.Value, v.MapIndex(k)); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case "timestamp":
		return appendJSONTime(b, format(s, r, "unixTimestamp"), v.Interface().(time.Time)), nil
	case "blob":
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes())), nil
	case "string", "character":
		return appendString(b, v.String()), nil
	case "boolean":
		return strconv.AppendBool(b, v.Bool()), nil
	case "integer", "long":
		return strconv.AppendInt(b, v.Int(), 10), nil
	case "float", "double":
		return appendFloat(b, v.Float()), nil
	}
	return nil, fmt.Errorf("shape %s has the unknown type %s", s.Name, s.Type)
}

// appendFloat writes whole numbers with a decimal point, as AWS does: languages that know integers tell them apart by it.
func appendFloat(b []byte, f float64) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if bytes.ContainsAny(b[from:], ".eIN") {
		return b
	}
	return append(b, ".0"...)
}

// appendJSONStruct appends the members that are set and live in the body; only, where not empty, is the location wanted.
func appendJSONStruct(b []byte, s *Shape, v reflect.Value, location string) ([]byte, error) {
	if s.Document {
		doc, err := json.Marshal(v.Interface())
		return append(b, doc...), err
	}
	b = append(b, '{')
	first := true
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		f := field(v, name)
		if _, ok := present(f); !ok || ref.Location != location {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, memberKey(name, ref)), ':')
		var err error
		if b, err = appendJSON(b, ref.Target, ref, f); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendString(b []byte, text string) []byte {
	quoted, _ := json.Marshal(text)
	return append(b, quoted...)
}

// format is how a timestamp is written: what the place of use says, else the shape, else the protocol's habit.
func format(s *Shape, r *Ref, habit string) string {
	if r != nil && r.TimestampFormat != "" {
		return r.TimestampFormat
	}
	if s.TimestampFormat != "" {
		return s.TimestampFormat
	}
	return habit
}

func timeText(kind string, at time.Time) string {
	switch kind {
	case "unixTimestamp":
		return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', -1, 64)
	case "rfc822":
		return at.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func appendJSONTime(b []byte, kind string, at time.Time) []byte {
	if kind == "unixTimestamp" {
		return append(b, timeText(kind, at)...)
	}
	return appendString(b, timeText(kind, at))
}
