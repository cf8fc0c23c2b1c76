package ec2

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// template is a launch template with its versions, oldest first.
type template struct {
	api.LaunchTemplate
	Versions []api.LaunchTemplateVersion
}

var templates = define(&kind[template]{
	prefix: "lt", typ: "launch-template", noun: "launch template", code: "InvalidLaunchTemplateId.NotFound",
	says: "The specified launch template, with template ID %s, does not exist.", by: "launch-template-name",
	id: func(v *template) **string { return &v.LaunchTemplateId }, tags: func(v *template) *[]api.Tag { return &v.Tags },
	fields: map[string]func(*template) []string{
		"launch-template-name": text(func(v *template) *string { return v.LaunchTemplateName }),
		"launch-template-id":   text(func(v *template) *string { return v.LaunchTemplateId }),
	},
})

// respond turns data as it is asked for into data as it is returned: AWS has two families of shapes with the same members.
func respond(data *api.RequestLaunchTemplateData) (*api.ResponseLaunchTemplateData, error) {
	doc, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	out := &api.ResponseLaunchTemplateData{}
	return out, json.Unmarshal(doc, out)
}

func (s *Service) addVersion(ctx context.Context, t *template, data *api.RequestLaunchTemplateData, source, description *string) error {
	answered, err := respond(data)
	if err != nil {
		return err
	}
	if source != nil {
		from, err := t.version(*source)
		if err != nil {
			return err
		}
		if answered, err = over(from.LaunchTemplateData, data); err != nil {
			return err
		}
	}
	number := 1
	if n := len(t.Versions); n > 0 {
		number = *t.Versions[n-1].VersionNumber + 1
	}
	t.LatestVersionNumber = &number
	t.Versions = append(t.Versions, api.LaunchTemplateVersion{LaunchTemplateId: t.LaunchTemplateId, LaunchTemplateName: t.LaunchTemplateName, VersionNumber: &number,
		VersionDescription: description, LaunchTemplateData: answered, CreatedBy: new(operation.CallerOf(ctx).ARN), CreateTime: new(s.Clock.Now())})
	return nil
}

// over lays what a request sets over the data of an older version.
func over(base *api.ResponseLaunchTemplateData, data *api.RequestLaunchTemplateData) (*api.ResponseLaunchTemplateData, error) {
	doc, err := json.Marshal(base)
	if err != nil {
		return nil, err
	}
	out := &api.ResponseLaunchTemplateData{}
	if err := json.Unmarshal(doc, out); err != nil {
		return nil, err
	}
	given, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(given, &members); err != nil {
		return nil, err
	}
	for name, v := range members {
		if v == nil {
			delete(members, name)
		}
	}
	if given, err = json.Marshal(members); err != nil {
		return nil, err
	}
	return out, json.Unmarshal(given, out)
}

// version finds a version by its number, $Latest or $Default.
func (t template) version(name string) (api.LaunchTemplateVersion, error) {
	number, err := strconv.Atoi(name)
	switch name {
	case "$Latest":
		number = *t.LatestVersionNumber
	case "$Default", "":
		number = *t.DefaultVersionNumber
	default:
		if err != nil {
			return api.LaunchTemplateVersion{}, wire.Errorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s for launch template %s", name, *t.LaunchTemplateId)
		}
	}
	i := slices.IndexFunc(t.Versions, func(v api.LaunchTemplateVersion) bool { return *v.VersionNumber == number })
	if i < 0 {
		return api.LaunchTemplateVersion{}, wire.Errorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s for launch template %s", name, *t.LaunchTemplateId)
	}
	v := t.Versions[i]
	v.DefaultVersion = new(number == *t.DefaultVersionNumber)
	return v, nil
}

// templateOf finds a template by id or by name.
func templateOf(ctx context.Context, tx *store.Tx, id, name *string) (template, error) {
	if id != nil {
		return templates.get(ctx, tx, *id)
	}
	if name == nil {
		return template{}, wire.Errorf("MissingParameter", "The request must contain the parameter launchTemplateId or launchTemplateName")
	}
	found, err := templates.of(ctx, tx, *name)
	if err != nil || len(found) > 0 {
		return append(found, template{})[0], err
	}
	return template{}, wire.Errorf("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", *name)
}

