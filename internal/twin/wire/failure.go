package wire

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// WriteError sends an error the way the service's protocol does. q may lack an operation.
func (q *Request) WriteError(w http.ResponseWriter, e *Error, requestID string) {
	code, status := q.describe(e)
	w.Header().Set("X-Amzn-Requestid", requestID)
	metadata := q.API.model.Metadata
	switch {
	case q.json || metadata.Protocol == "json" || metadata.Protocol == "rest-json":
		q.writeJSONError(w, e, code, status)
	case metadata.Protocol == "ec2":
		x := &xmlWriter{}
		x.WriteString(xmlHead + "<Response><Errors><Error>")
		x.text("Code", code)
		x.text("Message", e.Message)
		x.WriteString("</Error></Errors>")
		x.text("RequestID", requestID)
		x.WriteString("</Response>")
		sendXML(w, status, x)
	case metadata.Protocol == "rest-xml" && q.API.Name == "s3":
		q.writeS3Error(w, e, code, status, requestID)
	default:
		q.writeQueryError(w, e, code, status, requestID)
	}
}

func sendXML(w http.ResponseWriter, status int, x *xmlWriter) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	_ = send(w, status, x.Bytes()) // a caller who is gone needs no answer
}

// describe finds the error's shape among the operation's errors: it knows the code on the wire and the HTTP status.
func (q *Request) describe(e *Error) (code string, status int) {
	code, status = e.Code, e.Status
	if s := q.shapeOf(e); s != nil && s.Error != nil {
		if s.Error.Code != "" && !q.json {
			code = s.Error.Code
		}
		if status == 0 {
			status = s.Error.HTTPStatusCode
		}
	}
	if status == 0 {
		status = http.StatusBadRequest
	}
	return code, status
}

func (q *Request) shapeOf(e *Error) *Shape {
	if q.Op == nil {
		return nil
	}
	i := slices.IndexFunc(q.Op.Errors, func(r Ref) bool {
		return r.Target != nil && (r.Shape == e.Code || r.Target.Error != nil && r.Target.Error.Code == e.Code)
	})
	if i < 0 {
		return q.API.model.Shapes[e.Code]
	}
	return q.Op.Errors[i].Target
}

func (q *Request) writeJSONError(w http.ResponseWriter, e *Error, code string, status int) {
	body := map[string]any{"__type": code}
	message := "message"
	if s := q.shapeOf(e); s != nil && s.Members["Message"] != nil {
		message = "Message"
	}
	body[message] = e.Message
	for name, value := range e.Fields {
		body[name] = value
	}
	w.Header().Set("Content-Type", "application/x-amz-json-"+cmp.Or(q.API.model.Metadata.JSONVersion, "1.1"))
	w.Header().Set("X-Amzn-Errortype", code)
	b, err := json.Marshal(body)
	if err != nil {
		b = []byte(`{"__type":"InternalFailure"}`)
	}
	_ = send(w, status, b)
}

func (q *Request) writeQueryError(w http.ResponseWriter, e *Error, code string, status int, requestID string) {
	x := &xmlWriter{}
	m := q.API.model.Metadata
	x.WriteString(xmlHead)
	x.open("ErrorResponse", &XMLNamespace{URI: cmp.Or(m.XMLNamespace, "http://"+m.EndpointPrefix+".amazonaws.com/doc/"+m.APIVersion+"/")})
	x.open("Error", nil)
	kind := "Sender"
	if status >= 500 {
		kind = "Receiver"
	}
	x.text("Type", kind)
	x.text("Code", code)
	x.text("Message", e.Message)
	x.close("Error")
	x.text("RequestId", requestID)
	x.close("ErrorResponse")
	sendXML(w, status, x)
}

func (q *Request) writeS3Error(w http.ResponseWriter, e *Error, code string, status int, requestID string) {
	w.Header().Set("X-Amz-Request-Id", requestID)
	if status == http.StatusNotModified || q.HTTP.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	x := &xmlWriter{}
	x.WriteString(xmlHead + "<Error>")
	x.text("Code", code)
	x.text("Message", e.Message)
	for _, name := range sortedKeys(e.Fields) {
		if text, ok := e.Fields[name].(string); ok {
			x.text(name, text)
		}
	}
	x.text("Resource", q.HTTP.URL.Path)
	x.text("RequestId", requestID)
	x.WriteString("</Error>")
	w.Header().Set("Content-Type", "application/xml")
	_ = send(w, status, x.Bytes()) // a caller who is gone needs no answer
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
