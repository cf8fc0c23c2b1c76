package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// checker holds the rules that look at more than one value. It looks only
// at values that passed the table, so that one mistake is reported once.
type checker struct {
	*decoder
	file     *value
	manifest *Manifest
	warnings Errors
}

func (c *checker) conflict(at Position, path, message, hint string) {
	c.fail(at, KindConflict, path, message, hint)
}

func (c *checker) warn(at Position, path, message, hint string) {
	c.warnings = append(c.warnings, c.src.report(at, KindConflict, path, message, hint))
}

func (c *checker) check() {
	c.namespace()
	c.environments()
	if s := c.file.field("service"); s.set {
		c.service(s)
	}
	c.patterns()
	c.lengths()
}

// namespace checks one given from outside the file.
func (c *checker) namespace() {
	given := c.opt.Namespace
	if given == "" || matchesWhole(namespacePattern, given) {
		return
	}
	message := fmt.Sprintf("%q is not allowed; expected %s", given, namespaceWords)
	where := c.opt.NamespaceSource
	if where == "" {
		where = "namespace"
	}
	c.errors = append(c.errors, &Error{File: where, Path: "namespace", Kind: KindValue, Message: message})
}

func (c *checker) environments() {
	items := c.file.field("environments").items
	seen := map[string]Position{}
	for i, v := range items {
		name := v.field("name")
		folded := strings.ToLower(name.text)
		if first, ok := seen[folded]; ok && name.set {
			c.conflict(name.at, name.path, fmt.Sprintf("environment %s is declared twice, first on line %d", c.shown(name), first.Line),
				"names that differ only in case are the same environment")
		} else if name.set {
			seen[folded] = name.at
		}
		c.sizes(v.field("cluster"), "desiredCapacity")
		c.unusedCluster(v, c.manifest.Environments[i])
		c.vpcTarget(v.field("vpcTarget"), c.manifest.Environments[i])
	}
}

// shown is a value's text for a message; a substituted one stays hidden.
func (c *checker) shown(v *value) string {
	if v.node != nil {
		return c.quote(v.node)
	}
	return fmt.Sprintf("%q", v.text)
}

func (c *checker) unusedCluster(v *value, env Environment) {
	if cluster := v.field("cluster"); cluster.set && env.Provider == ProviderFargate {
		c.warn(v.keyAt["cluster"], cluster.path, "has no effect: Fargate has no instances of its own", "remove it, or use the provider ecs")
	}
}

// sizes checks that min ≤ desired ≤ max, for those the file gives.
func (c *checker) sizes(v *value, desiredName string) {
	least, desired, most := v.field("minSize"), v.field(desiredName), v.field("maxSize")
	c.ordered(least, most)
	c.ordered(least, desired)
	c.ordered(desired, most)
}

func (c *checker) ordered(small, large *value) {
	if small.set && large.set && small.number > large.number {
		c.conflict(small.at, small.path, fmt.Sprintf("is more than %s", large.key.name),
			"the order is minSize, then the desired number, then maxSize")
	}
}

func (c *checker) vpcTarget(v *value, env Environment) {
	vpc, shared := v.field("vpcId"), v.field("environment")
	switch {
	case !v.set:
	case vpc.given() && shared.given():
		c.conflict(vpc.at, vpc.path, "cannot be given together with environment", "environment shares that environment's VPC; remove one of the two")
	case vpc.given():
		c.subnets(v)
	case shared.given():
		c.sharedVPC(v, env)
	default:
		c.conflict(v.at, v.path, "names no network", "give vpcId with its subnets, or environment")
	}
	if ns := v.field("namespace"); ns.given() && !shared.given() {
		c.conflict(ns.at, ns.path, "belongs to environment, which is not given", "")
	}
}

func (c *checker) subnets(v *value) {
	for _, want := range []struct {
		key   string
		least int
		why   string
	}{
		{"instanceSubnetIds", 1, "vpcId needs the subnets of instances and tasks"},
		{"elbSubnetIds", 2, "a load balancer needs subnets in two availability zones at least"},
	} {
		ids := v.field(want.key)
		if len(ids.items) < want.least {
			c.conflict(ids.at, ids.path, fmt.Sprintf("expected %d or more, found %d", want.least, len(ids.items)), want.why)
		}
		c.distinct(ids)
	}
}

