// Package sts is AWS Security Token Service: who calls, and temporary credentials of roles and users.
// https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
package sts

import (
	"context"
	"time"

	"slipway.dev/internal/twin/api/iam"
	api "slipway.dev/internal/twin/api/sts"
	"slipway.dev/internal/twin/operation"
	"slipway.dev/internal/twin/room"
	"slipway.dev/internal/twin/service/sts/session"
	"slipway.dev/internal/twin/store"
)

// Service serves STS.
type Service struct {
	room.House
	iam  iam.Client
	wake room.Signal
}

// Tables are the service's tables.
var Tables = []store.Schema{session.Table}

// New makes the service.
func New(h room.House) *Service {
	return &Service{House: h, iam: iam.Client{Invoker: h.Invoker}, wake: room.NewSignal()}
}

// Room lists what the service serves.
func (s *Service) Room() room.Room {
	return room.Room{
		Service: &operation.Service{API: api.API, Operations: []operation.Operation{
			operation.Of("GetCallerIdentity", s.GetCallerIdentity),
			operation.Of("AssumeRole", s.AssumeRole).Without("Policy", "PolicyArns", "ProvidedContexts", "SerialNumber", "TokenCode", "Tags", "TransitiveTagKeys"),
			operation.Of("GetSessionToken", s.GetSessionToken).Without("SerialNumber", "TokenCode"),
			operation.Of("GetAccessKeyInfo", s.GetAccessKeyInfo),
			operation.Of("DecodeAuthorizationMessage", s.DecodeAuthorizationMessage),
		}},
		Run: s.run,
	}
}

// run forgets sessions that expired long ago.
func (s *Service) run(ctx context.Context) error {
	for {
		var next time.Time
		err := s.Store.Update(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			next, err = session.Clean(tx, s.Clock.Now())
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.Log.Error("expired sessions not cleaned up", "error", err)
			next = s.Clock.Now().Add(time.Minute)
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = s.Clock.After(max(next.Sub(s.Clock.Now()), time.Second))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer:
		}
	}
}
