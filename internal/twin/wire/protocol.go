package wire

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// maxBody bounds what is read into memory; streaming bodies (S3 objects) are not.
const maxBody = 64 << 20

// Request is a request on its way to an operation.
type Request struct {
	HTTP   *http.Request
	API    *API
	Op     *OperationModel
	labels map[string]string
	form   url.Values
	json   bool
}

// Route finds the operation that r asks for. The form of a query or ec2 request is read here.
func (a *API) Route(r *http.Request) (*Request, error) {
	m, err := a.Model()
	if err != nil {
		return nil, err
	}
	req := &Request{HTTP: r, API: a}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		req.json = true
		prefix, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if m.Metadata.TargetPrefix != "" && prefix == m.Metadata.TargetPrefix {
			req.Op = m.Operations[name]
		}
		if req.Op == nil {
			return req, &Error{Code: "UnknownOperationException", Message: "The operation " + name + " is not one of " + m.Metadata.ServiceID + "'s"}
		}
	case a.formProtocol():
		if req.form, err = readForm(r); err != nil {
			return req, err
		}
		if req.Op = m.Operations[req.form.Get("Action")]; req.Op == nil {
			return req, Errorf("InvalidAction", "Could not find operation %s for version %s", req.form.Get("Action"), cmp.Or(req.form.Get("Version"), m.Metadata.APIVersion))
		}
	case strings.HasPrefix(m.Metadata.Protocol, "rest-"):
		if a.Name == "s3" {
			r = pathStyle(r)
			req.HTTP = r
		}
		if req.Op, req.labels = m.findRoute(r); req.Op == nil {
			return req, &Error{Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.", Status: http.StatusMethodNotAllowed}
		}
		if a.Name == "s3" {
			return req, unserved(r, req.Op)
		}
	default:
		return req, &Error{Code: "UnknownOperationException", Message: "The request names no operation: the header X-Amz-Target is missing"}
	}
	return req, nil
}

func (a *API) formProtocol() bool {
	p := a.model.Metadata.Protocol
	return p == "query" || p == "ec2" || slices.Contains(a.model.Metadata.Protocols, "query")
}

func readForm(r *http.Request) (url.Values, error) {
	form := r.URL.Query()
	if r.Body == nil || r.Method == http.MethodGet {
		return form, nil
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	posted, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, Errorf("MalformedQueryString", "The request body is not a form: %v", err)
	}
	for k, v := range posted {
		form[k] = v
	}
	return form, nil
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		var known *Error
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, Errorf("IncompleteBody", "The request body could not be read: %v", err)
	}
	if len(body) > maxBody {
		return nil, &Error{Code: "RequestEntityTooLarge", Message: fmt.Sprintf("The request body is larger than %d bytes", maxBody), Status: http.StatusRequestEntityTooLarge}
	}
	return body, nil
}

// Decode fills in, a pointer to the operation's input type.
func (q *Request) Decode(in any) error {
	if q.Op.Input == nil {
		return nil
	}
	s, v := q.Op.Input.Target, reflect.ValueOf(in).Elem()
	protocol := q.API.model.Metadata.Protocol
	switch {
	case q.form != nil:
		return q.decodeForm(s, v, protocol == "ec2")
	case q.json:
		return q.decodeJSON(s, v)
	}
	if err := assignLocations(s, q.HTTP, q.labels, v); err != nil {
		return err
	}
	return q.decodeRESTBody(s, v, protocol == "rest-xml")
}

func (q *Request) decodeForm(s *Shape, v reflect.Value, ec2 bool) error {
	reader := newFormReader(q.form, ec2)
	if err := assign(s, nil, reader.structure(s, ""), v, ""); err != nil {
		return err
	}
	if extra := reader.leftover(); extra != "" {
		return Errorf("UnknownParameter", "The parameter %s is not recognized", extra)
	}
	return nil
}

func (q *Request) decodeJSON(s *Shape, v reflect.Value) error {
	body, err := readBody(q.HTTP)
	if err != nil {
		return err
	}
	t, err := parseJSON(body)
	if err != nil {
		return err
	}
	return assign(s, nil, t, v, "")
}

func (q *Request) decodeRESTBody(s *Shape, v reflect.Value, asXML bool) error {
	ref, v, path := &Ref{Target: s}, v, ""
	if s.Payload != "" {
		ref, v, path = s.Members[s.Payload], field(v, s.Payload), join("", s.Payload)
	}
	switch {
	case v.Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(q.HTTP.Body))
		return nil
	case !hasBody(s) && s.Payload == "":
		return nil
	}
	body, err := readBody(q.HTTP)
	if err != nil || len(body) == 0 {
		return err
	}
	var t tree
	switch {
	case ref.Target.Type == "blob":
		v.SetBytes(body)
		return nil
	case ref.Target.Type == "string":
		t = string(body)
	case asXML:
		node, err := parseXML(bytes.NewReader(body))
		if err != nil {
			return err
		}
		t = node.tree(ref.Target, ref)
	default:
		if t, err = parseJSON(body); err != nil {
			return err
		}
	}
	return assign(ref.Target, ref, t, v, path)
}

// hasBody reports whether any member lives in the body.
func hasBody(s *Shape) bool {
	for _, ref := range s.Members {
		if ref.Location == "" {
			return true
		}
	}
	return false
}

