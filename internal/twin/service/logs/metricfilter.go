package logs

import (
	"context"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// metricFilters are by group; they are recorded: no metric comes of them.
var metricFilters = &store.Table[api.MetricFilter]{
	Name: "log_metric_filters", By: func(f api.MetricFilter) string { return *f.LogGroupName },
}

func filterKey(ctx context.Context, group, name string) store.Key {
	c := operation.CallerOf(ctx)
	return store.Key{Account: c.Account, Region: c.Region, ID: group + "\x00" + name}
}

func countFilters(tx *store.Tx, account, region string) (map[string]int, error) {
	all, err := metricFilters.List(tx, account, region)
	count := map[string]int{}
	for _, f := range all {
		count[*f.LogGroupName]++
	}
	return count, err
}

// PutMetricFilter makes or changes a metric filter.
func (s *Service) PutMetricFilter(ctx context.Context, in *api.PutMetricFilterInput) (*api.PutMetricFilterOutput, error) {
	if _, err := ParsePattern(in.FilterPattern); err != nil {
		return nil, err
	}
	return &api.PutMetricFilterOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := findGroup(ctx, tx, in.LogGroupName); err != nil {
			return err
		}
		return metricFilters.Put(tx, filterKey(ctx, in.LogGroupName, in.FilterName), api.MetricFilter{
			FilterName: &in.FilterName, FilterPattern: &in.FilterPattern, LogGroupName: &in.LogGroupName,
			MetricTransformations: in.MetricTransformations, CreationTime: new(int(s.Clock.Now().UnixMilli())),
			ApplyOnTransformedLogs: in.ApplyOnTransformedLogs, FieldSelectionCriteria: in.FieldSelectionCriteria,
			EmitSystemFieldDimensions: in.EmitSystemFieldDimensions,
		})
	})
}

// DescribeMetricFilters lists the metric filters of a group or of a metric.
func (s *Service) DescribeMetricFilters(ctx context.Context, in *api.DescribeMetricFiltersInput) (*api.DescribeMetricFiltersOutput, error) {
	var all []api.MetricFilter
	err := s.Store.View(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		c := operation.CallerOf(ctx)
		if in.LogGroupName == nil {
			all, err = metricFilters.List(tx, c.Account, c.Region)
			return err
		}
		if _, err := findGroup(ctx, tx, *in.LogGroupName); err != nil {
			return err
		}
		all, err = metricFilters.ListBy(tx, c.Account, c.Region, *in.LogGroupName)
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f api.MetricFilter) bool {
		metric := func(t api.MetricTransformation) bool {
			return (in.MetricName == nil || *in.MetricName == t.MetricName) && (in.MetricNamespace == nil || *in.MetricNamespace == t.MetricNamespace)
		}
		return !strings.HasPrefix(*f.FilterName, wire.Value(in.FilterNamePrefix)) || !slices.ContainsFunc(f.MetricTransformations, metric)
	})
	all, next, err := page.Cut(all, in.NextToken, in.Limit, 50, "InvalidParameterException")
	return &api.DescribeMetricFiltersOutput{MetricFilters: all, NextToken: next}, err
}

// DeleteMetricFilter removes a metric filter.
func (s *Service) DeleteMetricFilter(ctx context.Context, in *api.DeleteMetricFilterInput) (*api.DeleteMetricFilterOutput, error) {
	return &api.DeleteMetricFilterOutput{}, s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		k := filterKey(ctx, in.LogGroupName, in.FilterName)
		if there, err := metricFilters.Has(tx, k); err != nil || !there {
			return cmpMissing(err)
		}
		return metricFilters.Delete(tx, k)
	})
}

func cmpMissing(err error) error {
	if err != nil {
		return err
	}
	return wire.Errorf("ResourceNotFoundException", "The specified metric filter does not exist.")
}

// TestMetricFilter says which of the given messages a pattern selects.
func (s *Service) TestMetricFilter(_ context.Context, in *api.TestMetricFilterInput) (*api.TestMetricFilterOutput, error) {
	p, err := ParsePattern(in.FilterPattern)
	if err != nil {
		return nil, err
	}
	out := &api.TestMetricFilterOutput{Matches: []api.MetricFilterMatchRecord{}}
	for i, message := range in.LogEventMessages {
		if p.Match(message) {
			out.Matches = append(out.Matches, api.MetricFilterMatchRecord{EventMessage: &message, EventNumber: new(i + 1), ExtractedValues: p.Extract(message)})
		}
	}
	return out, nil
}
