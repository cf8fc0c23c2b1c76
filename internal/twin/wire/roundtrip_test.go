package wire_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/ecr"
	"slipway.dev/internal/twin/api/ecs"
	"slipway.dev/internal/twin/api/elbv2"
	"slipway.dev/internal/twin/api/iam"
	"slipway.dev/internal/twin/api/kms"
	"slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/wire"
)

// services are those whose every operation goes through the wire and back; the client's end of each protocol is written anew
// below, from AWS's description of it.
var services = []struct {
	api    *wire.API
	client reflect.Type
}{
	{kms.API, reflect.TypeFor[kms.Client]()}, {ecs.API, reflect.TypeFor[ecs.Client]()}, {ecr.API, reflect.TypeFor[ecr.Client]()},
	{logs.API, reflect.TypeFor[logs.Client]()}, {ssm.API, reflect.TypeFor[ssm.Client]()},
	{sts.API, reflect.TypeFor[sts.Client]()}, {iam.API, reflect.TypeFor[iam.Client]()}, {elbv2.API, reflect.TypeFor[elbv2.Client]()},
	{cloudformation.API, reflect.TypeFor[cloudformation.Client]()}, {ec2.API, reflect.TypeFor[ec2.Client]()},
}

// awkward holds what has to be escaped in one protocol or another.
const awkward = `a <b> & "c" + %2B é` + "\n\t=;日本"

var instant = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// fill sets every member that a shape has, two of each in lists and maps; recursive shapes end at some depth.
func fill(s *wire.Shape, v reflect.Value, depth int) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case "structure":
		for _, name := range s.MemberNames() {
			f := v.FieldByName(wire.FieldName(name))
			if f.Kind() != reflect.Interface && f.Kind() != reflect.Func && depth < 7 {
				fill(s.Members[name].Target, f, depth+1)
			}
		}
	case "list":
		list := reflect.MakeSlice(v.Type(), 2, 2)
		for i := range 2 {
			fill(s.Member.Target, list.Index(i), depth+1)
		}
		v.Set(list)
	case "map":
		m := reflect.MakeMap(v.Type())
		for _, key := range []string{"one", awkward} {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(s.Value.Target, e, depth+1)
			m.SetMapIndex(reflect.ValueOf(key), e)
		}
		v.Set(m)
	case "string", "character":
		v.SetString(awkward)
	case "integer", "long":
		v.SetInt(-7)
	case "float", "double":
		v.SetFloat(0.25)
	case "boolean":
		v.SetBool(true)
	case "timestamp":
		v.Set(reflect.ValueOf(instant))
	case "blob":
		v.SetBytes([]byte{0, 255, '<'})
	}
}

// streams reports whether a shape has a member that is a stream, which has tests of its own.
func streams(s *wire.Shape) bool {
	for _, ref := range s.Members {
		if ref.Target.EventStream {
			return true
		}
	}
	return false
}

func deref(v reflect.Value) (reflect.Value, bool) {
	if v.Kind() == reflect.Pointer {
		return v.Elem(), !v.IsNil()
	}
	return v, v.Kind() != reflect.Slice && v.Kind() != reflect.Map && v.Kind() != reflect.Interface && v.Kind() != reflect.Func || !v.IsNil()
}

func memberName(name string, ref *wire.Ref) string { return cmp.Or(ref.LocationName, name) }

// toJSON is a client's JSON form. https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
func toJSON(s *wire.Shape, v reflect.Value) any {
	v, _ = deref(v)
	switch s.Type {
	case "structure":
		m := map[string]any{}
		for name, ref := range s.Members {
			if f, ok := deref(v.FieldByName(wire.FieldName(name))); ok {
				m[memberName(name, ref)] = toJSON(ref.Target, f)
			}
		}
		return m
	case "list":
		var list []any
		for i := range v.Len() {
			list = append(list, toJSON(s.Member.Target, v.Index(i)))
		}
		return list
	case "map":
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = toJSON(s.Value.Target, v.MapIndex(k))
		}
		return m
	case "timestamp":
		return v.Interface().(time.Time).Unix()
	}
	return v.Interface()
}

