package twin

import (
	"slipway.dev/internal/twin/network"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/service/applicationautoscaling"
	"slipway.dev/internal/twin/service/autoscaling"
	"slipway.dev/internal/twin/service/cloudformation"
	"slipway.dev/internal/twin/service/ec2"
	"slipway.dev/internal/twin/service/ecr"
	"slipway.dev/internal/twin/service/ecs"
	"slipway.dev/internal/twin/service/elbv2"
	"slipway.dev/internal/twin/service/iam"
	"slipway.dev/internal/twin/service/kms"
	"slipway.dev/internal/twin/service/logs"
	"slipway.dev/internal/twin/service/s3"
	"slipway.dev/internal/twin/service/ssm"
	"slipway.dev/internal/twin/service/sts"
	"slipway.dev/internal/twin/store"
)

// tables are those of every service.
func tables() []store.Schema {
	return concat(
		applicationautoscaling.Tables,
		cloudformation.Tables,
		ecr.Tables,
		ecs.Tables,
		elbv2.Tables,
		network.Tables,
		iam.Tables,
		kms.Tables,
		autoscaling.Tables,
		ec2.Tables,
		logs.Tables,
		s3.Tables,
		ssm.Tables,
		sts.Tables,
	)
}

// rooms makes every service. One line a service, here and in tables.
func rooms(h room.House) []room.Room {
	return []room.Room{
		applicationautoscaling.New(h).Room(),
		cloudformation.New(h).Room(),
		ecr.New(h).Room(),
		ecs.New(h).Room(),
		elbv2.New(h).Room(),
		iam.New(h).Room(),
		kms.New(h).Room(),
		autoscaling.New(h).Room(),
		ec2.New(h).Room(),
		logs.New(h).Room(),
		s3.New(h).Room(),
		ssm.New(h).Room(),
		sts.New(h).Room(),
	}
}

func concat(lists ...[]store.Schema) (all []store.Schema) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
