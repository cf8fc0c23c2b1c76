package blueprint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// Render gives every stack of an environment and of the file's service in it,
// each after the stacks it depends on. The error joins an *Error for each
// fault, or wraps manifest.ErrUnknownEnvironment.
func Render(m *manifest.Manifest, env string, facts Facts) ([]Stack, error) {
	r, err := newRenderer(m, env, facts)
	if err != nil {
		return nil, err
	}
	drafts := r.environmentDrafts()
	if m.Service != nil {
		drafts = append(drafts, r.serviceDrafts()[1:]...)
	}
	return r.finishAll(drafts)
}

// Environment gives the stacks `env up` brings up: the shared role, the roles
// of the environment, its network, load balancer and cluster.
func Environment(m *manifest.Manifest, env string, facts Facts) ([]Stack, error) {
	r, err := newRenderer(m, env, facts)
	if err != nil {
		return nil, err
	}
	return r.finishAll(r.environmentDrafts())
}

// Service gives the stacks `svc deploy` brings up: the shared role, the roles
// of the service, its image repository (unless the manifest names an image)
// and the service.
func Service(m *manifest.Manifest, env string, facts Facts) ([]Stack, error) {
	r, err := newRenderer(m, env, facts)
	if err != nil {
		return nil, err
	}
	if m.Service == nil {
		return nil, errNoService(m)
	}
	return r.finishAll(r.serviceDrafts())
}

// Common gives the stack a whole namespace shares.
func Common(m *manifest.Manifest, facts Facts) (Stack, error) {
	r := &renderer{manifest: m, facts: facts}
	return r.finishOne(r.iamCommon())
}

// Repo gives the stack of the service's image repository, which all
// environments share.
func Repo(m *manifest.Manifest, facts Facts) (Stack, error) {
	if m.Service == nil {
		return Stack{}, errNoService(m)
	}
	r := &renderer{manifest: m, service: m.Service, facts: facts}
	return r.finishOne(r.repo())
}

// Bucket gives the stack of a bucket that the services of the namespace share
// for one purpose, such as codepipeline.
func Bucket(m *manifest.Manifest, purpose string, facts Facts) (Stack, error) {
	r := &renderer{manifest: m, facts: facts}
	return r.finishOne(r.bucket(purpose))
}

func errNoService(m *manifest.Manifest) error {
	return faultAt(manifest.Position{File: m.Path}, "add a service section", "the file describes no service")
}

// renderer holds what all stacks of one rendering are made from.
type renderer struct {
	manifest    *manifest.Manifest
	environment *manifest.Environment
	service     *manifest.Service
	facts       Facts
	provider    string
}

func newRenderer(m *manifest.Manifest, env string, facts Facts) (*renderer, error) {
	environment, err := m.FindEnvironment(env)
	if err != nil {
		return nil, err
	}
	provider := cmp.Or(facts.Provider, environment.Provider)
	if provider != manifest.ProviderECS && provider != manifest.ProviderFargate {
		return nil, faultAt(environment.Pos, "",
			"the environment %s runs on the provider %s, which is not supported yet", environment.Name, provider)
	}
	return &renderer{manifest: m, environment: environment, service: m.Service, facts: facts, provider: provider}, nil
}

// draft is a stack before overrides.
type draft struct {
	kind       Kind
	name       string
	asset      string // file name of the template
	parameters []Parameter
	tags       []Tag
	dependsOn  []string
	protected  bool
	policy     bool
	// fill puts into the template what parameters cannot say; may be nil.
	fill func(root *yaml.Node)
	// check looks at the template and parameters after overrides; may be nil.
	check func(root *yaml.Node, s *Stack) []error
	// derive adds parameters that depend on others; may be nil.
	derive func(root *yaml.Node, s *Stack) error
}

func (r *renderer) name(kind Kind, parts ...string) string {
	return StackName(r.manifest.Namespace, kind, parts...)
}

// environmentDrafts are the stacks of `env up` in mu's order.
func (r *renderer) environmentDrafts() []draft {
	drafts := []draft{r.iamCommon(), r.iamEnvironment()}
	if network, ok := r.network(); ok {
		drafts = append(drafts, network)
	}
	return append(drafts, r.loadBalancer(), r.cluster())
}

// serviceDrafts are the stacks of `svc deploy` in mu's order.
func (r *renderer) serviceDrafts() []draft {
	drafts := []draft{r.iamCommon(), r.iamService()}
	if r.service.ImageRepository == "" {
		drafts = append(drafts, r.repo())
	}
	return append(drafts, r.serviceStack())
}