func fromJSON(t *testing.T, s *wire.Shape, ref *wire.Ref, doc any, v reflect.Value) {
	if doc == nil {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case "structure":
		m := doc.(map[string]any)
		for name, ref := range s.Members {
			fromJSON(t, ref.Target, ref, m[memberName(name, ref)], v.FieldByName(wire.FieldName(name)))
			delete(m, memberName(name, ref))
		}
		if len(m) > 0 {
			t.Errorf("%s: unknown members %v", s.Name, m)
		}
	case "list":
		items := doc.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			fromJSON(t, s.Member.Target, s.Member, item, v.Index(i))
		}
	case "map":
		v.Set(reflect.MakeMap(v.Type()))
		for key, item := range doc.(map[string]any) {
			e := reflect.New(v.Type().Elem()).Elem()
			fromJSON(t, s.Value.Target, s.Value, item, e)
			v.SetMapIndex(reflect.ValueOf(key), e)
		}
	default:
		text, ok := doc.(string)
		if !ok {
			text = fmt.Sprint(doc)
		}
		fromText(t, s, ref, text, v)
	}
}

// fromText reads a scalar. Times are seconds where the protocol or the shape has them, else ISO 8601.
func fromText(t *testing.T, s *wire.Shape, _ *wire.Ref, text string, v reflect.Value) {
	var err error
	switch s.Type {
	case "string", "character":
		v.SetString(text)
	case "integer", "long":
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
	case "float", "double":
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		v.SetFloat(f)
	case "boolean":
		v.SetBool(text == "true")
	case "blob":
		var b []byte
		b, err = base64.StdEncoding.DecodeString(text)
		v.SetBytes(b)
	case "timestamp":
		var at time.Time
		if f, ferr := strconv.ParseFloat(text, 64); ferr == nil {
			at = time.Unix(int64(f), 0).UTC()
		} else {
			at, err = time.Parse(time.RFC3339, text)
		}
		v.Set(reflect.ValueOf(at))
	}
	if err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
}

// toForm is a client's form. https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and aws-ec2-query-protocol.html
func toForm(form url.Values, at string, s *wire.Shape, ref *wire.Ref, v reflect.Value, ec2 bool) {
	v, ok := deref(v)
	if !ok {
		return
	}
	flat := ec2 || s.Flattened || ref != nil && ref.Flattened
	switch s.Type {
	case "structure":
		for name, ref := range s.Members {
			toForm(form, strings.TrimPrefix(at+"."+formName(name, ref, ec2), "."), ref.Target, ref, v.FieldByName(wire.FieldName(name)), ec2)
		}
	case "list":
		if !flat {
			at += "." + cmp.Or(s.Member.LocationName, "member")
		}
		for i := range v.Len() {
			toForm(form, at+"."+strconv.Itoa(i+1), s.Member.Target, s.Member, v.Index(i), ec2)
		}
	case "map":
		if !flat {
			at += ".entry"
		}
		for i, k := range v.MapKeys() {
			n := at + "." + strconv.Itoa(i+1) + "."
			form.Set(n+cmp.Or(s.Key.LocationName, "key"), k.String())
			toForm(form, n+cmp.Or(s.Value.LocationName, "value"), s.Value.Target, s.Value, v.MapIndex(k), ec2)
		}
	case "timestamp":
		form.Set(at, v.Interface().(time.Time).Format(time.RFC3339))
	case "blob":
		form.Set(at, base64.StdEncoding.EncodeToString(v.Bytes()))
	default:
		form.Set(at, fmt.Sprint(v.Interface()))
	}
}

func formName(name string, ref *wire.Ref, ec2 bool) string {
	switch {
	case ec2 && ref.QueryName != "":
		return ref.QueryName
	case ec2:
		n := cmp.Or(ref.LocationName, name)
		return strings.ToUpper(n[:1]) + n[1:]
	case ref.Target.Type == "list" && (ref.Flattened || ref.Target.Flattened):
		return cmp.Or(ref.Target.Member.LocationName, ref.LocationName, name)
	}
	return cmp.Or(ref.LocationName, name)
}

type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func (e element) named(name string) (found []element) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
	}
	return found
}