func (c *checker) distinct(list *value) {
	var seen []string
	for _, item := range list.items {
		if item.set && slices.Contains(seen, item.text) {
			c.conflict(item.at, item.path, "is listed twice", "")
		}
		seen = append(seen, item.text)
	}
}

// sharedVPC checks that the environment whose VPC is shared is one of this
// file and has a VPC of its own; another namespace cannot be seen from here.
func (c *checker) sharedVPC(v *value, env Environment) {
	shared := v.field("environment")
	for _, ids := range []string{"instanceSubnetIds", "elbSubnetIds"} {
		if list := v.field(ids); list.set {
			c.conflict(list.at, list.path, "cannot be given together with environment", "the subnets are those of the shared VPC")
		}
	}
	if !shared.set || env.VPCTarget.Namespace != c.manifest.Namespace {
		return
	}
	owner := c.environment(shared, shared.text)
	switch {
	case owner == nil:
	case strings.EqualFold(owner.Name, env.Name):
		c.conflict(shared.at, shared.path, "an environment cannot share its own VPC", "remove vpcTarget to give it a VPC")
	case !owner.VPCTarget.IsZero():
		c.conflict(shared.at, shared.path, fmt.Sprintf("environment %q has no VPC of its own to share", owner.Name), "use the vpcTarget of that environment here too")
	}
}

// environment finds an environment that a value refers to, or reports it.
func (c *checker) environment(v *value, name string) *Environment {
	env, err := c.manifest.FindEnvironment(name)
	if err == nil {
		return env
	}
	names := c.manifest.EnvironmentNames()
	hint := "declared: " + strings.Join(names, ", ")
	if near := closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.conflict(v.at, v.path, "no such environment", hint)
	return nil
}

func (c *checker) service(v *value) {
	c.serviceName(v)
	c.sizes(v, "desiredCount")
	c.perEnvironment(v)
	c.wildcards(v.field("pathPatterns"))
	c.wildcards(v.field("hostPatterns"))
	c.distinct(v.field("pathPatterns"))
	c.distinct(v.field("hostPatterns"))
	c.priority(v)
	c.networkMode(v)
	c.image(v)
	if slices.ContainsFunc(c.manifest.Environments, func(e Environment) bool { return e.Provider == ProviderFargate }) {
		c.fargateSize(v)
	}
}

// serviceName checks the name that the folder gave.
func (c *checker) serviceName(v *value) {
	given := v.field("name").given()
	switch name := c.manifest.Service.Name; {
	case given:
	case name == "":
		c.conflict(v.at, v.path+".name", "is missing", "give the service a name")
	case !matchesWhole(namePattern, name):
		c.conflict(v.at, v.path+".name", fmt.Sprintf("the folder's name %q, which stands in for it, is not allowed; expected %s", name, nameWords), "give the service a name")
	}
}

// perEnvironment checks the environments that variables name. A file with
// no environments at all belongs to a service whose environments are
// declared in another repository, and can name any.
func (c *checker) perEnvironment(v *value) {
	if len(c.manifest.Environments) == 0 {
		return
	}
	for _, variable := range v.field("environment").named {
		seen := map[string]bool{}
		for _, env := range variable.named {
			folded := strings.ToLower(env.name)
			if seen[folded] {
				c.conflict(env.at, env.path, "names an environment twice", "names that differ only in case are the same environment")
				continue
			}
			seen[folded] = true
			c.environment(&value{at: env.at, path: env.path}, env.name)
		}
	}
}

func (c *checker) wildcards(patterns *value) {
	count := 0
	for _, p := range patterns.items {
		count += strings.Count(p.text, "*") + strings.Count(p.text, "?")
	}
	if count > maxConditionWildcards {
		c.conflict(patterns.at, patterns.path, fmt.Sprintf("have %d wildcards together; a listener rule can have %d", count, maxConditionWildcards), "")
	}
}

