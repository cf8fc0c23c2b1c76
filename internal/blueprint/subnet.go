package blueprint

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"slipway.dev/internal/manifest"
)

// vpcCIDR is the parameter every subnet lies in.
const vpcCIDR = "VpcCidrBlock"

// subnetCIDRs are the parameters of the subnets, in the order of the template.
var subnetCIDRs = []string{
	"ElbSubnetAZ1CidrBlock", "ElbSubnetAZ2CidrBlock", "ElbSubnetAZ3CidrBlock",
	"InstanceSubnetAZ1CidrBlock", "InstanceSubnetAZ2CidrBlock", "InstanceSubnetAZ3CidrBlock",
	"NatSubnetAZ1CidrBlock", "NatSubnetAZ2CidrBlock", "NatSubnetAZ3CidrBlock",
}

// deriveSubnets moves the subnets nobody set along with a VPC that was given
// other addresses: each keeps its distance from the beginning of the VPC.
// What has no place there is left to checkSubnets.
func deriveSubnets(root *yaml.Node, s *Stack) error {
	asset, err := loadAsset("vpc")
	if err != nil {
		return err
	}
	standard, _ := defaultOf(asset, vpcCIDR)
	from, fromErr := netip.ParsePrefix(standard)
	to, toErr := netip.ParsePrefix(effective(root, s, vpcCIDR))
	if fromErr != nil || toErr != nil || from == to || !to.Addr().Is4() {
		return nil // what is no CIDR block is reported where blocks are checked
	}
	for _, key := range subnetCIDRs {
		standard, _ := defaultOf(asset, key)
		_, given := s.Parameter(key)
		subnet, err := netip.ParsePrefix(effective(root, s, key))
		if err != nil || given || effective(root, s, key) != standard || within(to, subnet) {
			continue
		}
		if moved := move(subnet, from, to); within(to, moved) {
			s.setParameter(key, moved.String())
		}
	}
	return nil
}

// move gives a subnet the place in one network that it has in another.
func move(subnet, from, to netip.Prefix) netip.Prefix {
	distance := v4(subnet.Addr()) - v4(from.Masked().Addr())
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], v4(to.Masked().Addr())+distance)
	return netip.PrefixFrom(netip.AddrFrom4(address), subnet.Bits())
}

func v4(address netip.Addr) uint32 {
	bytes := address.As4()
	return binary.BigEndian.Uint32(bytes[:])
}

func within(outer, inner netip.Prefix) bool {
	return inner.Bits() >= outer.Bits() && outer.Contains(inner.Addr())
}

// checkSubnets refuses, before anything is deployed, addresses that AWS would
// refuse half-way: see "VPC CIDR blocks" and "Subnet CIDR blocks".
func (r *renderer) checkSubnets(root *yaml.Node, s *Stack) []error {
	vpc, err := r.cidr(root, s, vpcCIDR)
	if err != nil {
		return []error{err}
	}
	var faults []error
	seen := map[string]netip.Prefix{}
	for _, key := range usedSubnets(root, s) {
		subnet, err := r.cidr(root, s, key)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if !within(vpc, subnet) {
			faults = append(faults, faultAt(r.placeOf(s, key), "choose a block within it",
				"%s of %s is %s, outside the VPC's %s", key, s.Name, subnet, vpc))
		}
		for _, other := range subnetCIDRs {
			if taken, ok := seen[other]; ok && taken.Overlaps(subnet) {
				faults = append(faults, faultAt(r.placeOf(s, key), "give each subnet addresses of its own",
					"%s of %s is %s and overlaps %s, %s", key, s.Name, subnet, other, taken))
			}
		}
		seen[key] = subnet
	}
	return faults
}

// usedSubnets are the subnets the stack creates.
func usedSubnets(root *yaml.Node, s *Stack) []string {
	used := slices.Clone(subnetCIDRs)
	perZone := effective(root, s, "NatGatewayPerAZ") == "true"
	threeZones := effective(root, s, "AZCount") == "3"
	return slices.DeleteFunc(used, func(key string) bool {
		switch key {
		case "NatSubnetAZ2CidrBlock":
			return !perZone
		case "NatSubnetAZ3CidrBlock":
			return !perZone || !threeZones
		case "ElbSubnetAZ3CidrBlock", "InstanceSubnetAZ3CidrBlock":
			return !threeZones
		}
		return false
	})
}

// cidr reads a parameter that holds a block of 16 to 65536 addresses.
func (r *renderer) cidr(root *yaml.Node, s *Stack, key string) (netip.Prefix, error) {
	value := effective(root, s, key)
	block, err := netip.ParsePrefix(value)
	if err != nil || !block.Addr().Is4() {
		return netip.Prefix{}, faultAt(r.placeOf(s, key), "", "%s of %s is %q, and a CIDR block such as 10.0.0.0/16 is expected", key, s.Name, value)
	}
	if block.Bits() < 16 || block.Bits() > 28 {
		return netip.Prefix{}, faultAt(r.placeOf(s, key), "", "%s of %s is %s; AWS takes blocks from /16 to /28", key, s.Name, value)
	}
	if block.Masked() != block {
		return netip.Prefix{}, faultAt(r.placeOf(s, key), "write "+block.Masked().String(), "%s of %s is %s, which does not begin where its block begins", key, s.Name, value)
	}
	return block, nil
}

// placeOf is where the manifest last sets a parameter of a stack, or the file.
func (r *renderer) placeOf(s *Stack, key string) manifest.Position {
	for _, set := range slices.Backward(r.manifest.Parameters) {
		for _, v := range slices.Backward(set.Values) {
			if v.Key == key && set.Matches(s.Name) {
				return v.Pos
			}
		}
	}
	for _, patch := range slices.Backward(r.manifest.Templates) {
		if n := at(patch.Node, "Parameters", key, "Default"); n != nil && patch.Matches(s.Name) {
			return manifest.Position{File: r.manifest.Path, Line: n.Line, Column: n.Column}
		}
	}
	return manifest.Position{File: r.manifest.Path}
}
