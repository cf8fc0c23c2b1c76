package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"slipway.dev/internal/blueprint"
)

// use is what keeps a stack from being deleted: another stack that imports an export of it.
type use struct {
	of       *Stack
	export   string
	importer string // name of a stack
}

// lookupsAtOnce bounds the calls made side by side, which AWS limits by the second.
const lookupsAtOnce = 8

// refuseUsed is an error where a stack that is not among the doomed uses one that is. CloudFormation would refuse the deletion as
// well, but only when the stacks before it are gone.
func (p *Project) refuseUsed(ctx context.Context, doomed []*Stack) error {
	uses, err := p.usesOf(ctx, doomed)
	if err != nil {
		return err
	}
	var all []error
	for _, u := range uses {
		if slices.ContainsFunc(doomed, func(s *Stack) bool { return s.Name == u.importer }) {
			continue
		}
		user, err := p.find(ctx, u.importer)
		if err != nil {
			return err
		}
		if user != nil { // or it has gone meanwhile
			all = append(all, fmt.Errorf("%s uses %s: the stack %s imports %s of the stack %s; take that down first", thingOf(user), thingOf(u.of), u.importer, u.export, u.of.Name))
		}
	}
	if len(all) > 0 {
		return fmt.Errorf("nothing was deleted: %w", errors.Join(all...))
	}
	return nil
}

// usesOf finds who imports from stacks, in the order of the exports' names.
func (p *Project) usesOf(ctx context.Context, stacks []*Stack) ([]use, error) {
	exports, err := p.exportsOf(ctx, stacks)
	if err != nil {
		return nil, err
	}
	found := make([][]use, len(exports))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i, e := range exports {
		group.Go(func() error {
			importers, err := p.importers(ctx, e.export)
			for _, name := range importers {
				found[i] = append(found[i], use{e.of, e.export, name})
			}
			return err
		})
	}
	err = group.Wait()
	return slices.Concat(found...), err
}

// exportsOf lists what stacks export, by name; nobody imports it yet.
func (p *Project) exportsOf(ctx context.Context, stacks []*Stack) (exports []use, err error) {
	byID := map[string]*Stack{}
	for _, s := range stacks {
		byID[s.ID] = s
	}
	pages := cloudformation.NewListExportsPaginator(p.Target.Clients.CloudFormation, &cloudformation.ListExportsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list exports: %w", err)
		}
		for _, e := range page.Exports {
			if s := byID[aws.ToString(e.ExportingStackId)]; s != nil {
				exports = append(exports, use{of: s, export: aws.ToString(e.Name)})
			}
		}
	}
	slices.SortFunc(exports, func(a, b use) int { return strings.Compare(a.export, b.export) })
	return exports, nil
}

// importers are the names of the stacks that import an export.
func (p *Project) importers(ctx context.Context, export string) (names []string, err error) {
	pages := cloudformation.NewListImportsPaginator(p.Target.Clients.CloudFormation, &cloudformation.ListImportsInput{ExportName: &export})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if notImported(err) {
			return names, nil
		}
		if err != nil && p.Target.Name == TargetEndpoint && ctx.Err() == nil {
			// Some emulators fail at this question. CloudFormation itself refuses what is in use, only later.
			p.warn("who imports " + export + " is not known: " + err.Error())
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list imports of %s: %w", export, err)
		}
		names = append(names, page.Imports...)
	}
	return names, nil
}

// notImported recognises the answer about an export that no stack imports, or that has gone meanwhile: a ValidationError with a text.
func notImported(err error) bool {
	var fault smithy.APIError
	return missing(err) || errors.As(err, &fault) && fault.ErrorCode() == "ValidationError" && strings.Contains(fault.ErrorMessage(), "is not imported by any stack")
}

// thingOf says in the words of the file what a stack is.
func thingOf(s *Stack) string {
	env := s.Tag("environment")
	switch kind := kindOf(s); {
	case env == "":
	case kind == blueprint.KindVPC, kind == blueprint.KindTarget:
		return "the network of " + env
	case kind == blueprint.KindLoadBalancer:
		return "the load balancer of " + env
	case kind == blueprint.KindService:
		return "the service " + s.Tag("service") + " in " + env
	case kind == blueprint.KindEnvironment:
		return "the environment " + env
	}
	return "the stack " + s.Name
}
