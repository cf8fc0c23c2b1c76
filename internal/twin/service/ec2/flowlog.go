package ec2

import (
	"cmp"
	"context"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/page"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

type flowLog = api.FlowLog

var flowLogs = define(&kind[flowLog]{
	prefix: "fl", typ: "vpc-flow-log", noun: "flow log", code: "InvalidFlowLogId.NotFound", by: "resource-id",
	id: func(v *flowLog) **string { return &v.FlowLogId }, tags: func(v *flowLog) *[]api.Tag { return &v.Tags },
	fields: map[string]func(*flowLog) []string{
		"flow-log-id": text(func(v *flowLog) *string { return v.FlowLogId }), "resource-id": text(func(v *flowLog) *string { return v.ResourceId }),
		"log-group-name": text(func(v *flowLog) *string { return v.LogGroupName }), "traffic-type": text(func(v *flowLog) *string { return v.TrafficType }),
		"log-destination-type": text(func(v *flowLog) *string { return v.LogDestinationType }), "deliver-log-status": text(func(v *flowLog) *string { return v.DeliverLogsStatus }),
	},
})

const flowFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// CreateFlowLogs records flow logs; no traffic is logged here.
func (s *Service) CreateFlowLogs(ctx context.Context, in *api.CreateFlowLogsInput) (*api.CreateFlowLogsOutput, error) {
	out := &api.CreateFlowLogsOutput{FlowLogIds: []string{}, Unsuccessful: []api.UnsuccessfulItem{}, ClientToken: in.ClientToken}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range in.ResourceIds {
			if err := exists(ctx, tx, id); err != nil {
				out.Unsuccessful = append(out.Unsuccessful, unsuccessful(id, err))
				continue
			}
			v := flowLog{ResourceId: &id, LogGroupName: in.LogGroupName, LogDestination: in.LogDestination, LogDestinationType: cmp.Or(in.LogDestinationType, new("cloud-watch-logs")),
				LogFormat: cmp.Or(in.LogFormat, new(flowFormat)), TrafficType: in.TrafficType, MaxAggregationInterval: cmp.Or(in.MaxAggregationInterval, new(600)),
				DeliverLogsPermissionArn: in.DeliverLogsPermissionArn, DeliverCrossAccountRole: in.DeliverCrossAccountRole, FlowLogStatus: new("ACTIVE"), DeliverLogsStatus: new("SUCCESS"), CreationTime: new(s.Clock.Now())}
			if o := in.DestinationOptions; o != nil {
				v.DestinationOptions = &api.DestinationOptionsResponse{FileFormat: o.FileFormat, HiveCompatiblePartitions: o.HiveCompatiblePartitions, PerHourPartition: o.PerHourPartition}
			}
			if err := flowLogs.make(ctx, tx, &v, in.TagSpecifications); err != nil {
				return err
			}
			out.FlowLogIds = append(out.FlowLogIds, *v.FlowLogId)
		}
		return nil
	})
	return out, err
}

// exists reports an error where a resource that may have flow logs is not there.
func exists(ctx context.Context, tx *store.Tx, id string) (err error) {
	switch {
	case vpcs.owns(id):
		_, err = vpcs.get(ctx, tx, id)
	case subnets.owns(id):
		_, err = subnets.get(ctx, tx, id)
	case interfaces.owns(id):
		_, err = interfaces.get(ctx, tx, id)
	default:
		err = wire.Errorf("InvalidParameterValue", "The ID '%s' is not that of a VPC, a subnet or a network interface", id)
	}
	return err
}

// DescribeFlowLogs lists flow logs.
func (s *Service) DescribeFlowLogs(ctx context.Context, in *api.DescribeFlowLogsInput) (*api.DescribeFlowLogsOutput, error) {
	all, err := flowLogs.find(ctx, s, in.FlowLogIds, in.Filter)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(all, in.NextToken, in.MaxResults, 1000, "InvalidNextToken")
	return &api.DescribeFlowLogsOutput{FlowLogs: all, NextToken: next}, err
}

// DeleteFlowLogs removes flow logs and names those it did not find.
func (s *Service) DeleteFlowLogs(ctx context.Context, in *api.DeleteFlowLogsInput) (*api.DeleteFlowLogsOutput, error) {
	out := &api.DeleteFlowLogsOutput{Unsuccessful: []api.UnsuccessfulItem{}}
	err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range in.FlowLogIds {
			err := flowLogs.drop(ctx, tx, id)
			if wire.HasCode(err, flowLogs.code) {
				out.Unsuccessful = append(out.Unsuccessful, unsuccessful(id, err))
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
