// Package logs is Amazon CloudWatch Logs: groups, streams, events, filter patterns, live tail.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
package logs

import (
	api "slipway.dev/internal/twin/api/logs"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/store"
)

// GroupCap is how many bytes of events a log group keeps here, counted as AWS counts them (the message and 26 bytes an event).
// Beyond it the oldest go, whatever the retention says: the disk of one machine is not CloudWatch.
const GroupCap = 128 << 20

// Service serves CloudWatch Logs.
type Service struct {
	room.House
	wake  room.Signal // the sweeper: something may have to go
	tails *tails
	cap   int64
}

// Tables are the service's tables.
var Tables = []store.Schema{events, metricFilters}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, wake: room.NewSignal(), tails: newTails(), cap: GroupCap}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.Of("CreateLogGroup", s.CreateLogGroup).Without("KmsKeyId", "LogGroupClass"),
			operation.Of("DeleteLogGroup", s.DeleteLogGroup),
			operation.Of("DescribeLogGroups", s.DescribeLogGroups).Without("AccountIdentifiers", "IncludeLinkedAccounts"),
			operation.Of("PutRetentionPolicy", s.PutRetentionPolicy),
			operation.Of("DeleteRetentionPolicy", s.DeleteRetentionPolicy),
			operation.RecordedOf("AssociateKmsKey", s.AssociateKmsKey),
			operation.RecordedOf("DisassociateKmsKey", s.DisassociateKmsKey),
			operation.Of("CreateLogStream", s.CreateLogStream),
			operation.Of("DeleteLogStream", s.DeleteLogStream),
			operation.Of("DescribeLogStreams", s.DescribeLogStreams),
			operation.Of("PutLogEvents", s.PutLogEvents).Without("Entity", "SequenceToken"),
			operation.Of("GetLogEvents", s.GetLogEvents).Without("Unmask"),
			operation.Of("FilterLogEvents", s.FilterLogEvents).Without("Interleaved", "Unmask"),
			operation.Of("StartLiveTail", s.StartLiveTail),
			operation.RecordedOf("PutMetricFilter", s.PutMetricFilter),
			operation.RecordedOf("DescribeMetricFilters", s.DescribeMetricFilters),
			operation.RecordedOf("DeleteMetricFilter", s.DeleteMetricFilter),
			operation.Of("TestMetricFilter", s.TestMetricFilter),
			operation.Of("TagLogGroup", s.TagLogGroup),
			operation.Of("UntagLogGroup", s.UntagLogGroup),
			operation.Of("ListTagsLogGroup", s.ListTagsLogGroup),
			operation.Of("TagResource", s.TagResource),
			operation.Of("UntagResource", s.UntagResource),
			operation.Of("ListTagsForResource", s.ListTagsForResource),
		}},
		Resources: s.resources(),
		Run:       s.sweep,
	}
}
