package simulate

import (
	"math/rand/v2"
	"time"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// newImmediate sends at once.
func newImmediate(out send) strategy {
	return &scheduled{send: out, pick: func(now time.Duration, _ Message) time.Duration { return now }}
}

// newGlobalHour sends in the hour of day at which most people open the app, of the hours that the window leaves.
func newGlobalHour(p *population.Person, global *hours, out send) strategy {
	return &scheduled{send: out, pick: func(now time.Duration, m Message) time.Duration {
		return bestSlot(p, now, m.Deadline, func(h int) float64 { return global[h] })
	}}
}

// newUserHour sends in the hour of day at which this person opened the app most, the rule of Airship, Braze and
// OneSignal. With no history in the window, and between equals, the global hours decide.
func newUserHour(p *population.Person, global *hours, out send) strategy {
	var own hours
	total := 0.0
	for _, n := range global {
		total += n
	}
	return &scheduled{
		send: out,
		pick: func(now time.Duration, m Message) time.Duration {
			return bestSlot(p, now, m.Deadline, func(h int) float64 { return own[h] + 1e-3*global[h]/max(total, 1) })
		},
		learn: func(_ time.Duration, r report) {
			if r.Sign == appOpened || r.Sign == opened {
				own[p.Local(r.At).Hour()]++
			}
		},
	}
}

// newClickHistory sends at the hour of day of the last open within 48 h, if the window has it, else at once.
func newClickHistory(p *population.Person, out send) strategy {
	var clicks []time.Duration
	return &scheduled{
		send: out,
		pick: func(now time.Duration, m Message) time.Duration {
			var recent hours
			for _, c := range clicks {
				if now-c <= 48*time.Hour {
					recent[p.Local(c).Hour()]++
				}
			}
			return bestSlot(p, now, m.Deadline, func(h int) float64 { return recent[h] })
		},
		learn: func(_ time.Duration, r report) {
			if r.Sign == opened {
				clicks = append(clicks, r.At)
			}
		},
	}
}

// newHourBandit keeps a Beta posterior of the open rate of each hour of day for this person and samples from it
// (Thompson, 1933), in the window's hours.
func newHourBandit(p *population.Person, seed uint64, out send) strategy {
	rng := population.Seeded(seed, p.ID, -3)
	var sends, opens hours
	hourOf := map[int]int{}
	return &scheduled{
		send: out,
		pick: func(now time.Duration, m Message) time.Duration {
			var draw hours
			for h := range draw {
				draw[h] = sampleBeta(rng, 1+opens[h], 4+max(0, sends[h]-opens[h]))
			}
			return bestSlot(p, now, m.Deadline, func(h int) float64 { return draw[h] })
		},
		learn: func(_ time.Duration, r report) {
			if r.Sign == opened {
				opens[hourOf[r.Message]]++
			}
		},
		sent: func(now time.Duration, m Message) {
			hourOf[m.Index] = p.Local(now).Hour()
			sends[hourOf[m.Index]]++
		},
	}
}

func sampleBeta(rng *rand.Rand, a, b float64) float64 { return population.Beta(rng, a/(a+b), a+b) }

// onUnlock sends as soon as the phone has been in use for dwell, at the deadline if it never is. Where phones do not
// tell unlocks, opening the own app is the only sign of use.
type onUnlock struct {
	dwell        time.Duration
	send         send
	held         []Message
	since, until time.Duration // the phone is in use
	told         bool          // by an unlock, so a lock will tell the end
}

// A use without a sign of its end is believed to last this long.
const (
	useAfterUnlock = 3 * time.Hour
	useAfterOpen   = 5 * time.Minute
)

func (u *onUnlock) offer(_ time.Duration, m Message) { u.held = append(u.held, m) }

func (u *onUnlock) observe(now time.Duration, r report) {
	if (r.Sign == unlocked || r.Sign == appOpened) && now >= u.until {
		u.since, u.told = now, false
	}
	switch r.Sign {
	case unlocked:
		u.until, u.told = now+useAfterUnlock, true
	case appOpened:
		u.until = max(u.until, now+useAfterOpen)
	case locked:
		u.until = min(u.until, now)
	case appClosed:
		if !u.told {
			u.until = min(u.until, now)
		}
	default: // no sign of use
	}
}

func (u *onUnlock) due() (time.Duration, bool) {
	if len(u.held) == 0 {
		return 0, false
	}
	next := u.held[0].Deadline
	for _, m := range u.held {
		if t := max(u.since+u.dwell, m.At); u.until > 0 && t < u.until {
			next = min(next, t)
		}
		next = min(next, m.Deadline)
	}
	return next, true
}

func (u *onUnlock) wake(now time.Duration) {
	ready := now >= u.since+u.dwell && now < u.until
	held := u.held
	u.held = nil
	for _, m := range held {
		if ready || now >= m.Deadline {
			u.send(now, m)
		} else {
			u.held = append(u.held, m)
		}
	}
}

// newOracle knows when the person will use the phone: it sends at the first time in the window from which they stay
// a minute and are past what they came for, else while they use it at all, else at the deadline.
func newOracle(p *population.Person, out send) strategy {
	return &scheduled{send: out, pick: func(now time.Duration, m Message) time.Duration {
		fallback := m.Deadline
		found := false
		for _, s := range p.Between(now, m.Deadline) {
			free := p.Free(max(now, s.Start+s.Goal))
			if free <= m.Deadline && s.End-free >= population.Stay+5*time.Second && p.Online(free) == free {
				return free
			}
			if t := p.Free(max(now, s.Start)); !found && t <= m.Deadline && s.End-t > 5*time.Second && p.Online(t) == t {
				fallback, found = t, true
			}
		}
		return fallback
	}}
}
