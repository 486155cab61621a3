package enrich

import (
	"math"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// signal is what a phone shows: a reading with its own time, and for some kinds a sign of the person.
func (s *step) signal(sig *event.Signal) (fresh bool) {
	if !s.p.AllowsDeviceData() {
		silent := *sig
		silent.Value = event.Scalar{}
		s.fact.Signal = &silent
		return true
	}
	if s.p.Recent.Seen(event.KindSignal, sig.SignalID, s.received) {
		return false
	}
	at, corrected := s.told(sig.ObservedAt, sig.DeviceID)
	if corrected {
		right := *sig
		right.ObservedAt = at
		s.fact.Signal = &right
	}
	d, r := s.device(sig.DeviceID), &s.p.Recency
	switch sig.Kind {
	case event.SignalUnlocked:
		d.Live.Lock.Set("unlocked", at)
		if !r.Unlock(at) {
			s.p.Clamped++
		}
	case event.SignalLocked:
		d.Live.Lock.Set("locked", at)
		latest(&r.LockAt, at)
		r.Sitting()
	case event.SignalAppForeground:
		d.Live.App.Set("foreground", at)
		latest(&r.AppSwitchAt, at)
	case event.SignalAppBackground:
		d.Live.App.Set("background", at)
		latest(&r.AppSwitchAt, at)
	case event.SignalCallStarted:
		d.Live.Call.Set("started", at)
	case event.SignalCallEnded:
		d.Live.Call.Set("ended", at)
		latest(&r.CallEndAt, at)
	case event.SignalTimeZoneChanged:
		s.zone(d, sig.Value.Text, at)
	case event.SignalBatteryLevel:
		s.battery(d, sig.Value, at)
	default:
		plain(&d.Live, sig, at)
	}
	if personal[sig.Kind] {
		s.came(at, sig.DeviceID)
	}
	return true
}

// personal are the signals that only a person causes, with the phone in hand. A screen also goes on for a notification,
// and a phone that locks has mostly been left before.
var personal = map[string]bool{event.SignalUnlocked: true, event.SignalAppForeground: true, event.SignalCallEnded: true}

// plain are the readings that mean no more than they say.
func plain(l *profile.Live, sig *event.Signal, at time.Time) {
	switch sig.Kind {
	case event.SignalScreenOn:
		l.Screen.Set("on", at)
	case event.SignalScreenOff:
		l.Screen.Set("off", at)
	case event.SignalChargingStarted:
		l.Charging.Change("on", at)
	case event.SignalChargingStopped:
		l.Charging.Change("off", at)
	case event.SignalHeadphonesConnected:
		l.Headphones.Change("on", at)
	case event.SignalHeadphonesDisconnected:
		l.Headphones.Change("off", at)
	case event.SignalDNDOn:
		l.DND.Set("on", at)
	case event.SignalDNDOff:
		l.DND.Set("off", at)
	case event.SignalNetwork:
		l.Network.Change(sig.Value.Text, at)
	case event.SignalMotion:
		l.Motion.Change(sig.Value.Text, at)
	case event.SignalRinger:
		l.Ringer.Change(sig.Value.Text, at)
	case event.SignalGeofenceEntered:
		l.Geofence.Set("entered:"+sig.Value.Text, at)
	case event.SignalGeofenceExited:
		l.Geofence.Set("exited:"+sig.Value.Text, at)
	}
}

// battery keeps whole percents within 0 and 100; what lies outside is bent to the nearer end and counted.
func (s *step) battery(d *profile.Device, v event.Scalar, at time.Time) {
	level, ok := v.Float()
	if !ok || math.IsNaN(level) {
		s.p.Clamped++
		return
	}
	if level < 0 || level > 100 {
		s.p.Clamped++
		level = min(max(level, 0), 100)
	}
	d.Live.Battery.Set(strconv.Itoa(int(math.Round(level))), at)
}
