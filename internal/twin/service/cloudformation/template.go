package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"slipway.dev/internal/cfn"
	"slipway.dev/internal/cfn/schema"
	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/api/s3"
	"slipway.dev/internal/twin/api/ssm"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

const (
	maxBody   = 51_200    // bytes of a template in the request
	maxObject = 1_000_000 // bytes of a template in S3
)

// body returns the template that a request gives inline or in S3.
func (s *Service) body(ctx context.Context, inline, location *string) (string, error) {
	switch {
	case inline != nil && location != nil:
		return "", wire.Errorf("ValidationError", "Either Template URL or Template Body must be specified.")
	case inline != nil && len(*inline) > maxBody:
		return "", wire.Errorf("ValidationError", "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", maxBody)
	case inline != nil:
		return *inline, nil
	case location != nil:
		return s.fetch(ctx, *location)
	}
	return "", wire.Errorf("ValidationError", "Either Template URL or Template Body must be specified.")
}

// fetch reads a template from the twin's S3, in any of the forms of an S3 URL.
func (s *Service) fetch(ctx context.Context, location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "", wire.Errorf("ValidationError", "TemplateURL must be a supported URL.")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if host, _, ok := strings.Cut(u.Hostname(), ".s3"); ok && host != "" && u.Scheme != "s3" {
		bucket, key = host, strings.TrimPrefix(u.Path, "/")
	}
	if u.Scheme == "s3" {
		bucket, key = u.Host, strings.TrimPrefix(u.Path, "/")
	}
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return "", wire.Errorf("ValidationError", "S3 error: %v", err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(io.LimitReader(out.Body, maxObject+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxObject {
		return "", wire.Errorf("ValidationError", "Template may not exceed %d bytes in size.", maxObject)
	}
	return string(b), nil
}

// plan is a definition made ready: parsed, its parameters and conditions resolved.
type plan struct {
	template   *cfn.Template
	eval       *cfn.Evaluator
	conditions map[string]bool
	graph      *cfn.Graph
	imports    map[string]bool // exports that resolving has asked for
}

// prepare checks a definition the way CloudFormation does before it starts anything.
func (s *Service) prepare(ctx context.Context, st stack, d *definition) (*plan, error) {
	t, err := cfn.Parse(st.Name+".template", []byte(d.Template))
	if err != nil {
		return nil, invalid(err)
	}
	if err := t.Validate(); err != nil {
		return nil, invalid(err)
	}
	params, err := t.ResolveParameters(d.Parameters, nil, s.lookup(ctx))
	if err != nil {
		return nil, invalid(err)
	}
	d.Description = t.Description
	d.Shown = nil
	for _, p := range t.Parameters {
		v := params[p.Name]
		d.Shown = append(d.Shown, shownParameter{p.Name, v.Shown(), v.Resolved()})
	}
	p := &plan{template: t, imports: map[string]bool{}}
	p.eval = &cfn.Evaluator{Template: t, Parameters: params, Pseudo: pseudo(ctx, st, d.Notify), AZs: s.zones(ctx), Import: s.importer(ctx, p)}
	if p.template, err = p.eval.Expand(); err != nil {
		return nil, invalid(err)
	}
	if err := p.template.Validate(); err != nil {
		return nil, invalid(err)
	}
	if p.conditions, err = p.eval.Conditions(); err != nil {
		return nil, invalid(err)
	}
	if err := p.eval.CheckRules(); err != nil {
		return nil, invalid(err)
	}
	if p.graph, err = p.template.Graph(p.conditions); err != nil {
		return nil, invalid(err)
	}
	return p, s.checkTypes(p.template, d)
}

// invalid turns a fault of the template into the service's error; the position stays in the text.
func invalid(err error) error {
	var known *wire.Error
	if errors.As(err, &known) {
		return known
	}
	var all cfn.Errors
	if errors.As(err, &all) && len(all) > 0 {
		var texts []string
		for _, e := range all {
			texts = append(texts, located(e))
		}
		return wire.Errorf("ValidationError", "%s", strings.Join(texts, "; "))
	}
	var one *cfn.Error
	if errors.As(err, &one) {
		return wire.Errorf("ValidationError", "%s", located(one))
	}
	return wire.Errorf("ValidationError", "%s", err.Error())
}

func located(e *cfn.Error) string {
	if !e.Pos.IsValid() {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d, column %d)", strings.TrimSuffix(e.Message, "."), e.Pos.Line, e.Pos.Column)
}

func pseudo(ctx context.Context, st stack, notify []string) cfn.Pseudo {
	c := operation.CallerOf(ctx)
	return cfn.Pseudo{AccountID: c.Account, Region: c.Region, StackName: st.Name, StackID: st.ID, NotificationARNs: notify}
}

func (s *Service) lookup(ctx context.Context) cfn.SSMLookup {
	return func(name string) (string, error) {
		out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: name})
		if err != nil {
			return "", wire.Errorf("ValidationError", "Unable to fetch parameters [%s] from parameter store for this account.", name)
		}
		return wire.Value(out.Parameter.Value), nil
	}
}

func (s *Service) zones(ctx context.Context) func(string) ([]string, error) {
	return func(region string) ([]string, error) {
		c := operation.CallerOf(ctx)
		if region != "" {
			c.Region = region
		}
		out, err := s.ec2.DescribeAvailabilityZones(operation.WithCaller(ctx, c), &ec2.DescribeAvailabilityZonesInput{})
		if err != nil {
			return nil, err
		}
		var zones []string
		for _, z := range out.AvailabilityZones {
			zones = append(zones, wire.Value(z.ZoneName))
		}
		slices.Sort(zones)
		return zones, nil
	}
}

// dynamic resolves {{resolve:…}} at the moment a service is called; the value is not kept.
func (s *Service) dynamic(ctx context.Context) func(cfn.DynamicReference) (string, error) {
	return func(r cfn.DynamicReference) (string, error) {
		if r.Service == "secretsmanager" {
			return "", errors.New("the twin has no Secrets Manager yet: use {{resolve:ssm-secure:…}}")
		}
		name := r.Name
		if r.Version != "" {
			name += ":" + r.Version
		}
		out, err := s.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: name, WithDecryption: new(r.Service == "ssm-secure")})
		if err != nil {
			return "", fmt.Errorf("parameter %s: %w", name, err)
		}
		return wire.Value(out.Parameter.Value), nil
	}
}

