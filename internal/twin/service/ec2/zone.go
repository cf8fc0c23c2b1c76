package ec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/wire"
)

// regions are AWS's commercial regions that need no opt-in, and the zones of each.
var regions = map[string]string{
	"us-east-1": "abcdef", "us-east-2": "abc", "us-west-1": "ac", "us-west-2": "abcd", "ca-central-1": "abd", "sa-east-1": "abc",
	"eu-west-1": "abc", "eu-west-2": "abc", "eu-west-3": "abc", "eu-central-1": "abc", "eu-north-1": "abc",
	"ap-south-1": "abc", "ap-southeast-1": "abc", "ap-southeast-2": "abc", "ap-northeast-1": "acd", "ap-northeast-2": "abcd", "ap-northeast-3": "abc",
}

// zone is an availability zone.
type zone struct{ Name, ID string }

// zones of a region; a region that is not listed has a, b and c.
func zones(region string) (all []zone) {
	for i, letter := range cmp.Or(regions[region], "abc") {
		all = append(all, zone{region + string(letter), fmt.Sprintf("%s-az%d", shortRegion(region), i+1)})
	}
	return all
}

// shortRegion is the region in the ids of its zones: us-east-1 is use1, ap-northeast-2 is apne2.
func shortRegion(region string) string {
	short := strings.NewReplacer("northeast", "ne", "northwest", "nw", "southeast", "se", "southwest", "sw",
		"north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "-", "")
	return short.Replace(region)
}

// pickZone finds the zone that a request names by name or id; the first where it names none.
func pickZone(region string, name, id *string) (zone, error) {
	all := zones(region)
	if name == nil && id == nil {
		return all[0], nil
	}
	for _, z := range all {
		if z.Name == wire.Value(name) || z.ID == wire.Value(id) {
			return z, nil
		}
	}
	names := []string{}
	for _, z := range all {
		names = append(names, z.Name)
	}
	return zone{}, wire.Errorf("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		cmp.Or(wire.Value(name), wire.Value(id)), strings.Join(names, ", "))
}

// zoneFields are the filters of DescribeAvailabilityZones.
var zoneFields = &kind[api.AvailabilityZone]{
	tags: func(*api.AvailabilityZone) *[]api.Tag { return &[]api.Tag{} },
	fields: map[string]func(*api.AvailabilityZone) []string{
		"zone-name": text(func(z *api.AvailabilityZone) *string { return z.ZoneName }), "zone-id": text(func(z *api.AvailabilityZone) *string { return z.ZoneId }),
		"region-name": text(func(z *api.AvailabilityZone) *string { return z.RegionName }), "state": text(func(z *api.AvailabilityZone) *string { return z.State }),
		"zone-type": text(func(z *api.AvailabilityZone) *string { return z.ZoneType }), "opt-in-status": text(func(z *api.AvailabilityZone) *string { return z.OptInStatus }),
		"group-name": text(func(z *api.AvailabilityZone) *string { return z.GroupName }),
	},
}

// DescribeAvailabilityZones lists the zones of the region.
func (s *Service) DescribeAvailabilityZones(ctx context.Context, in *api.DescribeAvailabilityZonesInput) (*api.DescribeAvailabilityZonesOutput, error) {
	region := operation.CallerOf(ctx).Region
	out := &api.DescribeAvailabilityZonesOutput{AvailabilityZones: []api.AvailabilityZone{}}
	for _, z := range zones(region) {
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) || len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) {
			continue
		}
		described := api.AvailabilityZone{ZoneName: &z.Name, ZoneId: &z.ID, RegionName: &region, GroupName: new(region + "-zg-1"),
			NetworkBorderGroup: &region, OptInStatus: new("opt-in-not-required"), State: new("available"), ZoneType: new("availability-zone"), Messages: []api.AvailabilityZoneMessage{}}
		if err := zoneFields.check(in.Filters); err != nil {
			return nil, err
		}
		if zoneFields.matches(&described, in.Filters) {
			out.AvailabilityZones = append(out.AvailabilityZones, described)
		}
	}
	return out, nil
}

var regionFields = &kind[api.Region]{
	tags: func(*api.Region) *[]api.Tag { return &[]api.Tag{} },
	fields: map[string]func(*api.Region) []string{
		"region-name": text(func(r *api.Region) *string { return r.RegionName }), "endpoint": text(func(r *api.Region) *string { return r.Endpoint }),
		"opt-in-status": text(func(r *api.Region) *string { return r.OptInStatus }),
	},
}

// DescribeRegions lists the regions that need no opt-in. The twin serves a region of any name.
func (s *Service) DescribeRegions(_ context.Context, in *api.DescribeRegionsInput) (*api.DescribeRegionsOutput, error) {
	if err := regionFields.check(in.Filters); err != nil {
		return nil, err
	}
	out := &api.DescribeRegionsOutput{Regions: []api.Region{}}
	names := []string{}
	for name := range regions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := api.Region{RegionName: &name, Endpoint: new("ec2." + name + ".amazonaws.com"), OptInStatus: new("opt-in-not-required")}
		if (len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, name)) && regionFields.matches(&r, in.Filters) {
			out.Regions = append(out.Regions, r)
		}
	}
	return out, nil
}
