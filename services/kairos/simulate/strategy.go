package simulate

import (
	"time"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// strategy decides for one person when the messages go. It is told what becomes known, in time order, and calls send.
type strategy interface {
	offer(now time.Duration, m Message)
	observe(now time.Duration, r report)
	// due is when wake wants to be called next.
	due() (time.Duration, bool)
	wake(now time.Duration)
}

// send lets a message go now. It may be called once a message; whoever opted out gets nothing.
type send func(now time.Duration, m Message)

// Names of the nine policies, in the order of the tables, and of two more. "Ours, untold" is ours where phones do not tell their
// states, or apps their cohorts, in the regimes that are about these. Unlock + best dwell is no policy: the dwell is the one that turns
// out to win most attention in this regime, as a ceiling for all that go by the age of a sitting alone.
var Names = []string{
	"immediate", "global best hour", "user best hour", "48-h click history", "hour bandit",
	"next unlock", "unlock + 120 s", "ours", "ours, untold", "unlock + best dwell", "oracle",
}

// Places of Names.
const (
	immediate = iota
	globalHour
	userHour
	clickHistory
	hourBandit
	nextUnlock
	unlockDwell
	ours
	oursUntold
	bestDwell
	oracle
)

// dwells are those that bestDwell is the best of.
var dwells = []time.Duration{
	30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 4 * time.Minute, 6 * time.Minute, 10 * time.Minute, 15 * time.Minute,
}

// scheduled is a policy that fixes the time of a message when it comes: pick says when, within [now, deadline].
type scheduled struct {
	pick  func(now time.Duration, m Message) time.Duration
	learn func(now time.Duration, r report) // nil: it learns nothing
	sent  func(now time.Duration, m Message)
	send  send
	plan  []planned
}

type planned struct {
	at time.Duration
	m  Message
}

func (s *scheduled) offer(now time.Duration, m Message) {
	s.plan = append(s.plan, planned{min(max(s.pick(now, m), now), m.Deadline), m})
}

func (s *scheduled) observe(now time.Duration, r report) {
	if s.learn != nil {
		s.learn(now, r)
	}
}

func (s *scheduled) due() (time.Duration, bool) {
	next, ok := time.Duration(0), false
	for _, p := range s.plan {
		if !ok || p.at < next {
			next, ok = p.at, true
		}
	}
	return next, ok
}

func (s *scheduled) wake(now time.Duration) {
	rest := s.plan[:0]
	var ready []Message
	for _, p := range s.plan {
		if p.at <= now {
			ready = append(ready, p.m)
		} else {
			rest = append(rest, p)
		}
	}
	s.plan = rest
	for _, m := range ready {
		if s.sent != nil {
			s.sent(now, m)
		}
		s.send(now, m)
	}
}

// hours counts something by local hour of day.
type hours [24]float64

// bestSlot is the earliest time in [now, deadline] that lies in the best of the hours that the window touches. Among
// equals the earliest wins.
func bestSlot(p *population.Person, now, deadline time.Duration, worth func(hour int) float64) time.Duration {
	best, at := worth(p.Local(now).Hour()), now
	local := p.Local(now)
	t := now + time.Hour - time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond())
	for ; t <= deadline; t += time.Hour {
		if w := worth(p.Local(t).Hour()); w > best {
			best, at = w, t
		}
	}
	return at
}
