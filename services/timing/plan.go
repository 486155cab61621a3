package timing

import (
	"math"

	"github.com/kairos-push/kairos/pkg/score"
)

// terms are what the plan of one message needs beside the person's path. Times are in seconds from now, worth in the unit
// of the message's value.
type terms struct {
	value     float64                 // worth of an open
	relevance float64                 // now
	from      float64                 // when it begins to fall: 0, or when the message may go
	decay     float64                 // of relevance, per second: half-life and delay cost together
	odds      [score.Dayparts]float64 // multiply the path's odds of an open
	pressure  [2]float64              // of the person's pushes, of those of the category
	fatigue   [2]leak                 // what it costs
	budget    float64
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
	release bool    // u is at least threshold × wait, and no gate forbids it
	next    float64 // the first later time at which the same solve says release if nothing happens
}

// solver is the scratch memory of a solve.
type solver struct {
	points [maxPoints + 1]point
	inside [maxSitting + 1]choice // the same points, as far as the sitting in progress may last
	n, k   int                    // of the last solve: its last point, and how many are in the sitting
}

// at is the choice at a point on the way on which nothing more happens.
func (s *solver) at(i int) *choice {
	if i < s.k {
		return &s.inside[i]
	}
	return &s.points[i].choice
}

// point of the grid, as one message sees it, for a person who is not at the phone then.
type point struct {
	at float64 // seconds from now
	choice
	value float64 // worth of the best that can be done from there on
	gain  float64 // worth of a release that is certain to be seen, at the best time to open it
	tire  float64 // fatigue and budget
	open  bool    // no gate forbids a release
}

// choice between a release and waiting, each with its worth.
type choice struct{ u, wait float64 }

// solve is the optimal stopping of timing.md §3, backward from the end, for a person who is not at the phone:
//
//	V(end) = U, or 0 if the message is dropped then
//	C(t)   = V(t+dt) + λ·dt·max_k F(≥k)·max(0, s_k − V(t+dt))
//	V(t)   = max(U_idle(t) if a release is allowed at t, C(t))
//
// and for one who is, in a sitting that goes on for another dt with chance σ, with W in place of V and
//
//	C(t) = σ·W(t+dt) + (1 − σ)·V(t+dt)
//
// It differs from there in four things. Waiting costs a share κ an hour of what the message is worth, as part of its
// relevance: with a fixed price no waiting would be worth it for a person of whom little can be expected. A sitting may end:
// if the phone stayed in use for sure, the best moment would always be a later one. A message that is sent at its end is
// worth U then, also below 0: else all that is worth little would be put off to the end. And F counts how long sittings
// last rather than how well they scored, so that it outlives a model (see Moments, and offer).
//
// The score of a sitting that has reached bin k is s_k = gain·q_k − fatigue. A moment that comes while a gate is shut is
// no use.
func (s *solver) solve(p *path, m *moments, q *terms) plan {
	n, k := s.forward(p, q)
	s.n, s.k = n, k
	v := s.points[n].end(q.drop)
	s.points[n].value = v
	for i := n - 1; i >= 0; i-- {
		x := &s.points[i]
		x.wait = v
		if x.open && p.rate[i] > 0 {
			x.wait += p.rate[i] * (s.points[i+1].at - x.at) * m.offer(p.part[i], x.gain, v+x.tire)
		}
		v = x.best(x.open)
		x.value = v
	}
	if k > 0 {
		i := k - 1
		if k > n {
			v = s.inside[n].end(q.drop)
			i = n - 1
		} else {
			v = s.points[k].value
		}
		for ; i >= 0; i-- {
			x := &s.inside[i]
			stay := p.sitting.stays(i, s.points[i+1].at-s.points[i].at)
			x.wait = stay*v + (1-stay)*s.points[i+1].value
			v = x.best(s.points[i].open)
		}
	}
	return s.choose(v, q)
}

// choose reads the plan off the solved points.
func (s *solver) choose(v float64, q *terms) plan {
	now := s.at(0)
	out := plan{u: now.u, v: v, wait: now.wait, next: s.points[s.n].at}
	out.release = now.stops(s.points[0].open, q.threshold)
	for i := 1; i < s.n; i++ {
		if s.at(i).stops(s.points[i].open, q.threshold) {
			out.next = opening(s.points[i-1].at, s.points[i].at, q.shut)
			break
		}
	}
	return out
}

// end is what the last point is worth: the release that is due there whatever it is worth, or nothing if the message is
// dropped instead.
func (c *choice) end(drop bool) float64 {
	if c.wait = 0; !drop {
		c.wait = c.u
	}
	return c.wait
}