// CreateLaunchTemplate makes a template with its first version.
func (s *Service) CreateLaunchTemplate(ctx context.Context, in *api.CreateLaunchTemplateInput) (*api.CreateLaunchTemplateOutput, error) {
	t := template{LaunchTemplate: api.LaunchTemplate{LaunchTemplateName: &in.LaunchTemplateName, CreatedBy: new(operation.CallerOf(ctx).ARN), CreateTime: new(s.Clock.Now()), DefaultVersionNumber: new(1)}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		taken, err := templates.of(ctx, tx, in.LaunchTemplateName)
		if err != nil {
			return err
		}
		if len(taken) > 0 {
			return wire.Errorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
		if err := templates.make(ctx, tx, &t, in.TagSpecifications); err != nil {
			return err
		}
		if err := s.addVersion(ctx, &t, in.LaunchTemplateData, nil, in.VersionDescription); err != nil {
			return err
		}
		return templates.put(ctx, tx, &t)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateLaunchTemplateOutput{LaunchTemplate: &t.LaunchTemplate}, nil
}

// CreateLaunchTemplateVersion adds a version, alone or over an older one.
func (s *Service) CreateLaunchTemplateVersion(ctx context.Context, in *api.CreateLaunchTemplateVersionInput) (*api.CreateLaunchTemplateVersionOutput, error) {
	var made api.LaunchTemplateVersion
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err := templateOf(ctx, tx, in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return err
		}
		if err := s.addVersion(ctx, &t, in.LaunchTemplateData, in.SourceVersion, in.VersionDescription); err != nil {
			return err
		}
		if made, err = t.version("$Latest"); err != nil {
			return err
		}
		return templates.put(ctx, tx, &t)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: &made}, nil
}

// DescribeLaunchTemplates lists templates.
func (s *Service) DescribeLaunchTemplates(ctx context.Context, in *api.DescribeLaunchTemplatesInput) (*api.DescribeLaunchTemplatesOutput, error) {
	filters := in.Filters
	if len(in.LaunchTemplateNames) > 0 {
		filters = append(filters, api.Filter{Name: new("launch-template-name"), Values: in.LaunchTemplateNames})
	}
	all, err := templates.find(ctx, s, in.LaunchTemplateIds, filters)
	if err != nil {
		return nil, err
	}
	if len(in.LaunchTemplateNames) > len(all) {
		return nil, wire.Errorf("InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist.")
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 200, "InvalidNextToken")
	out := &api.DescribeLaunchTemplatesOutput{LaunchTemplates: []api.LaunchTemplate{}, NextToken: next}
	for _, t := range all {
		out.LaunchTemplates = append(out.LaunchTemplates, t.LaunchTemplate)
	}
	return out, err
}

// DescribeLaunchTemplateVersions lists versions of one template, newest first, or the $Latest or $Default ones of all.
func (s *Service) DescribeLaunchTemplateVersions(ctx context.Context, in *api.DescribeLaunchTemplateVersionsInput) (*api.DescribeLaunchTemplateVersionsOutput, error) {
	var all []api.LaunchTemplateVersion
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		from, err := templates.List(tx, c.Account, c.Region)
		if in.LaunchTemplateId != nil || in.LaunchTemplateName != nil {
			var one template
			one, err = templateOf(ctx, tx, in.LaunchTemplateId, in.LaunchTemplateName)
			from = []template{one}
		} else if len(in.Versions) == 0 {
			err = wire.Errorf("MissingParameter", "The request must contain the parameter launchTemplateId, launchTemplateName or versions")
		}
		if err != nil {
			return err
		}
		for _, t := range from {
			of, err := t.choose(in)
			if err != nil {
				return err
			}
			all = append(all, of...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 200, "InvalidNextToken")
	return &api.DescribeLaunchTemplateVersionsOutput{LaunchTemplateVersions: all, NextToken: next}, err
}

func (t template) choose(in *api.DescribeLaunchTemplateVersionsInput) (all []api.LaunchTemplateVersion, err error) {
	names := in.Versions
	if len(names) == 0 {
		first, last := 1, *t.LatestVersionNumber
		if in.MinVersion != nil {
			first, _ = strconv.Atoi(*in.MinVersion)
		}
		if in.MaxVersion != nil {
			last, _ = strconv.Atoi(*in.MaxVersion)
		}
		for i := len(t.Versions) - 1; i >= 0; i-- {
			if n := *t.Versions[i].VersionNumber; n >= first && n <= last {
				names = append(names, strconv.Itoa(n))
			}
		}
	}
	for _, name := range names {
		v, err := t.version(name)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// ModifyLaunchTemplate changes which version is the default.
func (s *Service) ModifyLaunchTemplate(ctx context.Context, in *api.ModifyLaunchTemplateInput) (*api.ModifyLaunchTemplateOutput, error) {
	var t template
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if t, err = templateOf(ctx, tx, in.LaunchTemplateId, in.LaunchTemplateName); err != nil {
			return err
		}
		v, err := t.version(wire.Value(in.DefaultVersion))
		if err != nil {
			return err
		}
		t.DefaultVersionNumber = v.VersionNumber
		return templates.put(ctx, tx, &t)
	})
	if err != nil {
		return nil, err
	}
	return &api.ModifyLaunchTemplateOutput{LaunchTemplate: &t.LaunchTemplate}, nil
}

// DeleteLaunchTemplate removes a template and its versions.
func (s *Service) DeleteLaunchTemplate(ctx context.Context, in *api.DeleteLaunchTemplateInput) (*api.DeleteLaunchTemplateOutput, error) {
	var t template
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if t, err = templateOf(ctx, tx, in.LaunchTemplateId, in.LaunchTemplateName); err != nil {
			return err
		}
		return templates.drop(ctx, tx, *t.LaunchTemplateId)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteLaunchTemplateOutput{LaunchTemplate: &t.LaunchTemplate}, nil
}
