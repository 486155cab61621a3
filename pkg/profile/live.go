package profile

import (
	"math"
	"time"
)

// Live is the context that the phone shows, each part with its own time: a silent phone must not freeze a person.
type Live struct {
	Lock       Reading `json:"lock,omitzero"`       // unlocked | locked
	Screen     Reading `json:"screen,omitzero"`     // on | off
	App        Reading `json:"app,omitzero"`        // foreground | background
	Charging   Reading `json:"charging,omitzero"`   // on | off
	Battery    Reading `json:"battery,omitzero"`    // 0 … 100
	Headphones Reading `json:"headphones,omitzero"` // on | off
	Motion     Reading `json:"motion,omitzero"`     // still | walking | running | cycling | in_vehicle
	Network    Reading `json:"network,omitzero"`    // wifi | cellular | none
	Ringer     Reading `json:"ringer,omitzero"`     // normal | vibrate | silent
	DND        Reading `json:"dnd,omitzero"`        // on | off
	Call       Reading `json:"call,omitzero"`       // started | ended
	Geofence   Reading `json:"geofence,omitzero"`   // entered:ID | exited:ID
}

// Breakpoints are how many readings know when they changed.
const Breakpoints = 5

// Breakpoints are those readings, in an order that is kept.
func (l *Live) Breakpoints() [Breakpoints]*Reading {
	return [Breakpoints]*Reading{&l.Charging, &l.Headphones, &l.Motion, &l.Network, &l.Ringer}
}

// Reading is the last value of one signal and when it was observed. A zero At means never.
type Reading struct {
	Value string    `json:"value,omitzero"`
	At    time.Time `json:"at,omitzero"`
	// ChangedAt is when another value gave way to it, of a reading whose changes are breakpoints; zero if it is the first.
	ChangedAt time.Time `json:"changed_at,omitzero"`
}

// Never is the age of what was never observed.
const Never = time.Duration(math.MaxInt64)

// Age of an instant: how long before now it was, never negative; Never for the zero time.
func Age(at, now time.Time) time.Duration {
	if at.IsZero() {
		return Never
	}
	return max(0, now.Sub(at))
}

// Age of the reading at now.
func (r Reading) Age(now time.Time) time.Duration { return Age(r.At, now) }

// Fresh is the reading's value while it is at most ttl old, else "": a stale reading says nothing.
func (r Reading) Fresh(now time.Time, ttl time.Duration) string {
	if r.Age(now) > ttl {
		return ""
	}
	return r.Value
}

// Set takes in an observation unless a newer one is there, and says whether it was taken. Of two observations of the
// same instant the greater value wins, so that the order of arrival does not matter.
func (r *Reading) Set(value string, at time.Time) bool {
	if at.Before(r.At) || at.Equal(r.At) && value <= r.Value {
		return false
	}
	r.Value, r.At = value, at
	return true
}

// Change is Set for a reading whose changes are breakpoints.
func (r *Reading) Change(value string, at time.Time) {
	before := r.Value
	if r.Set(value, at) && before != "" && before != value {
		r.ChangedAt = at
	}
}

// Widths of the three windows of unlock counts.
const (
	window10m = 10 * time.Minute
	window1h  = time.Hour
	window24h = 24 * time.Hour
)

// Most unlocks that a window is believed to hold: several times what the busiest people do (210 a day).
const (
	max10m = 60
	max1h  = 200
	max24h = 1000
)

// Unlock takes in one unlock at any time, in any order. It says false when more unlocks came than a person can do: those
// beyond do not count in any window, so that a minute of nonsense is not remembered for days.
func (r *Recency) Unlock(at time.Time) bool {
	var lag time.Duration // how far before the counts' instant the unlock was
	if at.After(r.UnlockAt) {
		if !r.UnlockAt.IsZero() {
			r.Unlocks10m, r.Unlocks1h, r.Unlocks24h = r.decayed(at)
		}
		r.PrevUnlockAt, r.UnlockAt = r.UnlockAt, at
	} else {
		lag = r.UnlockAt.Sub(at)
		if at.After(r.PrevUnlockAt) && lag > 0 {
			r.PrevUnlockAt = at
		}
	}
	a, b, c := r.Unlocks10m+fade(lag, window10m), r.Unlocks1h+fade(lag, window1h), r.Unlocks24h+fade(lag, window24h)
	ok := a <= max10m && b <= max1h && c <= max24h
	if ok {
		r.Unlocks10m, r.Unlocks1h, r.Unlocks24h = a, b, c
	}
	r.Sitting()
	return ok
}

// Unlocks are the expected numbers of unlocks in the last 10 minutes, hour and day: sums of e^(−age/window).
func (r *Recency) Unlocks(now time.Time) (in10m, in1h, in24h float64) {
	if r.UnlockAt.IsZero() {
		return 0, 0, 0
	}
	a, b, c := r.decayed(now)
	return float64(a), float64(b), float64(c)
}

func (r *Recency) decayed(at time.Time) (in10m, in1h, in24h float32) {
	age := Age(r.UnlockAt, at)
	return r.Unlocks10m * fade(age, window10m), r.Unlocks1h * fade(age, window1h), r.Unlocks24h * fade(age, window24h)
}

func fade(age, window time.Duration) float32 {
	if age == 0 {
		return 1
	}
	return float32(math.Exp(-float64(age) / float64(window)))
}

// Sitting works out SessionSeconds anew from the starts and ends that are known.
func (r *Recency) Sitting() {
	phone, app := sitting(r.UnlockAt, r.PrevUnlockAt, r.LockAt), sitting(r.AppStartAt, r.PrevAppStartAt, r.AppEndAt)
	if phone == 0 || app != 0 && r.AppEndAt.After(r.LockAt) {
		phone = app
	}
	r.SessionSeconds = float32(phone.Seconds())
}

// sitting lasts from the last start before end to end; 0 if no such start is known.
func sitting(start, prev, end time.Time) time.Duration {
	if start.After(end) {
		start = prev
	}
	if start.IsZero() || start.After(end) {
		return 0
	}
	return end.Sub(start)
}