func fromXML(t *testing.T, s *wire.Shape, ref *wire.Ref, nodes []element, v reflect.Value) {
	if len(nodes) == 0 {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	flat := s.Flattened || ref != nil && ref.Flattened
	switch s.Type {
	case "structure":
		for name, ref := range s.Members {
			n := memberName(name, ref)
			if ref.Target.Type == "list" && (ref.Flattened || ref.Target.Flattened) {
				n = cmp.Or(ref.Target.Member.LocationName, n)
			}
			fromXML(t, ref.Target, ref, nodes[0].named(n), v.FieldByName(wire.FieldName(name)))
		}
	case "list":
		items := nodes
		if !flat {
			items = nodes[0].named(cmp.Or(s.Member.LocationName, "member"))
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i := range items {
			fromXML(t, s.Member.Target, s.Member, items[i:i+1], v.Index(i))
		}
	case "map":
		entries := nodes
		if !flat {
			entries = nodes[0].named("entry")
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, entry := range entries {
			e := reflect.New(v.Type().Elem()).Elem()
			fromXML(t, s.Value.Target, s.Value, entry.named(cmp.Or(s.Value.LocationName, "value")), e)
			v.SetMapIndex(reflect.ValueOf(entry.named(cmp.Or(s.Key.LocationName, "key"))[0].Text), e)
		}
	default:
		fromText(t, s, ref, nodes[0].Text, v)
	}
}

// request is what a client sends for an operation.
func request(t *testing.T, m *wire.Model, op *wire.OperationModel, in reflect.Value) *http.Request {
	t.Helper()
	if m.Metadata.Protocol == "json" {
		doc := any(map[string]any{})
		if op.Input != nil {
			doc = toJSON(op.Input.Target, in)
		}
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("X-Amz-Target", m.Metadata.TargetPrefix+"."+op.Name)
		return r
	}
	form := url.Values{"Action": {op.Name}, "Version": {m.Metadata.APIVersion}}
	if op.Input != nil {
		toForm(form, "", op.Input.Target, nil, in, m.Metadata.Protocol == "ec2")
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestEveryOperationGoesThroughTheWire(t *testing.T) {
	t.Parallel()
	for _, s := range services {
		m, err := s.api.Model()
		if err != nil {
			t.Fatal(err)
		}
		for method := range s.client.Methods() {
			op := m.Operations[method.Name]
			t.Run(s.api.Name+"/"+op.Name, func(t *testing.T) {
				t.Parallel()
				throughTheWire(t, s.api, m, op, method.Type.In(2).Elem(), method.Type.Out(0).Elem())
			})
		}
	}
}

func throughTheWire(t *testing.T, api *wire.API, m *wire.Model, op *wire.OperationModel, inType, outType reflect.Type) {
	in := reflect.New(inType)
	if op.Input != nil {
		fill(op.Input.Target, in.Elem(), 0)
	}
	q, err := api.Route(request(t, m, op, in.Elem()))
	if err != nil {
		t.Fatal(err)
	}
	got := reflect.New(inType)
	if err := q.Decode(got.Interface()); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(in.Interface(), got.Interface()); diff != "" {
		t.Errorf("input (-sent +read):\n%s", diff)
	}
	if op.Output != nil && streams(op.Output.Target) {
		return
	}
	out := reflect.New(outType)
	if op.Output != nil {
		fill(op.Output.Target, out.Elem(), 0)
	}
	w := httptest.NewRecorder()
	if err := q.WriteOutput(w, out.Interface(), "id-1"); err != nil {
		t.Fatal(err)
	}
	read := reflect.New(outType)
	if op.Output != nil {
		readOutput(t, m, op, w, read.Elem())
	}
	if diff := gocmp.Diff(out.Interface(), read.Interface()); diff != "" {
		t.Errorf("output (-sent +read):\n%s\n%s", diff, w.Body)
	}
}

func readOutput(t *testing.T, m *wire.Model, op *wire.OperationModel, w *httptest.ResponseRecorder, v reflect.Value) {
	t.Helper()
	s := op.Output.Target
	if m.Metadata.Protocol == "json" {
		var doc any
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		fromJSON(t, s, nil, doc, v)
		return
	}
	var root element
	if err := xml.Unmarshal(w.Body.Bytes(), &root); err != nil {
		t.Fatalf("%v\n%s", err, w.Body)
	}
	if root.XMLName.Local != op.Name+"Response" {
		t.Errorf("root is %s", root.XMLName.Local)
	}
	nodes := []element{root}
	if op.Output.ResultWrapper != "" {
		nodes = root.named(op.Output.ResultWrapper)
	}
	if len(nodes) != 1 || !slices.Contains([]string{"query", "ec2"}, m.Metadata.Protocol) {
		t.Fatalf("no result in %s", w.Body)
	}
	fromXML(t, s, nil, nodes, v)
}
