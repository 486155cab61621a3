// Package simulate plays policies against the synthetic people of package population, side by side and on the same
// luck: when to send each push of a given stream of messages. Ours is the production core under the virtual clock
// (package replay); the others are the rules that the industry and the literature use, and a clairvoyant oracle. What phones
// tell beside their unlocks, and apps of their people, is judged by ours that is told against ours that is not.
//
// It judges, it does not tune: nothing here is fitted to how any policy scores.
package simulate

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Regime is what is known of the people, and what people they are.
type Regime struct {
	Name, Title string
	Traits      population.Traits
	Unlocks     bool          // phones tell unlocks and locks as they happen (iOS phones: only the own app's)
	States      bool          // and calls, motion, headphones, chargers, do-not-disturb and the network
	Cohorts     bool          // the app knows who works which shift
	Nightly     bool          // own-app events come once a night, in bulk, and nothing is live
	Cold        bool          // nobody has a history; everything counts from the first message on
	AppOpens    float64       // median of a person's opens of the own app in a day, if not the population's
	Flaky       bool          // signals are late, twice, out of order, and by clocks that are wrong
	PerDay      float64       // messages a person gets a day
	Cap         int           // most that anyone may be sent in 24 hours, by whatever policy; 0: no cap
	Hold        time.Duration // from a message's arrival to its deadline
	Days        int           // that count, if fewer than of the others
}

// untold is what "ours, untold" knows of the same people; ok says whether that is less.
func (r Regime) untold() (less Regime, ok bool) {
	ok = r.States || r.Cohorts
	r.States, r.Cohorts = false, false
	return r, ok
}

// Regimes are those of the decision model, in its order.
func Regimes(hold time.Duration) []Regime {
	mixed := population.Traits{IOS: 0.4}
	return []Regime{
		{Name: "live", Title: "Live unlock stream", Unlocks: true, PerDay: 2, Hold: hold},
		{Name: "own-app", Title: "Own-app events only", PerDay: 2, Hold: hold},
		{Name: "own-app-often", Title: "Own-app events only, of an app that is opened often", AppOpens: 8, PerDay: 2, Hold: hold},
		{Name: "no-live", Title: "No live signal, history once a night", Nightly: true, PerDay: 2, Hold: hold},
		{Name: "cold", Title: "Cold start", Traits: mixed, Unlocks: true, Cold: true, PerDay: 2, Hold: hold},
		{Name: "shifts", Title: "Shift workers and travellers", Traits: population.Traits{IOS: 0.4, ShiftWorkers: 0.5, Travellers: 0.5}, Unlocks: true, PerDay: 2, Hold: hold},
		{Name: "many-senders", Title: "Many senders", Traits: mixed, Unlocks: true, PerDay: 10, Hold: hold},
		{Name: "many-capped", Title: "Many senders under a cap", Traits: mixed, Unlocks: true, PerDay: 10, Cap: 3, Hold: hold},
		{Name: "states", Title: "States of the phone beside the unlock stream", Traits: population.Traits{States: true}, Unlocks: true, States: true, PerDay: 2, Hold: hold},
		{Name: "cohorts", Title: "Cold start of shift workers and others, with cohorts: the first two days", Traits: population.Traits{IOS: 0.4, ShiftWorkers: 0.5, SteadyShifts: true}, Unlocks: true, Cold: true, Cohorts: true, PerDay: 2, Hold: hold, Days: 2},
		{Name: "flaky", Title: "Flaky phones", Traits: mixed, Unlocks: true, Flaky: true, PerDay: 2, Hold: hold},
	}
}

// adapt makes the configuration that of this regime.
func (r Regime) adapt(cfg Config) Config {
	if r.AppOpens > 0 {
		cfg.Params.AppOpensPerDay.Median = r.AppOpens
	}
	if r.Days > 0 {
		cfg.Days = min(cfg.Days, r.Days)
	}
	return cfg
}

// decides is the policy of "ours" in this regime: under its cap.
func (r Regime) decides(p policy.Policy) policy.Policy {
	if r.Cap > 0 {
		p.Caps = []policy.Cap{{Max: r.Cap, Per: event.Duration(day)}}
	}
	return p.Seeded(p.Seed)
}

// Categories are the kinds of messages of the population's InterestMean, in its order, and the share of each.
var Categories = []struct {
	Name  string
	Share float64
}{{"message", 0.4}, {"update", 0.3}, {"offer", 0.3}}

// Message is a push that an app asks for.
type Message struct {
	Index    int
	Category int
	At       time.Duration // since the Epoch
	Deadline time.Duration
}

// messagesOf are the messages to one person: by day most of them, as apps do, some at any hour.
func messagesOf(r Regime, p *population.Person, seed uint64, length time.Duration) []Message {
	rng := population.Seeded(seed, p.ID, -1)
	var out []Message
	for t := time.Duration(0); ; {
		t += time.Duration(rng.ExpFloat64() / (2 * r.PerDay) * float64(24*time.Hour))
		if t+r.Hold+time.Hour >= length {
			return out
		}
		// Thinning: half of all are kept, by day twice as many as by night.
		keep, draw := 0.3, rng.Float64()
		if h := p.Local(t).Hour(); h >= 8 && h < 22 {
			keep = 0.64
		}
		pick, category := rng.Float64(), 0
		for category < len(Categories)-1 && pick >= Categories[category].Share {
			pick -= Categories[category].Share
			category++
		}
		if draw < keep {
			out = append(out, Message{Index: len(out), Category: category, At: t, Deadline: t + r.Hold})
		}
	}
}
