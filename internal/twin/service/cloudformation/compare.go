package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/internal/cfn"
	"slipway.dev/internal/cfn/schema"
	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/store"
)

// resourceChange is what an update would do to one resource.
type resourceChange struct {
	Action      string // Add, Modify, Remove
	LogicalID   string
	PhysicalID  string
	Type        string
	Replacement schema.Replacement
	Details     []changeDetail
	Retain      bool
}

// changeDetail is the change of one property, with what caused it.
type changeDetail struct {
	cfn.PropertyChange
	Attribute  string // Properties or Tags
	Recreation schema.Replacement
	Source     string // DirectModification, ParameterReference, ResourceReference, ResourceAttribute
	Entity     string
	Dynamic    bool
	Secret     bool
}

// changes is a comparison of a stack with what it is to become.
type changes struct {
	list    []resourceChange
	outputs bool // outputs differ
}

// none reports whether an update would do nothing.
func (c changes) none(st stack, d definition) bool {
	return len(c.list) == 0 && !c.outputs && maps.Equal(st.Current.Tags, d.Tags) && st.Current.RoleARN == d.RoleARN
}

// comparison walks a template in the order of its references, so that what follows from a replacement is known.
type comparison struct {
	*Service
	plan   *plan
	before stack
	target *definition
	rows   map[string]stackResource
	fresh  map[string]bool // resources that will have another physical id
}

// compare says what an update to d would change.
func (s *Service) compare(ctx context.Context, tx *store.Tx, st stack, d *definition) (changes, error) {
	p, err := s.prepare(ctx, st, d)
	if err != nil {
		return changes{}, err
	}
	list, err := s.resourcesOf(ctx, tx, st.ID)
	if err != nil {
		return changes{}, err
	}
	c := &comparison{Service: s, plan: p, before: st, target: d, rows: map[string]stackResource{}, fresh: map[string]bool{}}
	for _, r := range list {
		c.rows[r.LogicalID] = r
	}
	c.bind()
	return c.run()
}

func (c *comparison) bind() {
	c.plan.eval.Ref = func(id string) (any, error) {
		r, ok := c.rows[id]
		if !ok || c.fresh[id] {
			return cfn.Unknown{}, nil
		}
		return r.PhysicalID, nil
	}
	c.plan.eval.GetAtt = func(id, attribute string) (any, error) {
		if r, ok := c.rows[id]; ok && !c.fresh[id] {
			if value, found := lookup(r.Attributes, attribute); found {
				return value, nil
			}
		}
		return cfn.Unknown{}, nil
	}
}

