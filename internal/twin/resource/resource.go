// Package resource is what a CloudFormation resource type is to the twin: properties turned into calls of the service's own
// operations.
//
// Create, Update and Delete run inside the transaction in which CloudFormation writes down their outcome, so they commit what is
// wanted and return; what takes time is done by the service's loop and waited for with Settled and Gone.
package resource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/wire"
)

// Type is a resource type. Only Name, Fidelity, Create and Delete are required.
type Type struct {
	Name     string // "AWS::ECS::Service"
	Fidelity operation.Fidelity
	// Inert are top-level properties that are stored but have no effect here; the coverage table lists them.
	Inert []string
	// Create makes the resource and returns what Ref gives.
	Create func(ctx context.Context, r Request) (id string, err error)
	// Update changes it in place. Types without Update are replaced on every change.
	Update func(ctx context.Context, r Request) error
	// Delete removes it. Removing what is gone already is no error.
	Delete func(ctx context.Context, r Request) error
	// Settled reports whether a creation or update has come to rest; an error fails it. Nil: at once.
	Settled func(ctx context.Context, r Request) (bool, error)
	// Gone reports whether a deletion has come to rest. Nil: at once.
	Gone func(ctx context.Context, r Request) (bool, error)
	// Attributes are the values of Fn::GetAtt, by attribute name ("Endpoint.Address" for nested ones).
	Attributes func(ctx context.Context, r Request) (map[string]any, error)
}

// Request is one step for one resource.
type Request struct {
	StackID    string
	StackName  string
	LogicalID  string
	Type       string
	PhysicalID string            // empty on Create
	Properties map[string]any    // resolved, with scalars of the schema's types
	Previous   map[string]any    // on Update
	Tags       map[string]string // of the stack, with the aws:cloudformation: ones
	Token      string            // the same when a step is repeated, different for every step that is another
}

// Into fills an API input from the properties. CloudFormation's property names are the API's member names but for the case of
// the first letter, and the generated types are written like the former. Properties that the input does not have must be
// named, so that none is dropped in silence.
func (r Request) Into(in any, others ...string) error { return Into(r.Properties, in, others...) }

// Into is Request.Into for properties from elsewhere.
func Into(properties map[string]any, in any, others ...string) error {
	rest := maps.Clone(properties)
	for _, name := range others {
		delete(rest, name)
	}
	doc, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return wire.Errorf("ValidationError", "Properties validation failed: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// Text returns a string property, "" where it is unset.
func (r Request) Text(name string) string {
	text, _ := r.Properties[name].(string)
	return text
}

// Name returns the property that names the resource, or a name made the way CloudFormation makes one:
// <stack>-<logical id>-<12 characters>, at most limit characters. A repeated step makes the same name.
func (r Request) Name(property string, limit int) string {
	if given := r.Text(property); given != "" {
		return given
	}
	suffix := "-" + Suffix(r.Token, 12)
	base := r.StackName + "-" + r.LogicalID
	if len(base)+len(suffix) > limit {
		half := (limit - len(suffix) - 1) / 2
		stack, logical := cut(r.StackName, half), cut(r.LogicalID, limit-len(suffix)-1-len(cut(r.StackName, half)))
		base = stack + "-" + logical
	}
	return base + suffix
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// Suffix is n upper-case letters and digits that depend on seed alone.
func Suffix(seed string, n int) string {
	sum := sha256.Sum256([]byte(seed))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

// AllTags are the stack's tags and the resource's own, which win.
func (r Request) AllTags() map[string]string {
	all := maps.Clone(r.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, TagsOf(r.Properties["Tags"]))
	return all
}

// TagsOf reads a Tags property: a list of {Key, Value}, or a map.
func TagsOf(property any) map[string]string {
	tags := map[string]string{}
	switch p := property.(type) {
	case map[string]any:
		for k, v := range p {
			tags[k] = fmt.Sprint(v)
		}
	case []any:
		for _, item := range p {
			m, _ := item.(map[string]any)
			key, _ := m["Key"].(string)
			tags[key] = fmt.Sprint(m["Value"])
		}
	}
	return tags
}

// TagList turns tags into the service's own tag type, sorted by key.
func TagList[T any](tags map[string]string, make func(key, value string) T) []T {
	list := []T{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, make(k, tags[k]))
	}
	return list
}

// Absent turns "it does not exist" errors of those codes into none, for deletions.
func Absent(err error, codes ...string) error {
	var e *wire.Error
	if errors.As(err, &e) && slices.Contains(codes, e.Code) {
		return nil
	}
	return err
}
