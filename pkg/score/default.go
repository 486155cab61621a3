package score

// DefaultVersion names the built-in model.
const DefaultVersion = "builtin-1"

// Default is the built-in model: documented constants, until a model was learned. [M] marks what was measured on real phone
// logs (timing.md §1), [A] an assumption of moderate size that learning is meant to replace.
//
// While no sign is fresh, p_seen follows the habit. 43.7 % of real prompts were answered within five minutes [M]: 0.41 in an
// hour in which the person looks at the phone with 0.75, 0.52 in their busiest (0.95), and 0.03 in the dead of night
// (0.06) [A]. A fresh sign takes the habit's place: its knots are the log-odds of chances that were measured in busy
// hours (0.9), and a tenth of the habit stays.
func Default() *Model {
	const intercept, slope, low, kept = -0.65, 0.25, 1.22, 0.10
	m := &Model{Version: DefaultVersion}
	m.Seen = Weights{
		Bias:      intercept,
		Prior:     slope,
		PriorLow:  low,
		Live:      -intercept - kept*logit(0.9),
		PriorLive: kept - slope,

		// The chance that the person stays a minute more: 0.57 at the unlock, 0.80 after two minutes [M]. Sittings have a
		// heavy tail [M]: whoever stays long stays on, until the phone may have been put down without a word [A].
		InUse0: logit(0.57), InUse60: logit(0.70), InUse120: logit(0.80), InUse360: logit(0.82),
		InUse900: logit(0.82), InUse2400: logit(0.60),

		// The chance of another unlock within five minutes: 0.54 at once, 0.31 after ten minutes, 0.14 after forty [M],
		// and of a minute's stay then: 0.57 [M].
		Away0: away(0), Away60: away(60), Away120: away(120), Away360: away(360), Away600: away(600), Away2400: logit(0.14 * 0.57),
		// Whoever does something in the own app is there just then; how long nobody tells [A].
		App0: logit(0.85), App120: logit(0.60), App600: logit(0.42), App1800: logit(0.28),

		Unlocks10m: 0.05, Unlocks1h: 0.03, // busy people come back sooner [A]
		CallEnded0: 0.20, CallEnded60: 0.16, CallEnded120: 0.12, // the phone is in the hand [A]

		Charging: -0.15, Headphones: 0.20, OnFoot: -0.20, Cycling: -1.0, InVehicle: -0.40, // [A]
		Offline: -2.0, Silent: -0.35, Vibrate: -0.10, LowBattery: -0.10, InCall: -1.5, DND: -2.0, Foreground: 0.40,
	}
	m.Open = Weights{
		Bias: logit(0.12), // [A]: direct opens of 4 to 8 % of sends, of which about half are seen in time
		// Delivery at the instant of screen-on cost 16 % of the logins of the day, and the best delay was 1 to 6 minutes
		// ("Not So Timely"). If a push that was passed over is still found later, half as well, its chance of a direct open r
		// solves (r + ½)/(1 + ½) = 0.84, and if just as well, (r + 1)/2: ln 0.72 between them. After a minute half of it is left [A].
		InUse0: -0.33, InUse60: -0.16,
		// Breakpoints (Fischer 2011, Ho & Intille 2005): clicks rose by up to 60 % at them (Yahoo! JAPAN).
		CallEnded0: 0.20, CallEnded60: 0.16, CallEnded120: 0.12,
		AppSwitched0: 0.10, AppSwitched60: 0.08, AppSwitched120: 0.06,
		MotionChanged: 0.15,
		InCall:        -1.0, InVehicle: -0.20, Cycling: -0.50,
		Foreground: -0.70, // they are here already: only the uplift counts

		PressureUser: -0.10, PressureCategory: -0.10, // fewer pushes are opened more (timing.md §1); how much is learned [A]
	}
	return m
}

// away is the log-odds of an unlock within five minutes, and a minute's stay, so many seconds after the phone was put away:
// on the line between the two that were measured.
func away(seconds float64) float64 {
	at0, at600 := logit(0.54*0.57), logit(0.31*0.57)
	return at0 + (at600-at0)*seconds/600
}
