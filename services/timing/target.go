package timing

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// targets picks the devices that a message goes to now. Without any, the gate says why.
func targets(p *profile.Profile, m *event.Message, now time.Time, activeFor time.Duration) ([]*profile.Device, policy.Set) {
	var all []*profile.Device
	denied := false
	for i := range p.Devices {
		d := &p.Devices[i]
		denied = denied || d.Permission == event.PermissionDenied && !d.Deleted
		if d.Reachable() {
			all = append(all, d)
		}
	}
	switch {
	case len(all) == 0 && denied:
		return nil, policy.Permission
	case len(all) == 0:
		return nil, policy.NoDevice
	case m.Devices == event.DevicesAll:
		return all, 0
	case m.Devices == event.DevicesLastUsed:
		return []*profile.Device{p.LastUsed()}, 0
	}
	if d, _ := active(p, now, activeFor); d != nil && d.Reachable() {
		return []*profile.Device{d}, 0
	}
	return []*profile.Device{p.LastUsed()}, 0
}

// active is the device that the person is using now, and until when that may be believed without another signal; nil
// if none shows it.
func active(p *profile.Profile, now time.Time, activeFor time.Duration) (*profile.Device, time.Time) {
	var best *profile.Device
	var since time.Time
	for i := range p.Devices {
		d := &p.Devices[i]
		if at := inUseSince(&d.Live); !at.IsZero() && at.Add(activeFor).After(now) && at.After(since) {
			best, since = d, at
		}
	}
	return best, since.Add(activeFor)
}

// inUseSince is the last sign that the device is in use, unless a newer one says that it was put away.
func inUseSince(l *profile.Live) time.Time {
	var on, off time.Time
	for _, s := range [3]struct {
		r  *profile.Reading
		on string
	}{{&l.Lock, "unlocked"}, {&l.Screen, "on"}, {&l.App, "foreground"}} {
		switch {
		case s.r.Value == s.on && s.r.At.After(on):
			on = s.r.At
		case s.r.Value != s.on && s.r != &l.App && s.r.At.After(off): // leaving our app is not leaving the phone
			off = s.r.At
		}
	}
	if off.After(on) {
		return time.Time{}
	}
	return on
}

// target is a device as dispatch needs it.
func target(d *profile.Device) event.Target {
	return event.Target{
		DeviceID: d.DeviceID, Platform: d.Platform, Channel: d.Channel, AddressType: d.AddressType,
		Address: d.Address, AppVersion: d.AppVersion, Locale: d.Locale,
	}
}