// WriteOutput sends an operation's output, a pointer to its output type.
func (q *Request) WriteOutput(w http.ResponseWriter, out any, requestID string) error {
	h := w.Header()
	m := q.API.model
	var s *Shape
	if q.Op.Output != nil {
		s = q.Op.Output.Target
	}
	v := reflect.ValueOf(out).Elem()
	switch {
	case q.json:
		h.Set("X-Amzn-Requestid", requestID)
		return q.writeJSON(w, s, v)
	case q.form != nil:
		h.Set("X-Amzn-Requestid", requestID)
		return q.writeQuery(w, s, v, requestID)
	}
	h.Set("X-Amz-Request-Id", requestID)
	h.Set("X-Amzn-Requestid", requestID)
	return q.writeREST(w, s, v, m.Metadata.Protocol == "rest-xml")
}

func (q *Request) writeJSON(w http.ResponseWriter, s *Shape, v reflect.Value) error {
	if s != nil {
		if name, ok := streamMember(s); ok {
			return writeEvents(w, q.HTTP, s.Members[name], field(v, name))
		}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-"+cmp.Or(q.API.model.Metadata.JSONVersion, "1.1"))
	b := []byte("{}")
	if s != nil {
		var err error
		if b, err = appendJSONStruct(nil, s, v, ""); err != nil {
			return err
		}
	}
	return send(w, http.StatusOK, b)
}

func send(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

func (q *Request) writeQuery(w http.ResponseWriter, s *Shape, v reflect.Value, requestID string) error {
	x := &xmlWriter{}
	m := q.API.model.Metadata
	response := q.Op.Name + "Response"
	x.WriteString(xmlHead)
	x.open(response, &XMLNamespace{URI: cmp.Or(m.XMLNamespace, "http://"+m.EndpointPrefix+".amazonaws.com/doc/"+m.APIVersion+"/")})
	if m.Protocol == "ec2" {
		x.text("requestId", requestID)
	}
	wrapper := ""
	if q.Op.Output != nil {
		wrapper = q.Op.Output.ResultWrapper
	}
	if wrapper != "" {
		x.open(wrapper, nil)
	}
	if s != nil {
		if err := x.structure(s, v); err != nil {
			return err
		}
	}
	if wrapper != "" {
		x.close(wrapper)
	}
	if m.Protocol == "ec2" {
		if s == nil {
			x.text("return", "true")
		}
	} else {
		x.open("ResponseMetadata", nil)
		x.text("RequestId", requestID)
		x.close("ResponseMetadata")
	}
	x.close(response)
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	return send(w, http.StatusOK, x.Bytes())
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func (q *Request) writeREST(w http.ResponseWriter, s *Shape, v reflect.Value, asXML bool) error {
	status := q.Op.HTTP.ResponseCode
	if status == 0 {
		status = http.StatusOK
	}
	if s == nil {
		w.WriteHeader(status)
		return nil
	}
	wanted, err := writeLocations(s, v, w.Header())
	if err != nil {
		return err
	}
	if wanted != 0 {
		status = wanted
	}
	if w.Header().Get("Content-Range") != "" {
		status = http.StatusPartialContent
	}
	if s.Payload != "" {
		return q.writePayload(w, s, v, status, asXML)
	}
	if !hasBody(s) {
		w.WriteHeader(status)
		return nil
	}
	if !asXML {
		w.Header().Set("Content-Type", "application/json")
		b, err := appendJSONStruct(nil, s, v, "")
		if err != nil {
			return err
		}
		return send(w, status, b)
	}
	if q.API.Name == "s3" && s.Name == "GetBucketLocationOutput" {
		return writeLocation(w, v)
	}
	return q.writeXMLBody(w, status, &Ref{Target: s, XMLNamespace: q.Op.Output.XMLNamespace}, cmp.Or(s.LocationName, q.resultName(s)), v)
}

// resultName is the root element of a rest-xml answer whose output names none: S3's own name for it, otherwise the shape's.
func (q *Request) resultName(s *Shape) string {
	if n := q.Op.Output.LocationName; n != "" {
		return n
	}
	if name := s3Roots[s.Name]; name != "" && q.API.Name == "s3" {
		return name
	}
	return s.Name
}

func (q *Request) writePayload(w http.ResponseWriter, s *Shape, v reflect.Value, status int, asXML bool) error {
	ref := s.Members[s.Payload]
	f := field(v, s.Payload)
	body, ok := present(f)
	if !ok {
		w.WriteHeader(status)
		return nil
	}
	switch ref.Target.Type {
	case "blob":
		if stream, ok := f.Interface().(io.ReadCloser); ok {
			defer stream.Close()
			w.WriteHeader(status)
			_, err := io.Copy(w, stream)
			return err
		}
		return send(w, status, body.Bytes())
	case "string":
		return send(w, status, []byte(body.String()))
	}
	if asXML {
		return q.writeXMLBody(w, status, ref, cmp.Or(ref.LocationName, ref.Target.Name), body)
	}
	w.Header().Set("Content-Type", "application/json")
	b, err := appendJSON(nil, ref.Target, ref, body)
	if err != nil {
		return err
	}
	return send(w, status, b)
}

func (q *Request) writeXMLBody(w http.ResponseWriter, status int, ref *Ref, name string, v reflect.Value) error {
	x := &xmlWriter{}
	x.WriteString(xmlHead)
	ns := ref.XMLNamespace
	if ns == nil && ref.Target.XMLNamespace == nil && q.API.Name == "s3" {
		ns = &XMLNamespace{URI: s3Namespace}
	}
	x.openStruct(name, &Ref{Target: ref.Target, XMLNamespace: ns}, ref.Target, v)
	if err := x.structure(ref.Target, v); err != nil {
		return err
	}
	x.close(name)
	w.Header().Set("Content-Type", "application/xml")
	return send(w, status, x.Bytes())
}
