package simulate

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

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
)

// report is one sign on its way to the app's servers.
type report struct {
	Sign    sign
	ID      int
	At      time.Duration // by the phone's clock
	Arrives time.Duration
	Message int // of opened and dismissed
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
func (ph *phone) life() []report {
	var out []report
	for _, s := range ph.person.Sessions {
		out = ph.use(out, s)
	}
	if ph.regime.Unlocks {
		for _, m := range ph.person.Zones[1:] {
			out = ph.tell(out, moved, m.At, 0)
		}
	}
	sortReports(out)
	return out
}

// use reports one session. iOS tells an app nothing but its own coming and going.
func (ph *phone) use(out []report, s population.Session) []report {
	live := ph.regime.Unlocks && !ph.person.IOS
	if live {
		out = ph.tell(out, unlocked, s.Start, 0)
	}
	if s.AppAt > 0 {
		out = ph.tell(out, appOpened, s.AppAt, 0)
		if ph.regime.Unlocks {
			out = ph.tell(out, appClosed, min(s.End, s.AppAt+45*time.Second), 0)
		}
	}
	if live {
		out = ph.tell(out, locked, s.End, 0)
	}
	return out
}

// tell puts one sign on its way: at once, when the network is back, or with the nightly upload.
func (ph *phone) tell(out []report, s sign, at time.Duration, message int) []report {
	r := report{
		Sign: s, ID: ph.next, At: at + ph.skew, Message: message,
		Arrives: ph.person.Online(at) + time.Duration((0.2+ph.rng.ExpFloat64())*float64(time.Second)),
	}
	ph.next++
	if ph.regime.Nightly && s != opened && s != dismissed {
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