// best of the two.
func (c *choice) best(open bool) float64 {
	if open && c.u > c.wait {
		return c.u
	}
	return c.wait
}

// stops says whether a release is worth more than waiting.
func (c *choice) stops(open bool, threshold float64) bool {
	wait := c.wait
	if wait > 0 {
		wait *= threshold
	}
	return open && c.u >= wait
}

// opening is the time of a point, or that of the gate that opens on the way to it: gates do not wait for the grid.
func opening(from, to float64, shut []span) float64 {
	for _, x := range shut {
		if x.to > from && x.to <= to {
			return x.to
		}
	}
	return to
}

// forward lays out the points up to the end. It returns the number of the last one, and how many are in the sitting.
func (s *solver) forward(p *path, q *terms) (n, k int) {
	end := min(max(q.end, 0), horizon)
	shut := q.shut
	walk := walk{
		rel: q.value * q.relevance, decay: decaying(q.decay),
		tire:  [2]float64{q.fatigue[0].cost, q.fatigue[1].cost},
		leaks: [2]decays{decaying(math.Ln2 / q.fatigue[0].half), decaying(math.Ln2 / q.fatigue[1].half)},
		best:  p.bestLift,
	}
	for ; n < p.n && grid[n] < end; n++ {
		if n > 0 {
			walk.step(n, q.from)
		}
		x := &s.points[n]
		s.put(&walk, p, q, n, n, grid[n])
		for len(shut) > 0 && shut[0].to <= x.at {
			shut = shut[1:]
		}
		x.open = len(shut) == 0 || x.at < shut[0].from
	}
	// The end is a point of its own; the context there is that of the point before it, but for what decays.
	last := max(n-1, 0)
	walk.over(grid[last], end, q.from)
	s.put(&walk, p, q, n, last, end)
	s.points[n].open = true
	if k = p.sitting.n; k > 0 && k >= n { // it may last to the end
		k = min(k, n) + 1
	}
	return n, k
}

// put computes point n from the context of point i of the path.
func (s *solver) put(w *walk, p *path, q *terms, n, i int, at float64) {
	w.opens(p.lift[i], p.part[i], q)
	x := &s.points[n]
	x.at = at
	x.gain = w.rel * w.hope
	x.tire = w.tire[0] + w.tire[1] + q.budget
	x.u = w.rel*w.open*p.seen[i] - x.tire
	if i < p.sitting.n {
		s.inside[n].u = w.rel*score.Opens(p.sitting.lift[i]*q.odds[p.part[i]])*p.sitting.seen[i] - x.tire
	}
}

// walk carries what decays from point to point.
type walk struct {
	rel   float64 // value × relevance
	decay decays
	tire  [2]float64
	leaks [2]decays
	best  float64 // lift of the best moments
	lift  float64
	part  uint8
	open  float64 // chance of an open
	hope  float64 // the same at the best moments
}

// step goes on to point n of the grid.
func (w *walk) step(n int, from float64) {
	fine := n <= fineSteps
	if grid[n-1] >= from {
		w.rel *= w.decay.of(fine)
	} else if grid[n] > from {
		w.rel *= math.Exp(-w.decay.rate * (grid[n] - from))
	}
	w.tire[0] *= w.leaks[0].of(fine)
	w.tire[1] *= w.leaks[1].of(fine)
}

// over goes from one instant to another.
func (w *walk) over(at, end, from float64) {
	w.rel *= math.Exp(-w.decay.rate * max(end-max(at, from), 0))
	dt := end - at
	w.tire[0] *= math.Exp(-w.leaks[0].rate * dt)
	w.tire[1] *= math.Exp(-w.leaks[1].rate * dt)
}

// opens computes the chances of an open at a point of the path, which rarely differ from those before.
func (w *walk) opens(lift float64, part uint8, q *terms) {
	if w.open > 0 && lift == w.lift && part == w.part {
		return
	}
	w.lift, w.part = lift, part
	w.open = score.Opens(lift * q.odds[part])
	w.hope = score.Opens(w.best * q.odds[part])
}

// decays are the factors of an exponential decay for the two steps of the grid.
type decays struct{ rate, fine, coarse float64 }

func decaying(rate float64) decays {
	return decays{rate: rate, fine: math.Exp(-rate * fineStep), coarse: math.Exp(-rate * coarseStep)}
}

func (d *decays) of(fine bool) float64 {
	if fine {
		return d.fine
	}
	return d.coarse
}
