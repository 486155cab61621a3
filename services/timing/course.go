package timing

import (
	"math"

	"github.com/kairos-push/kairos/pkg/event"
)

// coursePoints are about how many points of a plan a decision row tells: enough for the eye, half a kilobyte.
const coursePoints = 24

// soonest are the points of the first ten minutes that are told: what happens after an unlock lies there.
var soonest = [...]int{0, 1, 2, 3, 4, 6, 8, 10, 14}

// course is the plan of a message as its decision row tells it. The plan is solved again: only rows need it, and they are
// few, while evaluations are many and share the memory of one solve.
func (t *turn) course(h *Held, a *appraisal) event.Curve {
	var c event.Curve
	if !planned(h, a) {
		return c
	}
	ws := t.ws
	q, _ := t.plan(ws, h, a)
	n := ws.solver.n
	tell := func(i int) {
		x := ws.solver.at(i)
		c.AfterS = append(c.AfterS, math.Round(ws.solver.points[i].at*10)/10)
		c.Score = append(c.Score, brief(x.u))
		c.Waiting = append(c.Waiting, brief(x.wait))
	}
	for _, i := range soonest {
		if i < min(n, fineSteps) {
			tell(i)
		}
	}
	left := coursePoints - len(soonest) - 1
	for step, i := max(1, (n-fineSteps+left-1)/left), fineSteps; i < n; i += step {
		tell(i)
	}
	tell(n)
	for _, s := range q.shut {
		c.ShutS = append(c.ShutS, math.Round(s.from), math.Round(min(s.to, q.end)))
	}
	return c
}

// brief keeps three significant digits: a curve is for the eye.
func brief(v float64) float64 { return significant(v, 3) }