func (c *comparison) run() (changes, error) {
	var found changes
	for _, level := range c.plan.graph.Order() {
		for _, id := range level {
			change, err := c.resource(c.plan.template.Resource(id))
			if err != nil {
				return found, invalid(err)
			}
			if change != nil {
				found.list = append(found.list, *change)
			}
		}
	}
	found.list = append(found.list, c.removals()...)
	slices.SortStableFunc(found.list, func(a, b resourceChange) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	var err error
	found.outputs, err = c.outputsDiffer()
	return found, err
}

func (c *comparison) resource(declared *cfn.Resource) (*resourceChange, error) {
	id := declared.LogicalID
	r, exists := c.rows[id]
	if !exists {
		c.fresh[id] = true
		return &resourceChange{Action: "Add", LogicalID: id, Type: declared.Type}, nil
	}
	properties, err := c.plan.eval.ResolveProperties(declared)
	if err != nil {
		return nil, err
	}
	if s, ok := schema.Lookup(declared.Type); ok {
		properties = s.Coerce(properties)
	}
	change := &resourceChange{Action: "Modify", LogicalID: id, PhysicalID: r.PhysicalID, Type: declared.Type, Replacement: schema.Never}
	if declared.Type != r.Type {
		c.fresh[id] = true
		change.Replacement = schema.Always
		return change, nil
	}
	c.details(change, declared, r, properties)
	if len(change.Details) == 0 {
		return nil, nil
	}
	c.fresh[id] = change.Replacement == schema.Always
	return change, nil
}

func (c *comparison) details(change *resourceChange, declared *cfn.Resource, r stackResource, properties map[string]any) {
	s, known := schema.Lookup(r.Type)
	typ := c.types[r.Type]
	for _, d := range cfn.DiffProperties(r.Properties, properties) {
		detail := changeDetail{PropertyChange: d, Attribute: "Properties", Recreation: schema.Never}
		if known {
			detail.Recreation = s.RequiresRecreation(d.Path)
		}
		if typ.Update == nil {
			detail.Recreation = schema.Always
		}
		c.cause(&detail, declared.Properties.Get(d.Property))
		change.Details = append(change.Details, detail)
		change.Replacement = stronger(change.Replacement, detail.Recreation)
	}
	if len(change.Details) == 0 && !maps.Equal(r.Tags, c.target.Tags) && typ.Update != nil && taggable(r.Type) {
		change.Details = append(change.Details, changeDetail{Attribute: "Tags", Recreation: schema.Never, Source: "DirectModification"})
	}
}

func stronger(a, b schema.Replacement) schema.Replacement {
	order := []schema.Replacement{schema.Never, schema.Conditional, schema.Always}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// cause finds what made a property change: a parameter with another value, a resource that is replaced, or the template itself.
func (c *comparison) cause(d *changeDetail, expression *cfn.Node) {
	d.Source = "DirectModification"
	for n := range expression.Walk() {
		for _, name := range references(n) {
			resource, attribute, isAttribute := strings.Cut(name, ".")
			switch p := c.plan.template.Parameter(name); {
			case p != nil:
				d.Secret = d.Secret || p.NoEcho
				if c.before.Current.Parameters[name] != c.target.Parameters[name] {
					d.Source, d.Entity = "ParameterReference", name
				}
			case c.fresh[resource]:
				d.Source, d.Entity, d.Dynamic = "ResourceReference", resource, true
				if isAttribute {
					d.Source, d.Entity = "ResourceAttribute", resource+"."+attribute
				}
			}
		}
	}
}

// references are the names a function refers to: "Name" or "Name.Attribute".
func references(n *cfn.Node) []string {
	switch {
	case n.Is("Ref") && n.Arg.IsScalar():
		return []string{n.Arg.Text}
	case n.Is("Fn::GetAtt") && len(n.Arg.Items) == 2:
		return []string{n.Arg.Items[0].Text + "." + n.Arg.Items[1].Text}
	case n.Is("Fn::Sub"):
		text := n.Arg
		if text.Kind == cfn.List && len(text.Items) > 0 {
			text = text.Items[0]
		}
		return substituted(text.Text)
	}
	return nil
}

func substituted(text string) (names []string) {
	for {
		_, rest, found := strings.Cut(text, "${")
		if !found {
			return names
		}
		name, tail, _ := strings.Cut(rest, "}")
		if !strings.HasPrefix(name, "!") {
			names = append(names, strings.TrimSpace(name))
		}
		text = tail
	}
}

func (c *comparison) removals() (list []resourceChange) {
	active := c.plan.graph.IDs()
	for id, r := range c.rows {
		if !slices.Contains(active, id) {
			list = append(list, resourceChange{Action: "Remove", LogicalID: id, PhysicalID: r.PhysicalID, Type: r.Type, Retain: r.DeletionPolicy == "Retain"})
		}
	}
	return list
}

func (c *comparison) outputsDiffer() (bool, error) {
	var now []output
	for _, o := range c.plan.template.ActiveOutputs(c.plan.conditions) {
		v, err := c.plan.eval.ResolveOutput(o)
		if err != nil {
			return false, invalid(err)
		}
		now = append(now, output{v.Name, v.Description, v.Value, v.ExportName})
	}
	return !slices.Equal(now, c.before.Outputs), nil
}

// shown is a change as DescribeChangeSet shows it.
func (r resourceChange) shown(values bool) api.Change {
	out := &api.ResourceChange{Action: &r.Action, LogicalResourceId: &r.LogicalID, ResourceType: &r.Type, Scope: []string{}, Details: []api.ResourceChangeDetail{}}
	if r.PhysicalID != "" {
		out.PhysicalResourceId = &r.PhysicalID
	}
	switch {
	case r.Action == "Modify":
		out.Replacement = new(string(r.Replacement))
		if r.Replacement == schema.Always {
			out.PolicyAction = new("ReplaceAndDelete")
		}
	case r.Action == "Remove" && r.Retain:
		out.PolicyAction = new("Retain")
	case r.Action == "Remove":
		out.PolicyAction = new("Delete")
	}
	for _, d := range r.Details {
		if !slices.Contains(out.Scope, d.Attribute) {
			out.Scope = append(out.Scope, d.Attribute)
		}
		out.Details = append(out.Details, d.shown(values))
	}
	return api.Change{Type: new("Resource"), ResourceChange: out}
}

func (d changeDetail) shown(values bool) api.ResourceChangeDetail {
	recreation := map[schema.Replacement]string{schema.Never: "Never", schema.Conditional: "Conditionally", schema.Always: "Always"}[d.Recreation]
	target := &api.ResourceTargetDefinition{Attribute: &d.Attribute, RequiresRecreation: &recreation}
	if d.Property != "" {
		target.Name, target.Path = &d.Property, new("/Properties"+d.Path)
		target.AttributeChangeType = new(string(d.Kind))
	}
	if values && d.Property != "" {
		target.BeforeValue, target.AfterValue = d.value(d.Before), d.value(d.After)
	}
	evaluation := "Static"
	if d.Dynamic {
		evaluation = "Dynamic"
	}
	out := api.ResourceChangeDetail{Target: target, Evaluation: &evaluation, ChangeSource: &d.Source}
	if d.Entity != "" {
		out.CausingEntity = &d.Entity
	}
	return out
}

func (d changeDetail) value(v any) *string {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if d.Secret {
			return new(cfn.Masked)
		}
		return &v
	case cfn.Unknown:
		return new(cfn.KnownAfterApply)
	}
	if d.Secret {
		return new(cfn.Masked)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return new(fmt.Sprint(v))
	}
	return new(string(b))
}
