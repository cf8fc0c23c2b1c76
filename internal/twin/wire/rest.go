package wire

import (
	"cmp"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// route is a REST operation's method and URI, taken apart once.
type route struct {
	op       *OperationModel
	method   string
	segments []string          // "{Bucket}", "{Key+}" or literal
	query    map[string]string // fixed parameters; "" where only the name counts
	needs    []*Ref            // required members in the query or a header
}

func newRoute(op *OperationModel) route {
	path, query, _ := strings.Cut(op.HTTP.RequestURI, "?")
	r := route{op: op, method: op.HTTP.Method, segments: split(path), query: map[string]string{}}
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); name != "" {
			r.query[name] = value
		}
	}
	if op.Input != nil {
		for _, name := range op.Input.Target.Required {
			if ref := op.Input.Target.Members[name]; ref.Location == "querystring" || ref.Location == "header" {
				r.needs = append(r.needs, ref)
			}
		}
	}
	return r
}

func split(path string) []string {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match scores how well a request fits; negative where it does not. Labels are the URI's variable parts, unescaped.
func (t route) match(r *http.Request, path []string, query url.Values) (score int, labels map[string]string) {
	if t.method != r.Method {
		return -1, nil
	}
	labels, literal := t.labels(path)
	if labels == nil {
		return -1, nil
	}
	for name, value := range t.query {
		if !query.Has(name) || (value != "" && query.Get(name) != value) {
			return -1, nil
		}
	}
	score = literal + 10*len(t.query)
	for _, ref := range t.needs {
		found := ref.Location == "querystring" && query.Has(ref.LocationName) || ref.Location == "header" && r.Header.Get(ref.LocationName) != ""
		if !found {
			return -1, nil
		}
		score += 5
	}
	return score, labels
}

func (t route) labels(path []string) (map[string]string, int) {
	labels := map[string]string{}
	literal := 0
	for i, s := range t.segments {
		name, variable := strings.CutPrefix(s, "{")
		name = strings.TrimSuffix(name, "}")
		greedy := strings.HasSuffix(name, "+")
		name = strings.TrimSuffix(name, "+")
		switch {
		case i >= len(path):
			return nil, 0
		case greedy:
			rest := strings.Join(path[i:], "/")
			if rest == "" {
				return nil, 0
			}
			labels[name] = unescape(rest)
			return labels, literal
		case variable:
			if path[i] == "" {
				return nil, 0
			}
			labels[name] = unescape(path[i])
		case s != path[i]:
			return nil, 0
		default:
			literal++
		}
	}
	if len(path) > len(t.segments) && !(len(path) == len(t.segments)+1 && path[len(path)-1] == "") {
		return nil, 0
	}
	return labels, literal
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// findRoute picks the operation that fits the request best.
func (m *Model) findRoute(r *http.Request) (*OperationModel, map[string]string) {
	m.routesOnce.Do(func() {
		for _, op := range m.Operations {
			if !op.Deprecated {
				m.routes = append(m.routes, newRoute(op))
			}
		}
		slices.SortFunc(m.routes, func(a, b route) int { return strings.Compare(a.op.Name, b.op.Name) })
	})
	path, query := split(r.URL.EscapedPath()), r.URL.Query()
	best := -1
	var op *OperationModel
	var labels map[string]string
	for _, t := range m.routes {
		if score, l := t.match(r, path, query); score > best {
			best, op, labels = score, t.op, l
		}
	}
	return op, labels
}

// assignLocations fills the members that live in the URI, the query or the headers.
func assignLocations(s *Shape, r *http.Request, labels map[string]string, v reflect.Value) error {
	query := r.URL.Query()
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		f := field(v, name)
		if !f.IsValid() {
			continue
		}
		var t tree
		switch ref.Location {
		case "uri":
			if label, ok := labels[cmp.Or(ref.LocationName, name)]; ok {
				t = label
			}
		case "querystring":
			t = queryTree(ref, query)
		case "header":
			t = headerTree(ref, r.Header)
		case "headers":
			t = prefixedHeaders(r.Header, ref.LocationName)
		}
		if t == nil {
			continue
		}
		if err := assign(ref.Target, ref, t, f, join("", name)); err != nil {
			return err
		}
	}
	return nil
}

func queryTree(ref *Ref, query url.Values) tree {
	values, ok := query[ref.LocationName]
	if !ok {
		return nil
	}
	if ref.Target.Type == "list" {
		return anyList(values)
	}
	return values[0]
}

func headerTree(ref *Ref, h http.Header) tree {
	values := h.Values(ref.LocationName)
	if len(values) == 0 {
		return nil
	}
	if ref.Target.Type == "list" {
		var parts []string
		for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
			parts = append(parts, strings.TrimSpace(part))
		}
		return anyList(parts)
	}
	return values[0]
}

func anyList(values []string) tree {
	items := make([]any, len(values))
	for i, v := range values {
		items[i] = v
	}
	return items
}

func prefixedHeaders(h http.Header, prefix string) tree {
	m := map[string]any{}
	for name, values := range h {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(prefix)); ok {
			m[rest] = values[0]
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// writeLocations sets the answer's headers and returns the status that the output asks for, 0 for the usual one.
func writeLocations(s *Shape, v reflect.Value, h http.Header) (status int, err error) {
	for _, name := range s.MemberNames() {
		ref := s.Members[name]
		f, ok := present(field(v, name))
		if !ok {
			continue
		}
		switch ref.Location {
		case "statusCode":
			status = int(f.Int())
		case "header":
			if err := writeHeader(h, ref, f); err != nil {
				return 0, err
			}
		case "headers":
			for _, k := range f.MapKeys() {
				// Not h.Set: SDKs take the rest of the name as it is written, and S3 writes the names of metadata small.
				h[strings.ToLower(ref.LocationName+k.String())] = []string{f.MapIndex(k).String()}
			}
		}
	}
	return status, nil
}

func writeHeader(h http.Header, ref *Ref, f reflect.Value) error {
	if ref.Target.Type == "list" {
		var parts []string
		for i := range f.Len() {
			parts = append(parts, f.Index(i).String())
		}
		h.Set(ref.LocationName, strings.Join(parts, ","))
		return nil
	}
	text, err := scalarText(ref.Target, ref, f, "rfc822")
	if err != nil {
		return err
	}
	h.Set(ref.LocationName, text)
	return nil
}
