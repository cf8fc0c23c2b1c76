package blueprint

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// overrides are the manifest's templates, parameters and tags, in file order.
type overrides struct {
	path       string
	templates  []pattern[manifest.TemplatePatch]
	parameters []pattern[manifest.ParameterSet]
	tags       []pattern[manifest.TagSet]
}

// pattern is an override and the stacks it is meant for.
type pattern[T any] struct {
	expression *regexp.Regexp
	override   T
}

// compileOverrides reads the patterns. A pattern that is no regular
// expression is a fault, and its override is left out.
func compileOverrides(m *manifest.Manifest) (*overrides, []error) {
	o := &overrides{path: m.Path}
	var faults []error
	for _, t := range m.Templates {
		o.templates = compile(o.templates, t, t.Pattern, t.Pos, &faults)
	}
	for _, p := range m.Parameters {
		o.parameters = compile(o.parameters, p, p.Pattern, p.Pos, &faults)
	}
	for _, t := range m.Tags {
		o.tags = compile(o.tags, t, t.Pattern, t.Pos, &faults)
	}
	return o, faults
}

func compile[T any](list []pattern[T], override T, expression string, pos manifest.Position, faults *[]error) []pattern[T] {
	compiled, err := anchored(expression)
	if err != nil {
		*faults = append(*faults, faultAt(pos, "a pattern is a regular expression that matches the whole stack name",
			"the pattern %q: %s", expression, err))
		return list
	}
	return append(list, pattern[T]{compiled, override})
}

// anchored matches the whole name. The expression is compiled alone first, so
// that an unbalanced one cannot close the group around it.
func anchored(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return regexp.Compile("^(?:" + expression + ")$")
}

// apply changes a stack and its template as the manifest wants.
func (o *overrides) apply(root *yaml.Node, s *Stack) []error {
	merging := merger{file: o.path}
	for _, t := range o.templates {
		if t.expression.MatchString(s.Name) && t.override.Node != nil {
			merging.merge(root, t.override.Node)
		}
	}
	faults := merging.faults
	for _, p := range o.parameters {
		if p.expression.MatchString(s.Name) {
			faults = append(faults, setParameters(root, s, p.override.Values)...)
		}
	}
	for _, t := range o.tags {
		if t.expression.MatchString(s.Name) {
			setTags(s, t.override.Values)
		}
	}
	return faults
}

// setParameters overrides or adds values; the template must declare the names.
func setParameters(root *yaml.Node, s *Stack, values []manifest.KeyValue) []error {
	declared := at(root, "Parameters")
	var faults []error
	for _, v := range values {
		if at(declared, v.Key) == nil {
			faults = append(faults, unknownParameter(s.Name, v, keys(declared)))
			continue
		}
		s.setParameter(v.Key, v.Value)
	}
	return faults
}

func unknownParameter(stack string, v manifest.KeyValue, declared []string) error {
	hint := "it has " + strings.Join(declared, ", ")
	if best := closest(v.Key, declared); best != "" {
		hint = "did you mean " + best + "?"
	}
	return faultAt(v.Pos, hint, "the template of %s has no parameter %s", stack, v.Key)
}

func (s *Stack) setParameter(key, value string) {
	for i := range s.Parameters {
		if s.Parameters[i].Key == key {
			s.Parameters[i].Value = value
			return
		}
	}
	s.Parameters = append(s.Parameters, Parameter{key, value})
}

func setTags(s *Stack, values []manifest.KeyValue) {
next:
	for _, v := range values {
		for i := range s.Tags {
			if s.Tags[i].Key == v.Key {
				s.Tags[i].Value = v.Value
				continue next
			}
		}
		s.Tags = append(s.Tags, Tag{v.Key, v.Value})
	}
}

// Warning is something in the manifest that has no effect.
type Warning struct {
	Pos     manifest.Position
	Message string
}

// String is the place and the message.
func (w Warning) String() string { return w.Pos.String() + ": " + w.Message }

// Warnings names the patterns of templates, parameters and tags that match no
// stack of the file in any environment. A pattern that cannot be read is not
// among them: it is an error of rendering.
func Warnings(m *manifest.Manifest) []Warning {
	names := stackNames(m)
	o, _ := compileOverrides(m)
	var warnings []Warning
	warn := func(section string, expression *regexp.Regexp, pattern string, pos manifest.Position) {
		for _, name := range names {
			if expression.MatchString(name) {
				return
			}
		}
		warnings = append(warnings, Warning{pos, fmt.Sprintf("%s: the pattern %q matches no stack of this file", section, pattern)})
	}
	for _, t := range o.templates {
		warn("templates", t.expression, t.override.Pattern, t.override.Pos)
	}
	for _, p := range o.parameters {
		warn("parameters", p.expression, p.override.Pattern, p.override.Pos)
	}
	for _, t := range o.tags {
		warn("tags", t.expression, t.override.Pattern, t.override.Pos)
	}
	return warnings
}

// stackNames are the names of all stacks the file describes.
func stackNames(m *manifest.Manifest) []string {
	var names []string
	for i := range m.Environments {
		r := &renderer{manifest: m, environment: &m.Environments[i], service: m.Service, provider: m.Environments[i].Provider}
		drafts := r.environmentDrafts()
		if m.Service != nil {
			drafts = append(drafts, r.serviceDrafts()...)
		}
		for _, d := range drafts {
			names = append(names, d.name)
		}
	}
	if m.Service != nil && len(m.Environments) == 0 {
		r := &renderer{manifest: m, service: m.Service}
		names = append(names, r.iamCommon().name, r.repo().name)
	}
	return names
}
