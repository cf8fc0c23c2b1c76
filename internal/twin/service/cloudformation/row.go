package cloudformation

import (
	"context"
	"maps"
	"strings"
	"time"

	"slipway.dev/internal/cfn"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/resource"
	"slipway.dev/internal/twin/store"
)

// stackResource is one resource of a stack.
type stackResource struct {
	StackID, LogicalID, Type string
	PhysicalID               string
	Status, Reason           string
	Updated                  time.Time
	Properties               map[string]any // as last asked for; dynamic references stay references
	Tags                     map[string]string
	Attributes               map[string]any // Fn::GetAtt, read when the resource settled
	DependsOn                []string
	DeletionPolicy           string
	ReplacePolicy            string // UpdateReplacePolicy
	Operation                string // that settled it last
	Step                     step
	Token                    string
	Before                   *version  // what it was before the operation under way
	Replaced                 []version // what waits for the cleanup
	Fresh                    bool      // made by the operation under way
}

// step is what the engine waits for.
type step string

const (
	atRest   step = ""
	settling step = "settling"
	leaving  step = "leaving"
)

// version is a resource as it was.
type version struct {
	Type, PhysicalID string
	Properties       map[string]any
	Tags             map[string]string
	Attributes       map[string]any
	DependsOn        []string
	DeletionPolicy   string
	ReplacePolicy    string
}

func (r stackResource) version() version {
	return version{r.Type, r.PhysicalID, r.Properties, r.Tags, r.Attributes, r.DependsOn, r.DeletionPolicy, r.ReplacePolicy}
}

func (r *stackResource) become(v version) {
	r.Type, r.PhysicalID, r.Properties, r.Tags, r.Attributes = v.Type, v.PhysicalID, v.Properties, v.Tags, v.Attributes
	r.DependsOn, r.DeletionPolicy, r.ReplacePolicy = v.DependsOn, v.DeletionPolicy, v.ReplacePolicy
}

var resources = &store.Table[stackResource]{Name: "cfn_resources", Sealed: true, By: func(r stackResource) string { return r.StackID }}

func (s *Service) resourcesOf(ctx context.Context, tx *store.Tx, stackID string) ([]stackResource, error) {
	c := operation.CallerOf(ctx)
	return resources.ListBy(tx, c.Account, c.Region, stackID)
}

func (s *Service) rowKey(ctx context.Context, r stackResource) store.Key {
	return s.key(ctx, r.StackID[strings.LastIndex(r.StackID, "/")+1:]+"/"+r.LogicalID)
}

func (s *Service) saveRow(ctx context.Context, tx *store.Tx, r stackResource) error {
	return resources.Put(tx, s.rowKey(ctx, r), r)
}

// mark changes a resource's status and writes the event of it.
func (s *Service) mark(ctx context.Context, tx *store.Tx, st stack, r *stackResource, status, reason string) error {
	r.Status, r.Reason, r.Updated = status, reason, s.Clock.Now()
	if err := s.saveRow(ctx, tx, *r); err != nil {
		return err
	}
	e := event{LogicalID: r.LogicalID, PhysicalID: r.PhysicalID, Type: r.Type, Status: status, Reason: reason}
	if status == "CREATE_IN_PROGRESS" || status == "UPDATE_IN_PROGRESS" {
		e.Properties = asJSON(masked(r.Properties, st.secrets()))
	}
	return s.record(ctx, tx, st, e)
}

// request is a step for a resource as its service is asked for it.
func (s *Service) request(st stack, r stackResource, properties, previous map[string]any) resource.Request {
	tags := maps.Clone(r.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["aws:cloudformation:stack-id"], tags["aws:cloudformation:stack-name"], tags["aws:cloudformation:logical-id"] = st.ID, st.Name, r.LogicalID
	return resource.Request{StackID: st.ID, StackName: st.Name, LogicalID: r.LogicalID, Type: r.Type, PhysicalID: r.PhysicalID,
		Properties: properties, Previous: previous, Tags: tags, Token: r.Token}
}

// masked replaces secret texts in properties by the stars that CloudFormation shows.
func masked(value any, secrets []string) any {
	switch v := value.(type) {
	case string:
		for _, secret := range secrets {
			v = strings.ReplaceAll(v, secret, cfn.Masked)
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = masked(v[i], secrets)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = masked(v[k], secrets)
		}
		return out
	}
	return value
}

// secrets are the values of the stack's NoEcho parameters, now and where it is going.
func (st stack) secrets() (values []string) {
	definitions := []definition{st.Current}
	if st.Operation != nil {
		definitions = append(definitions, st.Operation.Target, st.Operation.Source)
	}
	for _, d := range definitions {
		for _, p := range d.Shown {
			if secret := d.Parameters[p.Name]; p.Value == cfn.Masked && secret != "" {
				values = append(values, secret)
			}
		}
	}
	return values
}
