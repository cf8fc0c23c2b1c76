package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	api "slipway.dev/internal/twin/api/ec2"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/store"
	"slipway.dev/internal/twin/wire"
)

// furnished marks the accounts and regions that have been given a default VPC. One that its owner deletes does not come back.
var furnished = &store.Table[bool]{Name: "ec2_furnished"}

// resourceHash is 17 hexadecimal digits that depend on seed alone, for ids of what exists without having been made.
func resourceHash(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return "0" + hex.EncodeToString(sum[:8])
}

// ensureDefaults gives the caller's account and region the default VPC that AWS gives every account: 172.31.0.0/16 with three
// subnets that map public addresses, an internet gateway and a route to it. It writes once, so it is not for use inside a View.
func (s *Service) ensureDefaults(ctx context.Context) error {
	at := key(ctx, "default-vpc")
	if _, done := s.furnished.Load(at); done {
		return nil
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) error {
		done, err := furnished.Has(tx, at)
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { s.furnished.Store(at, true) })
		if done {
			return nil
		}
		return errors.Join(s.makeDefaults(ctx, tx), furnished.Put(tx, at, true))
	})
}

const defaultSubnets = 3

func (s *Service) makeDefaults(ctx context.Context, tx *store.Tx) error {
	v, err := s.makeVPC(ctx, tx, "172.31.0.0/16", "", nil)
	if err != nil {
		return err
	}
	v.IsDefault, v.DNSHostnames = new(true), true
	if err := vpcs.put(ctx, tx, &v); err != nil {
		return err
	}
	for i, z := range zones(operation.CallerOf(ctx).Region) {
		if i == defaultSubnets {
			break
		}
		made, err := s.makeSubnet(ctx, tx, &api.CreateSubnetInput{VpcId: *v.VpcId, CidrBlock: new(fmt.Sprintf("172.31.%d.0/20", 16*i)), AvailabilityZone: &z.Name})
		if err != nil {
			return err
		}
		made.DefaultForAz, made.MapPublicIpOnLaunch = new(true), new(true)
		if err := subnets.put(ctx, tx, &made); err != nil {
			return err
		}
	}
	gateway := api.InternetGateway{OwnerId: new(operation.CallerOf(ctx).Account), Attachments: []api.InternetGatewayAttachment{{VpcId: v.VpcId, State: new("available")}}}
	if err := gateways.make(ctx, tx, &gateway, nil); err != nil {
		return err
	}
	tables, err := routeTables.of(ctx, tx, *v.VpcId)
	if err != nil {
		return err
	}
	tables[0].Routes = append(tables[0].Routes, api.Route{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: gateway.InternetGatewayId, Origin: new("CreateRoute"), State: new("active")})
	return routeTables.put(ctx, tx, &tables[0])
}

// defaultVPC is the id of the default VPC, or an error where its owner has deleted it.
func (s *Service) defaultVPC(ctx context.Context) (string, error) {
	found, err := vpcs.find(ctx, s, nil, []api.Filter{{Name: new("is-default"), Values: []string{"true"}}})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", wire.Errorf("VPCIdNotSpecified", "No default VPC for this user")
	}
	return *found[0].VpcId, nil
}
