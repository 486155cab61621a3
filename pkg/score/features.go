package score

import (
	"iter"
	"math"

	"github.com/kairos-push/kairos/pkg/profile"
)

// Feature is one named input of the model.
type Feature uint8

// The features. Ages enter through hat functions: an age between two knots is shared between them in proportion, so that
// the score is continuous in time, while each knot has a weight of its own (a plain bucket would jump at its edge).
const (
	Bias           Feature = iota
	Prior                  // log-odds that the person looks at the phone in this hour of the week
	PriorLow               // how far it is below −1, as far as no sign is fresh: nights are worse than a line says
	Untold                 // 1 while no sign is fresh of a person whose phone does not tell its use: silence says nothing then
	PriorUntold            // Prior × Untold: and so the habit says more
	PriorLowUntold         // PriorLow × Untold
	Live                   // 1 while the newest sign of use is fresh, falling to 0 as it goes stale
	PriorLive              // Prior × Live: what a fresh sign takes away from the habit's say
	PriorLowLive           // PriorLow, as far as a sign is fresh

	InUse0 // seconds since the phone came into use, if it still is
	InUse60
	InUse120
	InUse360
	InUse900
	InUse2400

	Away0 // seconds since it was put away, if that is newer
	Away60
	Away120
	Away360
	Away600
	Away2400

	App0 // seconds since the last event of the own app, if that is the newest sign
	App120
	App600
	App1800

	Unlocks10m // log(1 + unlocks)
	Unlocks1h
	Unlocks24h
	Session // log(1 + minutes) of the last finished sitting

	CallEnded0 // seconds since the end of a call: a breakpoint
	CallEnded60
	CallEnded120
	CallEnded360

	AppSwitched0 // seconds since the own app came to the foreground or left it
	AppSwitched60
	AppSwitched120
	AppSwitched360

	ChargingChanged // 1 when it became another, 0 five minutes later
	HeadphonesChanged
	MotionChanged
	NetworkChanged
	RingerChanged

	Charging // states: 1 when observed, falling to 0 as the observation gets old
	Headphones
	Still
	OnFoot
	Cycling
	InVehicle
	Offline
	Silent
	Vibrate
	LowBattery
	InCall
	DND
	Foreground

	// Of the message rather than of the moment: they enter p_open alone, and no vector holds them.
	PressureUser     // log(1 + pushes of late, leaking), of all categories
	PressureCategory // of the message's

	NumFeatures = iota
)

var names = [NumFeatures]string{
	"bias", "prior", "prior_low", "untold", "prior_untold", "prior_low_untold", "live", "prior_live", "prior_low_live",
	"in_use_0s", "in_use_60s", "in_use_120s", "in_use_360s", "in_use_900s", "in_use_2400s",
	"away_0s", "away_60s", "away_120s", "away_360s", "away_600s", "away_2400s",
	"app_0s", "app_120s", "app_600s", "app_1800s",
	"unlocks_10m", "unlocks_1h", "unlocks_24h", "session",
	"call_ended_0s", "call_ended_60s", "call_ended_120s", "call_ended_360s",
	"app_switched_0s", "app_switched_60s", "app_switched_120s", "app_switched_360s",
	"charging_changed", "headphones_changed", "motion_changed", "network_changed", "ringer_changed",
	"charging", "headphones", "still", "on_foot", "cycling", "in_vehicle", "offline", "silent", "vibrate",
	"low_battery", "in_call", "dnd", "foreground", "pressure_user", "pressure_category",
}

// String is the feature's name, as in the columns f_<name>.
func (f Feature) String() string { return names[f] }

// ChannelPrefix and the name of a channel name the feature of a decision that says which channel would take the push.
const ChannelPrefix = "channel_"

// OfMoment says that the feature tells of the moment, and so bears on p_seen as well.
func (f Feature) OfMoment() bool { return f < PressureUser }

// Named is the feature of that name.
func Named(name string) (Feature, bool) {
	for f, n := range names {
		if n == name {
			return Feature(f), true
		}
	}
	return 0, false
}

// Vector lists the features that are not 0 at one instant: few of them ever are.
type Vector struct {
	n      int
	which  [maxActive]Feature
	values [maxActive]float64
}

// maxActive features can be there at once: all but the ages, and two knots each of the newest sign's and the breakpoints'.
const maxActive = NumFeatures - int(App1800-InUse0+1) + 2 - int(AppSwitched360-CallEnded0+1) + 4

func (x *Vector) put(f Feature, v float64) {
	x.which[x.n], x.values[x.n] = f, v
	x.n++
}

// All yields each feature that is not 0, with its value.
func (x *Vector) All() iter.Seq2[Feature, float64] {
	return func(yield func(Feature, float64) bool) {
		for i := range x.n {
			if x.values[i] != 0 && !yield(x.which[i], x.values[i]) {
				return
			}
		}
	}
}

// Knots of the ages, in seconds; at the last one the sign has gone stale.
var (
	inUseKnots = [...]float64{0, 60, 120, 360, 900, 2400, 7200}
	awayKnots  = [...]float64{0, 60, 120, 360, 600, 2400, 14400}
	appKnots   = [...]float64{0, 120, 600, 1800, 5400}
	breakKnots = [...]float64{0, 60, 120, 360, 900}
)

// How long a state is believed, in seconds.
const (
	changed     = 300
	minutesLong = 1800
	hourLong    = 3600
	hoursLong   = 4 * 3600
)

// Stale is after how many seconds without a new sign no live feature is left: the score is the habit's alone.
const Stale = hoursLong

// Never is the age of what was never observed.
var Never = math.Inf(1)

