// Package wire speaks AWS's protocols: it turns an HTTP request into the typed input of an operation and a typed output, or an
// error, into the response AWS would send. It is driven by AWS's published API models and holds no business logic.
package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// API is one AWS service as its published model describes it. The model is unpacked on first use.
type API struct {
	Name string // AWS's folder name for the service: "ecs", "elbv2", "application-autoscaling"

	packed []byte
	once   sync.Once
	model  *Model
	err    error
}

// NewAPI wraps a gzip-packed reduced model.
func NewAPI(name string, packed []byte) *API { return &API{Name: name, packed: packed} }

// Model unpacks the model once and returns it.
func (a *API) Model() (*Model, error) {
	a.once.Do(func() { a.model, a.err = unpack(a.packed) })
	return a.model, a.err
}

func unpack(packed []byte) (*Model, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack API model: %w", err)
	}
	doc, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("unpack API model: %w", err)
	}
	m := &Model{}
	if err := json.Unmarshal(doc, m); err != nil {
		return nil, fmt.Errorf("read API model: %w", err)
	}
	m.link()
	return m, nil
}

// Model is the reduced API model: botocore's service-2.json without prose.
type Model struct {
	Metadata   Metadata                   `json:"metadata"`
	Operations map[string]*OperationModel `json:"operations"`
	Shapes     map[string]*Shape          `json:"shapes"`

	routesOnce sync.Once
	routes     []route
}

// Metadata says how the service is addressed.
type Metadata struct {
	APIVersion     string    `json:"apiVersion"`
	EndpointPrefix string    `json:"endpointPrefix"`
	SigningName    string    `json:"signingName"`
	Protocol       string    `json:"protocol"`
	Protocols      []string  `json:"protocols"`
	JSONVersion    string    `json:"jsonVersion"`
	TargetPrefix   string    `json:"targetPrefix"`
	ServiceID      string    `json:"serviceId"`
	XMLNamespace   string    `json:"xmlNamespace"`
	QueryCompat    *struct{} `json:"awsQueryCompatible"`
}

// Signing is the service name that requests are signed for.
func (m Metadata) Signing() string {
	if m.SigningName != "" {
		return m.SigningName
	}
	return m.EndpointPrefix
}

// OperationModel is one operation of the model.
type OperationModel struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *Ref  `json:"input"`
	Output *Ref  `json:"output"`
	Errors []Ref `json:"errors"`
	// Deprecated operations of S3 share their route with the ones that took their place.
	Deprecated bool `json:"deprecated"`
}

// Ref is a use of a shape, with what the place of use adds.
type Ref struct {
	Shape           string        `json:"shape"`
	Location        string        `json:"location"`
	LocationName    string        `json:"locationName"`
	QueryName       string        `json:"queryName"`
	ResultWrapper   string        `json:"resultWrapper"`
	Streaming       bool          `json:"streaming"`
	Flattened       bool          `json:"flattened"`
	XMLAttribute    bool          `json:"xmlAttribute"`
	XMLNamespace    *XMLNamespace `json:"xmlNamespace"`
	TimestampFormat string        `json:"timestampFormat"`
	JSONValue       bool          `json:"jsonvalue"`
	EventPayload    bool          `json:"eventpayload"`
	HostLabel       bool          `json:"hostLabel"`

	Target *Shape `json:"-"` // the shape itself, linked when the model is unpacked
}

// XMLNamespace is the namespace of an element; Prefix is set for attributes such as xsi:type.
type XMLNamespace struct {
	URI    string `json:"uri"`
	Prefix string `json:"prefix"`
}

// UnmarshalJSON accepts a bare string as well.
func (x *XMLNamespace) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &x.URI)
	}
	type plain XMLNamespace
	return json.Unmarshal(b, (*plain)(x))
}

// Shape is one type of the model.
type Shape struct {
	Type            string          `json:"type"`
	Members         map[string]*Ref `json:"members"`
	Required        []string        `json:"required"`
	Member          *Ref            `json:"member"`
	Key             *Ref            `json:"key"`
	Value           *Ref            `json:"value"`
	Payload         string          `json:"payload"`
	LocationName    string          `json:"locationName"`
	Flattened       bool            `json:"flattened"`
	Streaming       bool            `json:"streaming"`
	Sensitive       bool            `json:"sensitive"`
	Enum            []string        `json:"enum"`
	Pattern         string          `json:"pattern"`
	Min             *float64        `json:"min"`
	Max             *float64        `json:"max"`
	TimestampFormat string          `json:"timestampFormat"`
	XMLNamespace    *XMLNamespace   `json:"xmlNamespace"`
	Exception       bool            `json:"exception"`
	Fault           bool            `json:"fault"`
	Document        bool            `json:"document"`
	EventStream     bool            `json:"eventstream"`
	Union           bool            `json:"union"`
	Error           *ErrorTrait     `json:"error"`

	Name   string `json:"-"`
	sorted []string
}

// ErrorTrait is the wire form of an error shape.
type ErrorTrait struct {
	Code           string `json:"code"`
	HTTPStatusCode int    `json:"httpStatusCode"`
	SenderFault    bool   `json:"senderFault"`
}

// MemberNames are the names of a structure's members, sorted.
func (s *Shape) MemberNames() []string { return s.sorted }

// link points every reference at its shape.
func (m *Model) link() {
	for name, s := range m.Shapes {
		s.Name = name
		s.sorted = slices.Sorted(maps.Keys(s.Members))
		for _, r := range s.Members {
			r.Target = m.Shapes[r.Shape]
		}
		for _, r := range []*Ref{s.Member, s.Key, s.Value} {
			if r != nil {
				r.Target = m.Shapes[r.Shape]
			}
		}
	}
	for name, op := range m.Operations {
		op.Name = name
		for _, r := range []*Ref{op.Input, op.Output} {
			if r != nil {
				r.Target = m.Shapes[r.Shape]
			}
		}
		for i := range op.Errors {
			op.Errors[i].Target = m.Shapes[op.Errors[i].Shape]
		}
	}
}

// FieldName is the Go field of a member: the member with an upper-case first letter.
func FieldName(member string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == ':' {
			return '_'
		}
		return r
	}, member)
	return strings.ToUpper(name[:1]) + name[1:]
}

// EventStream is the body of a streaming answer: the operation's output holds a function that sends events until the caller
// goes away or there are no more.
type EventStream[T any] func(ctx context.Context, send func(T) error) error
