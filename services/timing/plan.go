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
	halfLife  float64                 // of relevance; 0: it does not decay
	odds      [score.Dayparts]float64 // multiply the path's odds of an open
	fatigue   [2]leak                 // of the person, of the category
	budget    float64
	delay     float64 // what an hour of waiting costs, as a share of the worth at the best that can be hoped for
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
	points [maxPoints + 1]point
}

// point of the grid, as one message sees it.
type point struct {
	at      float64 // seconds from now
	u       float64 // worth of a release if nothing happens until then
	gain    float64 // worth of a release that is certain to be seen
	inverse float64 // 1/gain
	tire    float64 // fatigue and budget
	wait    float64 // worth of waiting there
	open    bool    // no gate forbids a release
}

// solve is the optimal stopping of timing.md §3, backward from the end:
//
//	V(end) = max(U, 0), or 0 if the message is dropped then
//	C(t)   = V(t+dt) + λ·dt·Σ_k F_k·max(0, s_k − V(t+dt)) − κ·dt
//	V(t)   = max(U_idle(t) if a release is allowed at t, C(t))
//
// κ is a share of what the message is worth at the best that can be hoped for: where nothing live can be expected, an hour
// of waiting must not cost more than the best hour could bring.
//
// The score of a moment of quality k is s_k = gain·p_k − fatigue; the sum over k is looked up in the tails of F, as s_k
// grows with k. A moment that comes while a gate is shut is no use.
func (s *solver) solve(p *path, m *moments, q *terms) plan {
	n := s.forward(p, q)
	points := s.points[:n+1]
	kappa := q.delay / 3600 * points[0].gain * p.best
	v := 0.0
	if !q.drop {
		v = max(points[n].u, 0)
	}
	points[n].wait = 0
	next := points[n].at
	for i := n - 1; i >= 0; i-- {
		x := &points[i]
		dt := next - x.at
		next = x.at
		c := v - kappa*dt
		if x.open && p.rate[i] > 0 {
			c += p.rate[i] * dt * m.offer(p.part[i], x.gain, x.inverse, v+x.tire)
		}
		x.wait = c
		if v = c; x.open && x.u > c {
			v = x.u
		}
	}
	out := plan{u: points[0].u, v: v, wait: points[0].wait, delay: kappa, next: points[n].at}
	out.release = points[0].stops(q.threshold)
	for i := 1; i < n; i++ {
		if points[i].stops(q.threshold) {
			out.next = opening(points[i-1].at, points[i].at, q.shut)
			break
		}
	}
	return out
}

// stops says whether a release at the point is worth more than waiting there.
func (x *point) stops(threshold float64) bool {
	c := x.wait
	if c > 0 {
		c *= threshold
	}
	return x.open && x.u >= c
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

// forward lays out the points up to the end, and returns the number of the last.
func (s *solver) forward(p *path, q *terms) int {
	end := min(max(q.end, 0), horizon)
	shut := q.shut
	walk := walk{
		rel: q.value * q.relevance, inverse: 1 / (q.value * q.relevance), decay: halving(q.halfLife),
		tire:  [2]float64{q.fatigue[0].cost, q.fatigue[1].cost},
		leaks: [2]decays{halving(q.fatigue[0].half), halving(q.fatigue[1].half)},
	}
	n := 0
	for ; n < p.n && grid[n] < end; n++ {
		if n > 0 {
			walk.step(n <= fineSteps)
		}
		walk.opens(p, n, q)
		x := &s.points[n]
		walk.put(x, grid[n], p.seen[n], q.budget)
		for len(shut) > 0 && shut[0].to <= x.at {
			shut = shut[1:]
		}
		x.open = len(shut) == 0 || x.at < shut[0].from
	}
	// The end is a point of its own; the context there is that of the point before it, but for what decays.
	last := max(n-1, 0)
	if n == 0 {
		walk.opens(p, 0, q)
	}
	walk.over(end - grid[last])
	walk.put(&s.points[n], end, p.seen[last], q.budget)
	s.points[n].open = true
	return n
}

// walk carries what decays from point to point.
type walk struct {
	rel, inverse float64 // value × relevance, and 1 over it
	decay        decays
	tire         [2]float64
	leaks        [2]decays
	lift         float64
	part         uint8
	open, shy    float64 // chance of an open, and 1 over it
}

func (w *walk) step(fine bool) {
	w.rel *= w.decay.of(fine)
	w.inverse *= w.decay.back(fine)
	w.tire[0] *= w.leaks[0].of(fine)
	w.tire[1] *= w.leaks[1].of(fine)
}

func (w *walk) over(dt float64) {
	w.rel *= math.Exp(-w.decay.rate * dt)
	w.tire[0] *= math.Exp(-w.leaks[0].rate * dt)
	w.tire[1] *= math.Exp(-w.leaks[1].rate * dt)
}

// opens computes the chance of an open at a point of the path, which rarely differs from the one before.
func (w *walk) opens(p *path, i int, q *terms) {
	if p.lift[i] == w.lift && p.part[i] == w.part {
		return
	}
	w.lift, w.part = p.lift[i], p.part[i]
	w.open = score.Opens(w.lift * q.odds[w.part])
	w.shy = 1 / w.open
}

func (w *walk) put(x *point, at, seen, budget float64) {
	x.at = at
	x.gain, x.inverse = w.rel*w.open, w.inverse*w.shy
	x.tire = w.tire[0] + w.tire[1] + budget
	x.u = x.gain*seen - x.tire
}

// decays are the factors of an exponential decay for the two steps of the grid.
type decays struct{ rate, fine, coarse, fineBack, coarseBack float64 }

func halving(half float64) decays {
	if half <= 0 {
		return decays{fine: 1, coarse: 1, fineBack: 1, coarseBack: 1}
	}
	rate := math.Ln2 / half
	fine, coarse := math.Exp(-rate*fineStep), math.Exp(-rate*coarseStep)
	return decays{rate: rate, fine: fine, coarse: coarse, fineBack: 1 / fine, coarseBack: 1 / coarse}
}

func (d *decays) of(fine bool) float64 {
	if fine {
		return d.fine
	}
	return d.coarse
}

func (d *decays) back(fine bool) float64 {
	if fine {
		return d.fineBack
	}
	return d.coarseBack
}
