package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// export is a value that stacks of the account and region may import; the key is its name.
type export struct{ Name, Value, StackID, StackName string }

// use is one stack's import of one export.
type use struct{ Export, StackID, StackName string }

var (
	exports = &store.Table[export]{Name: "cfn_exports", By: func(e export) string { return e.StackID }}
	imports = &store.Table[use]{Name: "cfn_imports", By: func(u use) string { return u.Export }}
)

// importer resolves Fn::ImportValue and remembers what was asked for.
func (s *Service) importer(ctx context.Context, p *plan) func(string) (string, error) {
	return func(name string) (value string, err error) {
		err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
			e, err := exports.Get(tx, s.key(ctx, name))
			value = e.Value
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return "", wire.Errorf("ValidationError", "No export named %s found.", name)
		}
		p.imports[name] = true
		return value, err
	}
}

// arrive ends a forward phase: outputs and exports are written, then what is no longer wanted goes.
func (t *turn) arrive(p *plan, d definition) error {
	outputs, err := t.outputs(p)
	if err == nil {
		err = t.Store.Update(t.ctx, func(context.Context, *store.Tx) error { return t.publish(outputs) })
	}
	if err != nil {
		return t.fail("", err)
	}
	if err := t.keepImports(p); err != nil {
		return err
	}
	t.st.Outputs, t.st.Current = outputs, d
	switch {
	case t.st.Operation.Phase == back:
		return t.toPhase(sweep, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "")
	case t.st.Operation.Kind == "createStack":
		return t.end("CREATE_COMPLETE", "")
	}
	return t.toPhase(cleanup, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "")
}

func (t *turn) outputs(p *plan) ([]output, error) {
	var list []output
	for _, o := range p.template.ActiveOutputs(p.conditions) {
		v, err := p.eval.ResolveOutput(o)
		if err != nil {
			return nil, err
		}
		list = append(list, output{v.Name, v.Description, v.Value, v.ExportName})
	}
	return list, nil
}

// publish writes the stack's exports. A name another stack exports, and a change of what is imported, are refused.
func (t *turn) publish(outputs []output) error {
	k := t.key
	old, err := exports.ListBy(t.tx, k.Account, k.Region, t.st.ID)
	if err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, o := range outputs {
		if o.ExportName == "" {
			continue
		}
		if _, twice := wanted[o.ExportName]; twice {
			return fmt.Errorf("Duplicate Export names: %s", o.ExportName)
		}
		wanted[o.ExportName] = o.Value
	}
	for _, e := range old {
		if err := t.reviseExport(e, wanted); err != nil {
			return err
		}
	}
	for name, value := range wanted {
		at := t.Service.key(t.ctx, name)
		if e, err := exports.Get(t.tx, at); err == nil && e.StackID != t.st.ID {
			return fmt.Errorf("Export with name %s is already exported by stack %s. Rollback requested by user.", name, e.StackName)
		}
		if err := exports.Put(t.tx, at, export{name, value, t.st.ID, t.st.Name}); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) reviseExport(e export, wanted map[string]string) error {
	value, kept := wanted[e.Name]
	if kept && value == e.Value {
		return nil
	}
	users, err := t.importersOf(t.ctx, t.tx, e.Name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		verb := "updated"
		if !kept {
			verb = "deleted"
		}
		return fmt.Errorf("Export %s cannot be %s as it is in use by %s", e.Name, verb, strings.Join(users, ", "))
	}
	return exports.Delete(t.tx, t.Service.key(t.ctx, e.Name))
}

func (s *Service) importersOf(ctx context.Context, tx *store.Tx, name string) ([]string, error) {
	c := operation.CallerOf(ctx)
	uses, err := imports.ListBy(tx, c.Account, c.Region, name)
	var stackNames []string
	for _, u := range uses {
		stackNames = append(stackNames, u.StackName)
	}
	slices.Sort(stackNames)
	return stackNames, err
}

// keepImports writes down which exports the stack uses now.
func (t *turn) keepImports(p *plan) error {
	if err := t.dropImports(); err != nil {
		return err
	}
	for name := range p.imports {
		if err := imports.Put(t.tx, t.Service.key(t.ctx, name+"|"+t.st.ID), use{name, t.st.ID, t.st.Name}); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) dropImports() error {
	return t.tx.Exec(`DELETE FROM cfn_imports WHERE account = ? AND region = ? AND id LIKE '%|' || ?`, t.key.Account, t.key.Region, t.st.ID)
}

func (t *turn) withdrawExports() error {
	return errors.Join(t.dropImports(), exports.DeleteBy(t.tx, t.key.Account, t.key.Region, t.st.ID))
}

// ListExports lists the exports of the account and region.
func (s *Service) ListExports(ctx context.Context, in *api.ListExportsInput) (*api.ListExportsOutput, error) {
	var all []export
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		c := operation.CallerOf(ctx)
		all, err = exports.List(tx, c.Account, c.Region)
		return err
	})
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, nil, 100, "ValidationError")
	out := &api.ListExportsOutput{NextToken: next, Exports: []api.Export{}}
	for _, e := range all {
		out.Exports = append(out.Exports, api.Export{Name: &e.Name, Value: &e.Value, ExportingStackId: &e.StackID})
	}
	return out, err
}

// ListImports lists the stacks that import an export.
func (s *Service) ListImports(ctx context.Context, in *api.ListImportsInput) (*api.ListImportsOutput, error) {
	var users []string
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if _, err := exports.Get(tx, s.key(ctx, in.ExportName)); err != nil {
			return wire.Errorf("ValidationError", "Export '%s' does not exist", in.ExportName)
		}
		users, err = s.importersOf(ctx, tx, in.ExportName)
		return err
	})
	if err == nil && len(users) == 0 {
		return nil, wire.Errorf("ValidationError", "Export '%s' is not imported by any stack.", in.ExportName)
	}
	return &api.ListImportsOutput{Imports: users}, err
}