// checkTypes refuses types that do not exist, types the twin does not serve, and IAM resources without their capability.
func (s *Service) checkTypes(t *cfn.Template, d *definition) error {
	var unknown, missing []string
	for _, r := range t.Resources {
		if _, served := s.types[r.Type]; served {
			continue
		}
		if _, exists := schema.Lookup(r.Type); !exists {
			unknown = append(unknown, r.Type)
		} else {
			missing = append(missing, r.Type)
		}
	}
	if len(unknown) > 0 {
		return wire.Errorf("ValidationError", "Template format error: Unrecognized resource types: [%s]", strings.Join(unique(unknown), ", "))
	}
	if len(missing) > 0 {
		return wire.Errorf("ValidationError", "The twin does not serve the resource types [%s]; slipway twin coverage lists those it does", strings.Join(unique(missing), ", "))
	}
	needed, _ := capabilities(t)
	if len(needed) > 0 && !slices.Contains(d.Capabilities, "CAPABILITY_NAMED_IAM") && !slices.Contains(d.Capabilities, needed[0]) {
		return &wire.Error{Code: "InsufficientCapabilitiesException", Message: fmt.Sprintf("Requires capabilities : [%s]", needed[0])}
	}
	return nil
}

func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// capabilities are those a template needs, and the resources that need them.
func capabilities(t *cfn.Template) (needed, because []string) {
	for _, r := range t.Resources {
		name, iam := iamNames[r.Type]
		if !iam {
			continue
		}
		because = append(because, r.Type)
		capability := "CAPABILITY_IAM"
		if name != "" && r.Properties.Get(name) != nil {
			capability = "CAPABILITY_NAMED_IAM"
		}
		if len(needed) == 0 || capability == "CAPABILITY_NAMED_IAM" {
			needed = []string{capability}
		}
	}
	return needed, unique(because)
}