// State is something that the phone shows, as the age of the observation that says so; Never if it does not.
type State uint8

// The states, in the order of their features from Charging on.
const (
	IsCharging State = iota
	HasHeadphones
	IsStill
	IsOnFoot
	IsCycling
	IsInVehicle
	IsOffline
	IsSilent
	IsVibrate
	IsLowBattery
	IsInCall
	IsDND
	IsForeground
	NumStates
)

var lasts = [NumStates]float64{
	hoursLong, hourLong, hourLong, minutesLong, minutesLong, minutesLong, minutesLong, hoursLong, hoursLong, hoursLong,
	hourLong, hoursLong, minutesLong,
}

// Context is what is known of a person at one instant. Ages are in seconds, Never for what was not observed.
type Context struct {
	InUse, Away, App       float64 // at most one matters: the newest sign
	Unlocks10m, Unlocks1h  float64 // expected counts
	Unlocks24h             float64
	SessionSeconds         float64
	CallEnded, AppSwitched float64
	Changes                [profile.Breakpoints]float64 // of profile.Live.Breakpoints, as the features from ChargingChanged on
	States                 [NumStates]float64
	// Untold says that nothing tells when the person takes the phone up and puts it away.
	Untold bool

	fading [maxFading]fading // by Prepare: what fades at a constant rate
	n      int
}

// fading is a feature that falls from scale to 0 in a straight line.
type fading struct {
	feature     Feature
	scale, rate float64
}

const maxFading = 4 + profile.Breakpoints + int(NumStates)

// Unobserved is the context of a person of whom nothing is known.
func Unobserved() Context {
	c := Context{InUse: Never, Away: Never, App: Never, CallEnded: Never, AppSwitched: Never, Untold: true}
	for i := range c.Changes {
		c.Changes[i] = Never
	}
	for i := range c.States {
		c.States[i] = Never
	}
	return c
}

// Prepare computes once what every later instant needs. At sees no change to c after it.
func (c *Context) Prepare() {
	c.n = 0
	c.counts(Unlocks10m, c.Unlocks10m, 1200)
	c.counts(Unlocks1h, c.Unlocks1h, 2*hourLong)
	c.counts(Unlocks24h, c.Unlocks24h, hoursLong)
	c.counts(Session, c.SessionSeconds/60, hourLong)
	for i, age := range c.Changes {
		c.sign(ChargingChanged+Feature(i), age, changed)
	}
	for i, age := range c.States {
		c.sign(Charging+Feature(i), age, lasts[i])
	}
}

// counts adds the logarithm of a count, which fades over a span from now on.
func (c *Context) counts(f Feature, count, span float64) {
	if v := math.Log1p(max(count, 0)); v > 0 {
		c.fading[c.n] = fading{f, v, v / span}
		c.n++
	}
}

// sign adds something observed age ago, which fades over a span from its observation on.
func (c *Context) sign(f Feature, age, span float64) {
	if age < span {
		c.fading[c.n] = fading{f, 1 - age/span, 1 / span}
		c.n++
	}
}

// At fills the vector for dt seconds later if nothing happens until then: the phone stays as it is, and every sign ages.
// prior is the log-odds of the habit at that time.
func (c *Context) At(dt, prior float64, x *Vector) {
	x.n = 0
	x.put(Bias, 1)
	x.put(Prior, prior)
	fresh := 0.0
	switch {
	case c.InUse < Never:
		fresh = x.live(inUseKnots[:], InUse0, c.InUse+dt, prior)
	case c.App < c.Away:
		fresh = x.live(appKnots[:], App0, c.App+dt, prior)
	case c.Away < Never:
		fresh = x.live(awayKnots[:], Away0, c.Away+dt, prior)
	}
	if c.Untold && fresh < 1 {
		x.put(Untold, 1-fresh)
		x.put(PriorUntold, prior*(1-fresh))
	}
	if low := prior + 1; low < 0 {
		x.put(PriorLow, low*(1-fresh))
		if c.Untold {
			x.put(PriorLowUntold, low*(1-fresh))
		}
		if fresh > 0 {
			x.put(PriorLowLive, low*fresh)
		}
	}
	x.hats(breakKnots[:], CallEnded0, c.CallEnded+dt)
	x.hats(breakKnots[:], AppSwitched0, c.AppSwitched+dt)
	for i := range c.fading[:c.n] {
		f := &c.fading[i]
		if v := f.scale - f.rate*dt; v > 0 {
			x.put(f.feature, v)
		}
	}
}

// live adds the newest sign of use; from the last but one knot on it goes stale.
func (x *Vector) live(knots []float64, first Feature, age, prior float64) (fresh float64) {
	if fresh = x.hats(knots, first, age); fresh > 0 {
		x.put(Live, fresh)
		x.put(PriorLive, prior*fresh)
	}
	return fresh
}

// hats shares an age between the two knots beside it. The last knot has no feature: what is left of 1 on the way there is
// returned.
func (x *Vector) hats(knots []float64, first Feature, age float64) (fresh float64) {
	last := len(knots) - 1
	if age >= knots[last] {
		return 0
	}
	i := 0
	for age >= knots[i+1] {
		i++
	}
	w := (age - knots[i]) / (knots[i+1] - knots[i])
	x.put(first+Feature(i), 1-w)
	if i+1 == last {
		return 1 - w
	}
	x.put(first+Feature(i+1), w)
	return 1
}

// Stale says that nothing but the habit is left: no later instant differs but by its hour.
func (x *Vector) Stale() bool {
	for _, f := range x.which[:x.n] {
		if f > PriorLowUntold {
			return false
		}
	}
	return true
}
