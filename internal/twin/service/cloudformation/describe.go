package cloudformation

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	api "slipway.dev/internal/twin/api/cloudformation"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// DescribeStacks describes one stack, or all living ones.
func (s *Service) DescribeStacks(ctx context.Context, in *api.DescribeStacksInput) (*api.DescribeStacksOutput, error) {
	if in.StackName != nil {
		var st stack
		err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			st, err = s.find(ctx, tx, *in.StackName)
			return err
		})
		if err != nil {
			return nil, err
		}
		return &api.DescribeStacksOutput{Stacks: []api.Stack{describe(st)}}, nil
	}
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(st stack) bool { return st.Status == "DELETE_COMPLETE" })
	all, next, err := page.Cut(all, in.NextToken, nil, 100, "ValidationError")
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStacksOutput{NextToken: next, Stacks: []api.Stack{}}
	for _, st := range all {
		out.Stacks = append(out.Stacks, describe(st))
	}
	return out, nil
}

// list returns every stack of the caller's account and region, newest first.
func (s *Service) list(ctx context.Context) (all []stack, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		c := operation.CallerOf(ctx)
		all, err = stacks.List(tx, c.Account, c.Region)
		return err
	})
	slices.SortStableFunc(all, func(a, b stack) int { return b.Created.Compare(a.Created) })
	return all, err
}

func describe(st stack) api.Stack {
	out := api.Stack{StackId: &st.ID, StackName: st.Name, StackStatus: st.Status, StackStatusReason: wire.Maybe(st.Reason), CreationTime: st.Created,
		LastUpdatedTime: moment(st.Updated), DeletionTime: moment(st.Deleted), Description: wire.Maybe(st.Current.Description),
		Capabilities: st.Current.Capabilities, RoleARN: wire.Maybe(st.Current.RoleARN), DisableRollback: &st.DisableRollback,
		EnableTerminationProtection: &st.TerminationProtection, TimeoutInMinutes: wire.Maybe(st.TimeoutMinutes), ParentId: wire.Maybe(st.ParentID),
		NotificationARNs: slices.Concat([]string{}, st.Current.Notify), ChangeSetId: wire.Maybe(st.ChangeSetID), Tags: tagList(st.Current.Tags),
		DriftInformation: &api.StackDriftInformation{StackDriftStatus: "NOT_CHECKED"}}
	if st.ParentID != "" {
		out.RootId = &st.RootID
	}
	for _, p := range st.Current.Shown {
		out.Parameters = append(out.Parameters, api.Parameter{ParameterKey: &p.Name, ParameterValue: &p.Value, ResolvedValue: wire.Maybe(p.Resolved)})
	}
	for _, o := range st.Outputs {
		out.Outputs = append(out.Outputs, api.Output{OutputKey: &o.Name, OutputValue: &o.Value, Description: wire.Maybe(o.Description), ExportName: wire.Maybe(o.ExportName)})
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func tagList(tags map[string]string) []api.Tag {
	list := []api.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, api.Tag{Key: k, Value: tags[k]})
	}
	return list
}

// ListStacks summarises stacks, deleted ones included.
func (s *Service) ListStacks(ctx context.Context, in *api.ListStacksInput) (*api.ListStacksOutput, error) {
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.StackStatusFilter) > 0 {
		all = slices.DeleteFunc(all, func(st stack) bool { return !slices.Contains(in.StackStatusFilter, st.Status) })
	}
	all, next, err := page.Cut(all, in.NextToken, nil, 100, "ValidationError")
	out := &api.ListStacksOutput{NextToken: next, StackSummaries: []api.StackSummary{}}
	for _, st := range all {
		out.StackSummaries = append(out.StackSummaries, api.StackSummary{StackId: &st.ID, StackName: st.Name, StackStatus: st.Status,
			StackStatusReason: wire.Maybe(st.Reason), CreationTime: st.Created, LastUpdatedTime: moment(st.Updated), DeletionTime: moment(st.Deleted),
			TemplateDescription: wire.Maybe(st.Current.Description), ParentId: wire.Maybe(st.ParentID),
			DriftInformation: &api.StackDriftInformationSummary{StackDriftStatus: "NOT_CHECKED"}})
	}
	return out, err
}