func (r *renderer) finishOne(d draft) (Stack, error) {
	stacks, err := r.finishAll([]draft{d})
	if err != nil {
		return Stack{}, err
	}
	return stacks[0], nil
}

func (r *renderer) finishAll(drafts []draft) ([]Stack, error) {
	overrides, faults := compileOverrides(r.manifest)
	stacks := make([]Stack, len(drafts))
	for i, d := range drafts {
		var found []error
		stacks[i], found = r.finish(d, overrides)
		faults = append(faults, found...)
	}
	if err := errors.Join(distinct(faults)...); err != nil {
		return nil, err
	}
	return stacks, nil
}

// distinct drops repetitions: an override that is wrong is so for every stack
// it is meant for.
func distinct(faults []error) []error {
	seen := map[string]bool{}
	return slices.DeleteFunc(faults, func(err error) bool {
		again := seen[err.Error()]
		seen[err.Error()] = true
		return again
	})
}

// finish turns a draft into a stack: asset, filling, overrides, checks.
func (r *renderer) finish(d draft, overrides *overrides) (Stack, []error) {
	root, err := loadAsset(d.asset)
	if err != nil {
		return Stack{}, []error{err}
	}
	s := Stack{
		Kind:                  d.kind,
		Name:                  d.name,
		Parameters:            withoutDefaults(root, d.parameters),
		Tags:                  d.tags,
		DependsOn:             d.dependsOn,
		TerminationProtection: d.protected,
	}
	if d.fill != nil {
		d.fill(root)
	}
	faults := overrides.apply(root, &s)
	if len(faults) == 0 {
		faults = d.settle(root, &s)
	}
	if len(faults) > 0 {
		return Stack{}, faults
	}
	if err := s.write(root, d.policy); err != nil {
		return Stack{}, []error{err}
	}
	return s, nil
}

// settle derives what follows from the overridden stack, and checks it.
func (d *draft) settle(root *yaml.Node, s *Stack) []error {
	var faults []error
	if d.derive != nil {
		if err := d.derive(root, s); err != nil {
			faults = append(faults, err)
		}
	}
	if d.check != nil {
		faults = append(faults, d.check(root, s)...)
	}
	return faults
}

// write fills in what comes of the finished tree.
func (s *Stack) write(root *yaml.Node, policy bool) (err error) {
	s.Capabilities = capabilities(root)
	if policy {
		if s.StackPolicy, err = dataLossPolicy(); err != nil {
			return err
		}
	}
	if s.Template, err = encode(root); err != nil {
		return fmt.Errorf("write template of %s: %w", s.Name, err)
	}
	return nil
}

// withoutDefaults leaves out the parameters that say what the template says
// anyway, so that an override of a default counts.
func withoutDefaults(root *yaml.Node, parameters []Parameter) []Parameter {
	return slices.DeleteFunc(slices.Clone(parameters), func(p Parameter) bool {
		standard, ok := defaultOf(root, p.Key)
		return ok && standard == p.Value
	})
}

func defaultOf(root *yaml.Node, parameter string) (string, bool) {
	n := at(root, "Parameters", parameter, "Default")
	if n == nil || n.Kind != yaml.ScalarNode {
		return "", false
	}
	return n.Value, true
}

// effective is the value a parameter has in the stack.
func effective(root *yaml.Node, s *Stack, parameter string) string {
	if value, ok := s.Parameter(parameter); ok {
		return value
	}
	value, _ := defaultOf(root, parameter)
	return value
}

// capabilities are what CloudFormation wants acknowledged about a template.
func capabilities(root *yaml.Node) []string {
	var needed []string
	resources := at(root, "Resources")
	for _, id := range keys(resources) {
		if kind := at(resources, id, "Type"); kind != nil && strings.HasPrefix(kind.Value, "AWS::IAM::") {
			needed = append(needed, "CAPABILITY_NAMED_IAM")
			break
		}
	}
	if at(root, "Transform") != nil || usesMacro(root) {
		needed = append(needed, "CAPABILITY_AUTO_EXPAND")
	}
	return needed
}

// usesMacro reports whether the tree calls Fn::Transform, alone or among the
// keys of a mapping.
func usesMacro(n *yaml.Node) bool {
	return n.Tag == "!Transform" || find(n, "Fn::Transform") >= 0 || slices.ContainsFunc(n.Content, usesMacro)
}

func param(key, value string) Parameter { return Parameter{Key: key, Value: value} }

func number(key string, value int) Parameter { return Parameter{Key: key, Value: strconv.Itoa(value)} }

func flag(key string, value bool) Parameter {
	return Parameter{Key: key, Value: strconv.FormatBool(value)}
}
