package population

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// Push is a push that the provider took at At.
type Push struct {
	Index    int // the person's how many-th message: it names the luck of this push
	Category int
	At       time.Duration
}

// Fate is what became of a push. Times are since the Epoch; 0 means never.
type Fate struct {
	ShownAt, NoticedAt, OpenedAt, DismissedAt time.Duration
	Attended                                  bool    // the phone stayed in use for a minute after the notice
	Broke                                     bool    // it was noticed in the goal phase
	Pickup                                    Session // the look at the phone that the push caused; zero if none
	OptOut                                    bool
}

// Mood is a person's annoyance by pushes, which fades.
type Mood struct {
	level float64
	at    time.Duration
}

// Level at t.
func (m *Mood) Level(p *Params, t time.Duration) float64 {
	return m.level * math.Exp2(-(t-m.at).Seconds()/p.AnnoyanceHalfLife.Seconds())
}

func (m *Mood) add(p *Params, t time.Duration, amount float64) {
	m.level, m.at = m.Level(p, t)+amount, t
}

// Stay is how much longer the phone has to stay in use for a notice to count as attended.
const Stay = time.Minute

// waits is how long a push waits to be noticed at all.
const waits = 24 * time.Hour

// notice is one chance that a push is noticed.
type notice struct {
	at      time.Duration
	session Session
	factor  float64 // on the open chance
	goal    bool
}

// React plays out what a person does with a push. The same person, index and time give the same fate, whatever policy
// chose the time; mood is changed by it.
func (p *Person) React(params *Params, push Push, mood *Mood) Fate {
	rng := Seeded(p.seed, p.ID, purposeReactions+push.Index)
	var f Fate
	if push.Category == p.Muted {
		return f
	}
	interest := p.interest[push.Category] * math.Exp(-params.AnnoyanceOnOpen*mood.Level(params, push.At))
	p.play(params, rng, push.At, &f, p.buzz, func(n notice) float64 { return interest * n.factor * p.daypart[p.Local(n.at).Hour()] })
	if f.NoticedAt == 0 {
		return f
	}
	annoyance := params.AnnoyedByPush
	if f.Broke && f.OpenedAt == 0 {
		annoyance += params.AnnoyedByBreak
	}
	mood.add(params, max(f.NoticedAt, mood.at), annoyance)
	f.OptOut = f.OpenedAt == 0 && rng.Float64() < params.OptOutBase*math.Exp(params.OptOutGrowth*mood.Level(params, mood.at))
	return f
}

// Answer is when a person answers a prompt of a study, which insists more than a push does. For calibration.
func (p *Person) Answer(params *Params, index int, at time.Duration) (time.Duration, bool) {
	var f Fate
	rng := Seeded(p.seed, p.ID, purposeReactions+index)
	p.play(params, rng, at, &f, min(0.95, p.buzz*params.PromptBuzzBoost), func(n notice) float64 { return params.PromptAnswered * n.factor })
	return f.OpenedAt - at, f.OpenedAt > 0
}

// play runs through the chances to notice a push, in order of time, until it is opened or dismissed.
func (p *Person) play(params *Params, rng *rand.Rand, at time.Duration, f *Fate, buzz float64, open func(notice) float64) {
	f.ShownAt = p.Online(at)
	passed := 0
	meet := func(n notice) (done bool) {
		state := p.heed(params, n.at)
		if state.hidden {
			return false
		}
		if f.NoticedAt == 0 {
			f.NoticedAt, f.Attended, f.Broke = n.at, n.session.End-n.at >= Stay, n.goal
		}
		switch {
		case rng.Float64() < open(n)*state.open:
			f.OpenedAt = n.at + span(1+2*rng.Float64())
			return true
		case rng.Float64() < dismissal(params, n.goal):
			f.DismissedAt = n.at + span(1+3*rng.Float64())
			return true
		}
		return false
	}
	i, state := p.after(f.ShownAt), p.heed(params, f.ShownAt)
	if i > 0 && p.Sessions[i-1].End > f.ShownAt { // the phone is in use
		s := p.Sessions[i-1]
		seen := f.ShownAt + span(1+3*rng.Float64())
		if rng.Float64() < state.noticed(params.BannerNoticed) && seen < s.End && meet(inUse(params, s, seen)) {
			return
		}
	} else if quiet := p.Local(f.ShownAt).Hour(); rng.Float64() < state.noticed(buzz*state.look) && quiet >= 7 && quiet < 23 {
		look := f.ShownAt + params.BuzzDelay.seconds(rng)
		if (i == len(p.Sessions) || look+2*time.Second < p.Sessions[i].Start) && p.Free(look) == look {
			end := look + params.Glance.seconds(rng)
			if i < len(p.Sessions) {
				end = min(end, p.Sessions[i].Start-time.Second)
			}
			f.Pickup = Session{Start: look, End: end}
			if meet(notice{at: look + time.Second, session: f.Pickup, factor: 1}) {
				return
			}
		}
	}
	for chance := params.ShadeNoticed; i < len(p.Sessions) && p.Sessions[i].Start-f.ShownAt < waits; i++ {
		s := p.Sessions[i]
		if p.Free(s.Start) > s.Start {
			continue
		}
		if rng.Float64() < chance {
			if meet(waiting(params, s, s.Start+min(span(2+4*rng.Float64()), s.End-s.Start))) {
				return
			}
		}
		if passed++; passed > 20 {
			return
		}
		chance *= params.ShadeDecay
	}
}

// inUse is the notice of a banner over what the person is doing.
func inUse(params *Params, s Session, at time.Duration) notice {
	n := notice{at: at, session: s, factor: 1}
	if at < s.Start+s.Goal {
		n.goal, n.factor = true, params.GoalFactor
	}
	return n
}

// waiting is the notice of a push that lay there when the phone was unlocked.
func waiting(params *Params, s Session, at time.Duration) notice {
	return notice{at: at, session: s, factor: params.ShadeFactor}
}

func dismissal(params *Params, goal bool) float64 {
	if goal {
		return params.GoalDismiss
	}
	return params.DismissShare
}

// after is the index of the first session that starts after t.
func (p *Person) after(t time.Duration) int {
	return sort.Search(len(p.Sessions), func(i int) bool { return p.Sessions[i].Start > t })
}

// SessionAt is the session that is going on at t.
func (p *Person) SessionAt(t time.Duration) (Session, bool) {
	i := p.after(t)
	if i == 0 || p.Sessions[i-1].End <= t {
		return Session{}, false
	}
	return p.Sessions[i-1], true
}

// Between are the sessions that overlap [from, to].
func (p *Person) Between(from, to time.Duration) []Session {
	lo := sort.Search(len(p.Sessions), func(i int) bool { return p.Sessions[i].End > from })
	return p.Sessions[lo:max(lo, p.after(to))]
}

// Online is the first time from t on at which the phone has a network.
func (p *Person) Online(t time.Duration) time.Duration {
	for _, s := range p.Offline {
		if s.From <= t && t < s.To {
			return s.To
		}
	}
	return t
}