// iamNames are the types that need an IAM capability, with the property that gives them a name.
var iamNames = map[string]string{
	"AWS::IAM::AccessKey": "", "AWS::IAM::Group": "GroupName", "AWS::IAM::InstanceProfile": "InstanceProfileName", "AWS::IAM::Policy": "",
	"AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName", "AWS::IAM::UserToGroupAddition": "",
}

// GetTemplate returns the template of a stack or a change set.
func (s *Service) GetTemplate(ctx context.Context, in *api.GetTemplateInput) (*api.GetTemplateOutput, error) {
	out := &api.GetTemplateOutput{StagesAvailable: []string{"Original", "Processed"}}
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		if in.ChangeSetName != nil {
			cs, err := s.findChangeSet(ctx, tx, *in.ChangeSetName, in.StackName)
			out.TemplateBody = &cs.Target.Template
			return err
		}
		st, err := s.find(ctx, tx, wire.Value(in.StackName))
		out.TemplateBody = &st.Current.Template
		return err
	})
	return out, err
}

// ValidateTemplate checks a template's syntax and lists its parameters.
func (s *Service) ValidateTemplate(ctx context.Context, in *api.ValidateTemplateInput) (*api.ValidateTemplateOutput, error) {
	t, err := s.parse(ctx, in.TemplateBody, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	out := &api.ValidateTemplateOutput{Description: wire.Maybe(t.Description), Parameters: []api.TemplateParameter{}}
	for _, p := range t.Parameters {
		out.Parameters = append(out.Parameters, api.TemplateParameter{ParameterKey: &p.Name, DefaultValue: p.Default, NoEcho: &p.NoEcho, Description: wire.Maybe(p.Description)})
	}
	out.Capabilities, out.CapabilitiesReason = explained(t)
	return out, nil
}

func explained(t *cfn.Template) ([]string, *string) {
	needed, because := capabilities(t)
	if len(needed) == 0 {
		return nil, nil
	}
	return needed, new(fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(because, ", ")))
}

func (s *Service) parse(ctx context.Context, inline, location *string) (*cfn.Template, error) {
	text, err := s.body(ctx, inline, location)
	if err != nil {
		return nil, err
	}
	t, err := cfn.Parse("template", []byte(text))
	if err != nil {
		return nil, invalid(err)
	}
	if err := t.Validate(); err != nil {
		return nil, invalid(err)
	}
	return t, nil
}

// GetTemplateSummary describes a template without making a stack.
func (s *Service) GetTemplateSummary(ctx context.Context, in *api.GetTemplateSummaryInput) (*api.GetTemplateSummaryOutput, error) {
	text := in.TemplateBody
	if in.StackName != nil {
		got, err := s.GetTemplate(ctx, &api.GetTemplateInput{StackName: in.StackName})
		if err != nil {
			return nil, err
		}
		text = got.TemplateBody
	}
	t, err := s.parse(ctx, text, in.TemplateURL)
	if err != nil {
		return nil, err
	}
	out := &api.GetTemplateSummaryOutput{Description: wire.Maybe(t.Description), Version: wire.Maybe(t.FormatVersion), Parameters: []api.ParameterDeclaration{}}
	for _, p := range t.Parameters {
		out.Parameters = append(out.Parameters, api.ParameterDeclaration{ParameterKey: &p.Name, ParameterType: &p.Type, DefaultValue: p.Default,
			NoEcho: &p.NoEcho, Description: wire.Maybe(p.Description), ParameterConstraints: &api.ParameterConstraints{AllowedValues: p.AllowedValues}})
	}
	types := map[string]bool{}
	for _, r := range t.Resources {
		types[r.Type] = true
	}
	out.ResourceTypes = slices.Sorted(maps.Keys(types))
	for _, tr := range t.Transforms {
		out.DeclaredTransforms = append(out.DeclaredTransforms, tr.Name)
	}
	if t.Metadata != nil {
		b, err := json.Marshal(t.Metadata.Plain())
		if err != nil {
			return nil, err
		}
		out.Metadata = new(string(b))
	}
	out.Capabilities, out.CapabilitiesReason = explained(t)
	return out, nil
}