// stackResources returns a stack and its resources by logical id.
func (s *Service) stackResources(ctx context.Context, name string) (st stack, list []stackResource, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) error {
		if st, err = s.find(ctx, tx, name); err != nil {
			return err
		}
		list, err = s.resourcesOf(ctx, tx, st.ID)
		return err
	})
	slices.SortFunc(list, func(a, b stackResource) int { return cmp.Compare(a.LogicalID, b.LogicalID) })
	return st, list, err
}

// ListStackResources lists a stack's resources.
func (s *Service) ListStackResources(ctx context.Context, in *api.ListStackResourcesInput) (*api.ListStackResourcesOutput, error) {
	_, list, err := s.stackResources(ctx, in.StackName)
	if err != nil {
		return nil, err
	}
	list, next, err := page.Cut(list, in.NextToken, nil, 100, "ValidationError")
	out := &api.ListStackResourcesOutput{NextToken: next, StackResourceSummaries: []api.StackResourceSummary{}}
	for _, r := range list {
		out.StackResourceSummaries = append(out.StackResourceSummaries, api.StackResourceSummary{LogicalResourceId: r.LogicalID,
			PhysicalResourceId: wire.Maybe(r.PhysicalID), ResourceType: r.Type, ResourceStatus: r.Status, ResourceStatusReason: wire.Maybe(r.Reason),
			LastUpdatedTimestamp: r.Updated, DriftInformation: &api.StackResourceDriftInformationSummary{StackResourceDriftStatus: "NOT_CHECKED"}})
	}
	return out, err
}

// DescribeStackResources describes the resources of a stack, at most one hundred.
func (s *Service) DescribeStackResources(ctx context.Context, in *api.DescribeStackResourcesInput) (*api.DescribeStackResourcesOutput, error) {
	if in.StackName == nil {
		return nil, wire.Errorf("ValidationError", "StackName is required: the twin does not look stacks up by physical id")
	}
	st, list, err := s.stackResources(ctx, *in.StackName)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeStackResourcesOutput{StackResources: []api.StackResource{}}
	for _, r := range list[:min(len(list), 100)] {
		if in.LogicalResourceId != nil && *in.LogicalResourceId != r.LogicalID {
			continue
		}
		out.StackResources = append(out.StackResources, api.StackResource{StackId: &st.ID, StackName: &st.Name, LogicalResourceId: r.LogicalID,
			PhysicalResourceId: wire.Maybe(r.PhysicalID), ResourceType: r.Type, ResourceStatus: r.Status, ResourceStatusReason: wire.Maybe(r.Reason),
			Timestamp: r.Updated, DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: "NOT_CHECKED"}})
	}
	return out, nil
}

// DescribeStackResource describes one resource.
func (s *Service) DescribeStackResource(ctx context.Context, in *api.DescribeStackResourceInput) (*api.DescribeStackResourceOutput, error) {
	st, list, err := s.stackResources(ctx, in.StackName)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(r stackResource) bool { return r.LogicalID == in.LogicalResourceId })
	if i < 0 {
		return nil, wire.Errorf("ValidationError", "Resource %s does not exist for stack %s", in.LogicalResourceId, st.Name)
	}
	r := list[i]
	return &api.DescribeStackResourceOutput{StackResourceDetail: &api.StackResourceDetail{StackId: &st.ID, StackName: &st.Name, LogicalResourceId: r.LogicalID,
		PhysicalResourceId: wire.Maybe(r.PhysicalID), ResourceType: r.Type, ResourceStatus: r.Status, ResourceStatusReason: wire.Maybe(r.Reason),
		LastUpdatedTimestamp: r.Updated, DriftInformation: &api.StackResourceDriftInformation{StackResourceDriftStatus: "NOT_CHECKED"}}}, nil
}
