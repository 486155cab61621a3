package timing

import (
	"math"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// settled is how long a person has been at it before a newer sign no longer counts as a fresh start.
const settled = 120

// sense turns a profile into the numbers of a score. What the person did not consent to does not enter.
func sense(p *profile.Profile, now time.Time) score.Context {
	c := score.Unobserved()
	if p.AllowsUserData() {
		c.App = seconds(p.Recency.AppEventAt, now)
		c.SessionSeconds = float64(p.Recency.SessionSeconds)
	}
	if p.AllowsDeviceData() {
		senseDevices(p, now, &c)
	}
	c.Prepare()
	return c
}

func senseDevices(p *profile.Profile, now time.Time, c *score.Context) {
	r := &p.Recency
	var shown *profile.Device // the device last used says how the person is
	for i := range p.Devices {
		d := &p.Devices[i]
		if shown == nil || d.LastSeenAt.After(shown.LastSeenAt) {
			shown = d
		}
		start, sign, away := use(&d.Live)
		if !start.IsZero() {
			// A sitting goes stale by its newest sign, but a new sign in the middle of it is no new beginning.
			age := max(seconds(sign, now), min(seconds(start, now), settled))
			c.InUse = min(c.InUse, age)
		} else {
			c.Away = min(c.Away, seconds(away, now))
		}
	}
	if c.InUse >= usedFor {
		c.InUse = score.Never
	}
	c.Unlocks10m, c.Unlocks1h, c.Unlocks24h = r.Unlocks(now)
	c.CallEnded = seconds(r.CallEndAt, now)
	c.AppSwitched = seconds(r.AppSwitchAt, now)
	c.MotionChanged = seconds(r.MotionChangeAt, now)
	if shown == nil {
		return
	}
	l := &shown.Live
	state := func(s score.State, shows bool, r profile.Reading) {
		if shows {
			c.States[s] = seconds(r.At, now)
		}
	}
	state(score.IsCharging, l.Charging.Value == "on", l.Charging)
	state(score.HasHeadphones, l.Headphones.Value == "on", l.Headphones)
	state(score.IsStill, l.Motion.Value == "still", l.Motion)
	state(score.IsOnFoot, l.Motion.Value == "walking" || l.Motion.Value == "running", l.Motion)
	state(score.IsCycling, l.Motion.Value == "cycling", l.Motion)
	state(score.IsInVehicle, l.Motion.Value == "in_vehicle", l.Motion)
	state(score.IsOffline, l.Network.Value == "none", l.Network)
	state(score.IsSilent, l.Ringer.Value == "silent", l.Ringer)
	state(score.IsVibrate, l.Ringer.Value == "vibrate", l.Ringer)
	level, err := strconv.ParseFloat(l.Battery.Value, 64)
	state(score.IsLowBattery, err == nil && level < 15, l.Battery)
	state(score.IsInCall, l.Call.Value == "started", l.Call)
	state(score.IsDND, l.DND.Value == "on", l.DND)
	state(score.IsForeground, l.App.Value == "foreground", l.App)
}

// usedFor is after how many seconds without a sign a sitting is over, whether or not the phone said so.
const usedFor = 7200

// use is when the present use of a device began and its newest sign; or, if it is not in use, when it was put away.
func use(l *profile.Live) (start, sign, away time.Time) {
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
		return score.Never
	}
	return max(0, now.Sub(at).Seconds())
}

// observability is how far a person's moments may be counted on to be seen when they come: not without any history, less
// with a short one, and less the longer nothing at all was heard.
func observability(p *profile.Profile, now time.Time) float64 {
	if p.Presence.IsZero() || p.Recency.SeenAt.IsZero() {
		return 0
	}
	days := profile.Age(p.Presence.Since, now).Hours() / 24
	quiet := profile.Age(p.Recency.SeenAt, now).Hours()/24 - 1
	return days / (days + 1) * math.Exp2(-max(quiet, 0))
}
