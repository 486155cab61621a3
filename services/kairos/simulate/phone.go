package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// sign is what a phone or the app tells of the person.
type sign uint8

const (
	unlocked sign = iota
	locked
	appOpened
	appClosed
	moved     // the phone is in another time zone
	opened    // the push
	dismissed // the push
	shown     // the phone shows a state
)

// report is one sign on its way to the app's servers.
type report struct {
	Sign    sign
	ID      int
	At      time.Duration // by the phone's clock
	Arrives time.Duration
	Message int    // of opened and dismissed
	Kind    string // of the signal of shown
	Value   string // and what it says
}

// phone makes the reports of one person's phone in a regime.
type phone struct {
	regime Regime
	person *population.Person
	rng    *rand.Rand
	skew   time.Duration // of its clock
	next   int
}

func newPhone(r Regime, p *population.Person, seed uint64) *phone {
	ph := &phone{regime: r, person: p, rng: population.Seeded(seed, p.ID, -2)}
	if r.Flaky {
		ph.skew = time.Duration(ph.rng.NormFloat64() * float64(3*time.Minute))
	}
	return ph
}

// life is everything that the phone reports of a person whom no push disturbs, by arrival.
func (ph *phone) life(params *population.Params) []report {
	var out []report
	for _, s := range ph.person.Sessions {
		out = ph.use(out, s)
	}
	if ph.regime.Unlocks {
		for _, m := range ph.person.Zones[1:] {
			out = ph.tell(out, report{Sign: moved, At: m.At})
		}
	}
	if ph.regime.States && !ph.person.IOS {
		out = ph.show(out, params)
	}
	sortReports(out)
	return out
}

// displays are the signals of a state's beginning and end, and the value of the first.
var displays = [population.NumStates]struct{ begin, end, value string }{
	population.Calling:      {event.SignalCallStarted, event.SignalCallEnded, ""},
	population.Driving:      {event.SignalMotion, event.SignalMotion, "in_vehicle"},
	population.Riding:       {event.SignalMotion, event.SignalMotion, "in_vehicle"},
	population.Walking:      {event.SignalMotion, event.SignalMotion, "walking"},
	population.Headphones:   {event.SignalHeadphonesConnected, event.SignalHeadphonesDisconnected, ""},
	population.Charging:     {event.SignalChargingStarted, event.SignalChargingStopped, ""},
	population.DoNotDisturb: {event.SignalDNDOn, event.SignalDNDOff, ""},
}

// show reports the states, and that the network was gone, which cannot be heard before it is back.
func (ph *phone) show(out []report, params *population.Params) []report {
	for state, spans := range ph.person.States {
		d, lag, after := displays[state], time.Duration(0), ""
		if d.begin == event.SignalMotion {
			lag, after = params.MotionLag, "still"
		}
		for _, s := range spans {
			out = ph.tell(out, report{Sign: shown, At: s.From + lag, Kind: d.begin, Value: d.value})
			out = ph.tell(out, report{Sign: shown, At: s.To + lag, Kind: d.end, Value: after})
		}
	}
	for _, s := range ph.person.Offline {
		out = ph.tell(out, report{Sign: shown, At: s.From, Kind: event.SignalNetwork, Value: "none"})
		out = ph.tell(out, report{Sign: shown, At: s.To, Kind: event.SignalNetwork, Value: "cellular"})
	}
	return out
}

// use reports one session. iOS tells an app nothing but its own coming and going.
func (ph *phone) use(out []report, s population.Session) []report {
	live := ph.regime.Unlocks && !ph.person.IOS
	if live {
		out = ph.tell(out, report{Sign: unlocked, At: s.Start})
	}
	if s.AppAt > 0 {
		out = ph.tell(out, report{Sign: appOpened, At: s.AppAt})
		if ph.regime.Unlocks {
			out = ph.tell(out, report{Sign: appClosed, At: min(s.End, s.AppAt+45*time.Second)})
		}
	}
	if live {
		out = ph.tell(out, report{Sign: locked, At: s.End})
	}
	return out
}

// tell puts one sign on its way: at once, when the network is back, or with the nightly upload.
func (ph *phone) tell(out []report, r report) []report {
	at := r.At
	r.ID, r.At = ph.next, at+ph.skew
	r.Arrives = ph.person.Online(at) + time.Duration((0.2+ph.rng.ExpFloat64())*float64(time.Second))
	ph.next++
	if ph.regime.Nightly && r.Sign != opened && r.Sign != dismissed {
		local := ph.person.Local(at)
		night := time.Date(local.Year(), local.Month(), local.Day()+1, 4, 0, 0, 0, local.Location())
		r.Arrives = max(r.Arrives, night.Sub(population.Epoch))
	}
	out = append(out, r)
	if ph.regime.Flaky {
		last := &out[len(out)-1]
		if ph.rng.Float64() < 0.1 {
			last.Arrives += time.Duration(ph.rng.ExpFloat64() * float64(5*time.Minute))
		}
		if ph.rng.Float64() < 0.05 {
			again := *last
			again.Arrives += time.Duration(ph.rng.ExpFloat64() * float64(2*time.Minute))
			out = append(out, again)
		}
	}
	return out
}

func sortReports(r []report) {
	slices.SortStableFunc(r, func(a, b report) int { return cmp.Or(cmp.Compare(a.Arrives, b.Arrives), cmp.Compare(a.ID, b.ID)) })
}
