package score

import (
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/profile"
)

// Settled is how many seconds a person has been at it before a newer sign no longer counts as a fresh start.
const Settled = 120

// Sense turns a profile into the numbers of a score. What the person did not consent to does not enter.
func Sense(p *profile.Profile, now time.Time) Context {
	c := Unobserved()
	if p.AllowsUserData() {
		c.App = seconds(p.Recency.AppEventAt, now)
		c.SessionSeconds = float64(p.Recency.SessionSeconds)
	}
	c.Untold = !p.TellsUse(now)
	if p.AllowsDeviceData() {
		senseDevices(p, now, &c)
	}
	c.Prepare()
	return c
}

func senseDevices(p *profile.Profile, now time.Time, c *Context) {
	r := &p.Recency
	var shown *profile.Device // the device last used says how the person is
	for i := range p.Devices {
		if d := &p.Devices[i]; shown == nil || d.LastSeenAt.After(shown.LastSeenAt) {
			shown = d
		}
	}
	for i := range p.Devices {
		d := &p.Devices[i]
		start, sign, away := Use(&d.Live)
		switch {
		case start.IsZero():
			c.Away = min(c.Away, seconds(away, now))
		case d == shown: // whoever has gone on to another device has left this one, whether or not it said so
			// A sitting goes stale by its newest sign, but a new sign in the middle of it is no new beginning.
			c.InUse = max(seconds(sign, now), min(seconds(start, now), Settled))
		}
	}
	if c.InUse >= UsedFor {
		c.InUse = Never
	}
	c.Unlocks10m, c.Unlocks1h, c.Unlocks24h = r.Unlocks(now)
	c.CallEnded = seconds(r.CallEndAt, now)
	c.AppSwitched = seconds(r.AppSwitchAt, now)
	if shown == nil {
		return
	}
	l := &shown.Live
	for i, r := range l.Breakpoints() {
		c.Changes[i] = seconds(r.ChangedAt, now)
	}
	state := func(s State, shows bool, r profile.Reading) {
		if shows {
			c.States[s] = seconds(r.At, now)
		}
	}
	state(IsCharging, l.Charging.Value == "on", l.Charging)
	state(HasHeadphones, l.Headphones.Value == "on", l.Headphones)
	state(IsStill, l.Motion.Value == "still", l.Motion)
	state(IsOnFoot, l.Motion.Value == "walking" || l.Motion.Value == "running", l.Motion)
	state(IsCycling, l.Motion.Value == "cycling", l.Motion)
	state(IsInVehicle, l.Motion.Value == "in_vehicle", l.Motion)
	state(IsOffline, l.Network.Value == "none", l.Network)
	state(IsSilent, l.Ringer.Value == "silent", l.Ringer)
	state(IsVibrate, l.Ringer.Value == "vibrate", l.Ringer)
	if l.Battery.Value != "" { // an error of the parser is an allocation
		level, err := strconv.ParseFloat(l.Battery.Value, 64)
		state(IsLowBattery, err == nil && level < 15, l.Battery)
	}
	state(IsInCall, l.Call.Value == "started", l.Call)
	state(IsDND, l.DND.Value == "on", l.DND)
	state(IsForeground, l.App.Value == "foreground", l.App)
}

// UsedFor is after how many seconds without a sign a sitting is over, whether or not the phone said so.
const UsedFor = 7200

// Use is when the present use of a device began and its newest sign; or, if it is not in use, when it was put away.
func Use(l *profile.Live) (start, sign, away time.Time) {
	if l.Lock.Value == "locked" {
		away = l.Lock.At
	}
	if l.Screen.Value == "off" && l.Screen.At.After(away) {
		away = l.Screen.At
	}
	for _, s := range [3]struct {
		r  *profile.Reading
		on string
	}{{&l.Lock, "unlocked"}, {&l.Screen, "on"}, {&l.App, "foreground"}} {
		if s.r.Value != s.on || !s.r.At.After(away) {
			continue
		}
		if start.IsZero() || s.r.At.Before(start) {
			start = s.r.At
		}
		if s.r.At.After(sign) {
			sign = s.r.At
		}
	}
	return start, sign, away
}

// seconds since an instant; Never for none.
func seconds(at, now time.Time) float64 {
	if at.IsZero() {
		return Never
	}
	return max(0, now.Sub(at).Seconds())
}
