package up

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/fleet"
)

// sandboxPath is where the gateways show what arrived.
const sandboxPath = "/sandbox/"

// startGateways starts the sandbox of APNs, FCM and Web Push.
func (s *System) startGateways(ctx context.Context) (err error) {
	opt := sandbox.Options{Clock: s.deps.Clock}
	if s.cmd.PushLog != "" {
		f, err := os.OpenFile(s.cmd.PushLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("push log: %w", err)
		}
		s.life.Defer("push log", func(context.Context) error { return f.Close() })
		opt.Log = f
	}
	if s.gateways, err = sandbox.Start(context.WithoutCancel(ctx), opt); err == nil {
		s.life.Defer("gateways", func(context.Context) error { return errors.Join(s.gateways.Close(), s.gateways.LogError()) })
	}
	return err
}

// credentials are those of the apps file; apps that bring none push to the sandbox.
func (s *System) credentials() dispatch.Loader {
	read := dispatch.FromFile(s.cmd.Apps)
	a, f, w := s.gateways.APNsCredentials(), s.gateways.FCMCredentials(), s.gateways.WebPushCredentials()
	return func() (map[string]dispatch.App, error) {
		apps, err := read()
		for id, app := range apps {
			if app.Err == nil && app.APNs == nil && app.FCM == nil && app.WebPush == nil {
				app.APNs, app.FCM, app.WebPush = &a, &f, &w
				apps[id] = app
			}
		}
		return apps, err
	}
}

// pushes tells phones what the gateways accepted.
func (s *System) pushes(to func(fleet.Push)) (cancel func()) {
	return s.gateways.Subscribe(func(a sandbox.Arrival) {
		to(fleet.Push{MessageID: a.MessageID, DeviceID: a.DeviceID, Address: a.Address, Token: a.Token})
	})
}
