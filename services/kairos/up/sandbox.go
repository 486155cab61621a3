package up

import (
	"context"

	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/fleet"
)

// startGateways starts the sandbox of APNs, FCM and Web Push.
func (s *System) startGateways(ctx context.Context) (err error) {
	if s.gateways, err = sandbox.Start(context.WithoutCancel(ctx), sandbox.Options{Clock: s.deps.Clock}); err == nil {
		s.life.Defer("gateways", func(context.Context) error { return s.gateways.Close() })
	}
	return err
}

// pushes tells phones what the gateways accepted.
func (s *System) pushes(to func(fleet.Push)) (cancel func()) {
	return s.gateways.Subscribe(func(a sandbox.Arrival) {
		to(fleet.Push{MessageID: a.MessageID, DeviceID: a.DeviceID, Address: a.Address, Token: a.Token})
	})
}
