package event

// Kinds of a signal: what the phone shows.
const (
	SignalUnlocked               = "unlocked"
	SignalLocked                 = "locked"
	SignalScreenOn               = "screen_on"
	SignalScreenOff              = "screen_off"
	SignalAppForeground          = "app_foreground"
	SignalAppBackground          = "app_background"
	SignalChargingStarted        = "charging_started"
	SignalChargingStopped        = "charging_stopped"
	SignalBatteryLevel           = "battery_level" // value: percent
	SignalHeadphonesConnected    = "headphones_connected"
	SignalHeadphonesDisconnected = "headphones_disconnected"
	SignalMotion                 = "motion"  // value: still | walking | running | cycling | in_vehicle
	SignalNetwork                = "network" // value: wifi | cellular | none
	SignalRinger                 = "ringer"  // value: normal | vibrate | silent
	SignalDNDOn                  = "dnd_on"
	SignalDNDOff                 = "dnd_off"
	SignalCallStarted            = "call_started"
	SignalCallEnded              = "call_ended"
	SignalGeofenceEntered        = "geofence_entered"  // value: id of the geofence
	SignalGeofenceExited         = "geofence_exited"   // value: id of the geofence
	SignalTimeZoneChanged        = "time_zone_changed" // value: IANA zone
)

// valueRule checks the value of one kind of signal.
type valueRule func(r *rules, v Scalar)

// signalValues lists every kind with the value that it carries.
var signalValues = map[string]valueRule{
	SignalUnlocked: noValue, SignalLocked: noValue,
	SignalScreenOn: noValue, SignalScreenOff: noValue,
	SignalAppForeground: noValue, SignalAppBackground: noValue,
	SignalChargingStarted: noValue, SignalChargingStopped: noValue,
	SignalBatteryLevel:        number,
	SignalHeadphonesConnected: noValue, SignalHeadphonesDisconnected: noValue,
	SignalMotion:  word("still", "walking", "running", "cycling", "in_vehicle"),
	SignalNetwork: word("wifi", "cellular", "none"),
	SignalRinger:  word("normal", "vibrate", "silent"),
	SignalDNDOn:   noValue, SignalDNDOff: noValue,
	SignalCallStarted: noValue, SignalCallEnded: noValue,
	SignalGeofenceEntered: name, SignalGeofenceExited: name,
	SignalTimeZoneChanged: zone,
}

func (s *Signal) validateValue(r *rules) {
	check, ok := signalValues[s.Kind]
	switch {
	case s.Kind == "":
		r.fail("kind", "is required", "")
	case !ok:
		r.fail("kind", "must be a known kind of signal", quote(s.Kind))
	default:
		check(r, s.Value)
	}
}

func noValue(r *rules, v Scalar) {
	if !v.IsZero() {
		r.fail("value", "must be left out for this kind", quote(v.Text))
	}
}

func number(r *rules, v Scalar) {
	if _, ok := v.Float(); !ok {
		r.fail("value", "must be a finite number", quote(v.Text))
	}
}

func word(allowed ...string) valueRule {
	return func(r *rules, v Scalar) {
		if v.Number {
			r.fail("value", "must be a string", clip(v.Text))
			return
		}
		r.oneOf("value", v.Text, allowed...)
	}
}

func name(r *rules, v Scalar) {
	if v.Number {
		r.fail("value", "must be a string", clip(v.Text))
		return
	}
	r.id("value", v.Text)
}

func zone(r *rules, v Scalar) {
	if _, err := Zone(v.Text); err != nil || v.Number {
		r.fail("value", zoneRule, quote(v.Text))
	}
}
