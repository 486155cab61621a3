package timing

import (
	"math"

	"github.com/kairos-push/kairos/services/timing/score"
)

// terms are what the plan of one message needs beside the person's path. Times are in seconds from now, worth in the unit
// of the message's value.
type terms struct {
	value     float64                 // worth of an open
	relevance float64                 // now
	halfLife  float64                 // of relevance; 0: it does not decay
	odds      [score.Dayparts]float64 // multiply the path's odds of an open
	fatigue   [2]leak                 // of the person, of the category
	budget    float64
	delay     float64 // κ: share of the worth of a seen message that an hour of waiting costs
	threshold float64 // factor on the value of waiting
	end       float64 // the last time at which it may go
	drop      bool    // nothing goes at the end
	shut      []span  // when gates forbid a release, in order, not overlapping
}

// leak is a cost that halves in a number of seconds.
type leak struct{ cost, half float64 }

// span of time in which a gate forbids a release: [from, to).
type span struct{ from, to float64 }

// plan is what the solve says.
type plan struct {
	now     score.Moment
	u       float64 // worth of a release now
	v       float64 // worth of the best that can be done from now on
	wait    float64 // worth of waiting: v if now is not taken
	delay   float64 // κ, per second
	release bool    // u is at least threshold × wait, and no gate forbids it
	next    float64 // the first later time at which the same solve says release if nothing happens
}

// solver is the scratch memory of a solve.
type solver struct {
	at, u, gain, tire, wait [maxPoints + 1]float64
	open                    [maxPoints + 1]bool
}

// solve is the optimal stopping of timing.md §3, backward from the end:
//
//	V(end) = max(U, 0), or 0 if the message is dropped then
//	C(t)   = V(t+dt) + λ·dt·Σ_k F_k·max(0, s_k − V(t+dt)) − κ·dt
//	V(t)   = max(U_idle(t) if a release is allowed at t, C(t))
//
// The score of a moment of quality k is s_k = gain·p_k − fatigue; the sum over k is looked up in the tails of F, as s_k
// grows with k. A moment that comes while a gate is shut is no use.
func (s *solver) solve(p *path, m *moments, q *terms) plan {
	n := s.forward(p, q)
	kappa := q.delay / 3600 * s.gain[0]
	v := 0.0
	if !q.drop {
		v = max(s.u[n], 0)
	}
	s.wait[n] = 0
	for i := n - 1; i >= 0; i-- {
		dt := s.at[i+1] - s.at[i]
		c := v - kappa*dt
		if s.open[i] && p.rate[i] > 0 {
			c += p.rate[i] * dt * m.offer(p.part[i], s.gain[i], v+s.tire[i])
		}
		s.wait[i] = c
		if v = c; s.open[i] && s.u[i] > c {
			v = s.u[i]
		}
	}
	out := plan{u: s.u[0], v: v, wait: s.wait[0], delay: kappa, next: s.at[n]}
	out.release = s.stops(0, q.threshold)
	for i := 1; i < n; i++ {
		if s.stops(i, q.threshold) {
			out.next = s.opening(i, q.shut)
			break
		}
	}
	return out
}

// stops says whether a release at a point is worth more than waiting there.
func (s *solver) stops(i int, threshold float64) bool {
	c := s.wait[i]
	if c > 0 {
		c *= threshold
	}
	return s.open[i] && s.u[i] >= c
}

// opening is the time of a point, or that of the gate that opens on the way to it: gates do not wait for the grid.
func (s *solver) opening(i int, shut []span) float64 {
	for _, x := range shut {
		if x.to > s.at[i-1] && x.to <= s.at[i] {
			return x.to
		}
	}
	return s.at[i]
}

// forward lays out the points up to the end, and what a release at each is worth if nothing happens until then.
func (s *solver) forward(p *path, q *terms) int {
	end := min(max(q.end, 0), horizon)
	decay := halving(q.halfLife)
	rel := q.value * q.relevance
	tire := [2]float64{q.fatigue[0].cost, q.fatigue[1].cost}
	leaks := [2]decays{halving(q.fatigue[0].half), halving(q.fatigue[1].half)}
	shut := q.shut
	n := 0
	for ; n < p.n; n++ {
		at := gridAt(n)
		if at >= end {
			break
		}
		if n > 0 {
			fine := n <= fineSteps
			rel *= decay.of(fine)
			tire[0] *= leaks[0].of(fine)
			tire[1] *= leaks[1].of(fine)
		}
		s.at[n] = at
		s.gain[n] = rel * score.Opens(p.lift[n]*q.odds[p.part[n]])
		s.tire[n] = tire[0] + tire[1] + q.budget
		s.u[n] = s.gain[n]*p.seen[n] - s.tire[n]
		for len(shut) > 0 && shut[0].to <= at {
			shut = shut[1:]
		}
		s.open[n] = len(shut) == 0 || at < shut[0].from
	}
	// The end is a point of its own; the context there is that of the point before it, but for what decays.
	last := max(n-1, 0)
	rest := end - gridAt(last)
	s.at[n] = end
	s.gain[n] = rel * decay.over(rest) * score.Opens(p.lift[last]*q.odds[p.part[last]])
	s.tire[n] = tire[0]*leaks[0].over(rest) + tire[1]*leaks[1].over(rest) + q.budget
	s.u[n] = s.gain[n]*p.seen[last] - s.tire[n]
	s.open[n] = true
	return n
}

// decays are the factors of an exponential decay for the two steps of the grid.
type decays struct{ rate, fine, coarse float64 }

func halving(half float64) decays {
	if half <= 0 {
		return decays{fine: 1, coarse: 1}
	}
	rate := math.Ln2 / half
	return decays{rate: rate, fine: math.Exp(-rate * fineStep), coarse: math.Exp(-rate * coarseStep)}
}

func (d decays) of(fine bool) float64 {
	if fine {
		return d.fine
	}
	return d.coarse
}

func (d decays) over(dt float64) float64 { return math.Exp(-d.rate * dt) }
