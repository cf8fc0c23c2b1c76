package cfn

import (
	"slices"
	"strings"
)

// Graph is the dependency graph of the active resources of a template.
type Graph struct {
	ids        []string // file order
	needs      map[string][]string
	dependents map[string][]string
	levels     [][]string
}

// Graph returns the dependencies, explicit and implicit, among the resources
// whose conditions hold; only the taken branches of Fn::If count. With nil
// conditions everything counts. Errors: a cycle, or a reference to a resource
// that is not active.
func (t *Template) Graph(conditions map[string]bool) (*Graph, error) {
	g := &Graph{needs: map[string][]string{}, dependents: map[string][]string{}}
	report := &faults{lines: t.lines}
	for _, r := range t.ActiveResources(conditions) {
		g.ids = append(g.ids, r.LogicalID)
		g.needs[r.LogicalID] = t.needs(r, conditions, report)
	}
	t.outputsResolve(conditions, report)
	if path := cycle(g.ids, g.needs); path != nil {
		t.reportCycle(path, report)
	}
	if err := report.result(); err != nil {
		return nil, err
	}
	g.finish()
	return g, nil
}

// needs lists what a resource refers to or names in DependsOn, sorted.
func (t *Template) needs(r *Resource, conditions map[string]bool, report *faults) []string {
	var ids []string
	for _, id := range r.DependsOn {
		if other := t.resources[id]; other != nil && active(other.Condition, conditions) {
			ids = append(ids, id)
		}
	}
	for _, part := range r.parts() {
		references(part, conditions, func(ref reference) {
			if t.unresolved(ref, conditions) {
				t.reportUnresolved(ref, "Resources", report)
			} else if t.resources[ref.id] != nil {
				ids = append(ids, ref.id)
			}
		})
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (t *Template) unresolved(ref reference, conditions map[string]bool) bool {
	if r := t.resources[ref.id]; r != nil {
		return !active(r.Condition, conditions)
	}
	return t.parameters[ref.id] == nil && !isPseudo(ref.id) && len(t.Loops) == 0
}

func (t *Template) reportUnresolved(ref reference, block string, report *faults) {
	fault := report.add(ref.pos, "Template format error: Unresolved resource dependencies [%s] in the %s block of the template", ref.id, block)
	if r := t.resources[ref.id]; r != nil {
		fault.Hint = "its condition " + r.Condition + " does not hold"
		return
	}
	names := slices.Concat(sortedKeys(t.resources), sortedKeys(t.parameters), pseudoParameters)
	fault.Hint = report.suggestion(ref.id, names)
}

func (t *Template) outputsResolve(conditions map[string]bool, report *faults) {
	for _, o := range t.ActiveOutputs(conditions) {
		for _, part := range []*Node{o.Value, o.Export} {
			references(part, conditions, func(ref reference) {
				if t.unresolved(ref, conditions) {
					t.reportUnresolved(ref, "Outputs", report)
				}
			})
		}
	}
}

func (t *Template) reportCycle(path []string, report *faults) {
	members := slices.Clone(path)
	slices.Sort(members)
	closed := append(slices.Clone(path), path[0])
	report.add(t.resources[path[0]].Pos, "Circular dependency between resources: [%s]", strings.Join(members, ", ")).
		Hint = strings.Join(closed, " → ")
}

// cycle returns the members of the first cycle found, in order, or nil.
func cycle(ids []string, needs map[string][]string) []string {
	const open, done = 1, 2
	state := map[string]int{}
	var path, found []string
	var visit func(id string) bool
	visit = func(id string) bool {
		switch state[id] {
		case done:
			return false
		case open:
			found = slices.Clone(path[slices.Index(path, id):])
			return true
		}
		state[id], path = open, append(path, id)
		if slices.ContainsFunc(needs[id], visit) {
			return true
		}
		state[id], path = done, path[:len(path)-1]
		return false
	}
	if slices.ContainsFunc(ids, visit) {
		return found
	}
	return nil
}

// finish derives dependents and levels; the graph has no cycle.
func (g *Graph) finish() {
	waiting := map[string]int{}
	var level []string
	for _, id := range g.ids {
		waiting[id] = len(g.needs[id])
		for _, need := range g.needs[id] {
			g.dependents[need] = append(g.dependents[need], id)
		}
		if waiting[id] == 0 {
			level = append(level, id)
		}
	}
	for len(level) > 0 {
		g.levels = append(g.levels, level)
		var next []string
		for _, id := range level {
			for _, dependent := range g.dependents[id] {
				if waiting[dependent]--; waiting[dependent] == 0 {
					next = append(next, dependent)
				}
			}
		}
		level = next
	}
	for _, ids := range g.dependents {
		slices.Sort(ids)
	}
}

// Order returns the logical ids in levels: those of a level depend only on
// levels before it. Resources are deleted in the reverse order.
func (g *Graph) Order() [][]string { return g.levels }

// IDs returns the active logical ids in file order.
func (g *Graph) IDs() []string { return g.ids }

// DependsOn returns what the resource needs directly, sorted.
func (g *Graph) DependsOn(id string) []string { return g.needs[id] }

// Dependents returns what needs the resource directly, sorted.
func (g *Graph) Dependents(id string) []string { return g.dependents[id] }