func (c *checker) priority(v *value) {
	if p := v.field("priority"); p.set && !c.manifest.Service.Exposed() {
		c.conflict(p.at, p.path, "has no effect without pathPatterns or hostPatterns", "add a pattern, or remove it")
	}
}

func (c *checker) image(v *value) {
	if file := v.field("dockerfile"); file.set && v.field("imageRepository").set {
		c.warn(file.at, file.path, "has no effect: imageRepository is used as it is", "remove one of the two")
	}
}

// networkMode looks at modes that cannot do what the rest asks for.
func (c *checker) networkMode(v *value) {
	mode, public := v.field("networkMode"), v.field("assignPublicIp")
	onInstances := slices.ContainsFunc(c.manifest.Environments, func(e Environment) bool { return e.Provider == ProviderECS })
	switch {
	case mode.text == "none" && c.manifest.Service.Exposed() && onInstances:
		c.conflict(mode.at, mode.path, "a service without a network cannot be reached by the load balancer", "remove the patterns, or use bridge or awsvpc")
	case public.flag && mode.text != "awsvpc" && onInstances:
		c.warn(public.at, public.path, "has no effect in ecs environments: only tasks of network mode awsvpc can have a public address", "set networkMode: awsvpc")
	case mode.set && mode.text != "awsvpc" && len(c.manifest.Environments) > 0 && !onInstances:
		c.warn(mode.at, mode.path, "has no effect: Fargate always uses awsvpc", "")
	}
}

func (c *checker) fargateSize(v *value) {
	cpu, memory := v.field("cpu"), v.field("memory")
	_, _, err := FargateSize(cpu.number, memory.number)
	if size, ok := errors.AsType[*FargateSizeError](err); ok {
		at := v.field(size.Key)
		c.conflict(at.at, at.path, size.Message, size.Hint)
	}
}

// patterns checks the keys of templates, parameters and tags.
func (c *checker) patterns() {
	for _, section := range []string{"templates", "parameters", "tags"} {
		for _, entry := range c.file.field(section).named {
			if _, err := compilePattern(entry.name); err != nil {
				c.fail(entry.at, KindValue, entry.path, "the stack name pattern is not a regular expression: "+reason(err), "")
			}
			if most := maxParameters; section == "parameters" && len(entry.named) > most {
				c.fail(entry.at, KindValue, entry.path, fmt.Sprintf("has %d parameters; a template can have %d", len(entry.named), most), "")
			}
			c.reservedTags(section, entry)
		}
	}
}

// reason is the regexp package's complaint without its preamble.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

func (c *checker) reservedTags(section string, entry named) {
	if section != "tags" {
		return
	}
	for _, tag := range entry.named {
		for prefix, owner := range map[string]string{"aws:": "AWS", "mu:": "Slipway, which finds its stacks by them"} {
			if strings.HasPrefix(strings.ToLower(tag.name), prefix) {
				c.conflict(tag.at, tag.path, "tags that begin with "+prefix+" belong to "+owner, "choose another name")
			}
		}
	}
}

// lengths checks the longest stack names that will be made of namespace,
// service and environment. Role names have a shorter limit and are shortened
// where they are made.
func (c *checker) lengths() {
	m := c.manifest
	for i, env := range m.Environments {
		name := c.file.field("environments").items[i].field("name")
		if !name.set {
			continue
		}
		c.fits(name, m.Namespace+"-iam-environment-"+env.Name)
		if m.Service != nil {
			c.fits(c.file.field("service").field("name"), m.Namespace+"-iam-service-"+m.Service.Name+"-"+env.Name)
		}
	}
}

func (c *checker) fits(v *value, stack string) {
	if len(stack) > maxStackName {
		c.conflict(v.at, v.path, fmt.Sprintf("makes the stack name %s %d characters long; %d are allowed", stack, len(stack), maxStackName), "shorten the namespace or the names")
	}
}
