package timing

import (
	"math"
	"time"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// The grid of the plan: every 30 s for 10 min, then every 10 min, at most a week ahead. A deadline beyond that is planned
// again when the week is over.
const (
	fineStep   = 30.0
	fineSteps  = 20
	coarseStep = 600.0
	fineSpan   = fineStep * fineSteps
	horizon    = 7 * 24 * 3600.0
	maxPoints  = fineSteps + 6*24*7
)

// grid holds the times of the points, in seconds from now.
var grid = func() (out [maxPoints]float64) {
	for i := range out {
		if out[i] = fineStep * float64(i); i > fineSteps {
			out[i] = fineSpan + coarseStep*float64(i-fineSteps)
		}
	}
	return out
}()

// path is what the model says of a person on the way on which nothing more happens. All of their messages share it.
type path struct {
	// A person who is not at the phone.
	n    int
	seen [maxPoints]float64 // p_seen
	lift [maxPoints]float64 // odds of an open, as far as the context decides
	rate [maxPoints]float64 // of good moments, per second from here to the next point
	part [maxPoints]uint8   // local daypart

	sitting  sitting
	now      score.Vector // the features at the first point
	bestLift float64      // of the model
	habits   habits
}

// sitting in progress: the same for as long as it may last.
type sitting struct {
	n          int // points; 0 for a person who is not at the phone
	seen, lift [maxSitting]float64
}

// maxSitting is how many points lie within the time after which a sitting without a sign is over.
const maxSitting = fineSteps + (score.UsedFor-fineSpan)/coarseStep + 1

// stays is the chance that the sitting goes on for another dt from point i on: p_seen of a phone in use is the chance that
// the person stays for a minute more.
func (s *sitting) stays(i int, dt float64) float64 {
	p := s.seen[i]
	switch dt {
	case fineStep:
		return math.Sqrt(p)
	case coarseStep:
		p *= p
		p4 := p * p
		return p4 * p4 * p
	default:
		return math.Pow(p, dt/60)
	}
}

// at is p_seen and the lift at a point, in the sitting as long as it may last.
func (p *path) at(i int) (seen, lift float64) {
	if i < p.sitting.n {
		return p.sitting.seen[i], p.sitting.lift[i]
	}
	return p.seen[i], p.lift[i]
}

// draw computes the path from now to the end.
func (p *path) draw(t *turn, c *score.Context, end float64) {
	w := &p.habits
	w.learn(t)
	p.bestLift = t.model.BestLift()
	p.sit(t, c, end)
	w.span(t.now) // a sitting may last beyond a change of the clocks
	away := *c
	if p.sitting.n > 0 {
		away = score.Unobserved()
		away.Untold = c.Untold
		away.Prepare()
	}
	var x score.Vector
	stale, hour := false, -1
	for p.n = 0; p.n < maxPoints; p.n++ {
		i := p.n
		at := grid[i]
		if i > 0 && at >= end {
			break
		}
		h := w.hour(at)
		if i > 0 && stale && h.week == hour { // nothing but the hour still matters
			p.seen[i], p.lift[i], p.rate[i], p.part[i] = p.seen[i-1], p.lift[i-1], p.rate[i-1], p.part[i-1]
			continue
		}
		away.At(at, h.prior, &x)
		if i == 0 && p.sitting.n == 0 {
			p.now = x
		}
		p.seen[i] = t.model.PSeen(&x)
		p.lift[i] = t.model.Lift(&x)
		p.rate[i], p.part[i] = h.rate, h.part
		stale, hour = x.Stale(), h.week
	}
}

// sit computes the sitting in progress, as far as it may last.
func (p *path) sit(t *turn, c *score.Context, end float64) {
	var x score.Vector
	s := &p.sitting
	for s.n = 0; s.n < maxSitting; s.n++ {
		at := grid[s.n]
		if s.n > 0 && at >= end || c.InUse+at >= score.UsedFor {
			break
		}
		h := p.habits.hour(at)
		c.At(at, h.prior, &x)
		if s.n == 0 {
			p.now = x
		}
		s.seen[s.n] = t.model.PSeen(&x)
		s.lift[s.n] = t.model.Lift(&x)
	}
}

// habits are the person's hours of the week, computed as the path comes to them.
type habits struct {
	*turn
	week  profile.Week
	known [profile.HoursOfWeek]bool
	hours [profile.HoursOfWeek]hour
	// level lifts habits that only own-app events tell of: the phone is looked at far more often than one app.
	level float64
	// often turns the chance of any moment in an hour into the number of them; 0 while none can be expected to be seen.
	often  float64
	offset int64   // of the zone, valid
	until  float64 // seconds from now
}

type hour struct {
	week  int
	part  uint8
	prior float64 // log-odds that the person looks at the phone
	rate  float64 // of moments, per second
}

// maxRate of moments is six an hour, so that a step of the grid holds at most one (λ·dt ≤ 1).
const maxRate = 6.0 / 3600

// maxHabit is how sure a lifted habit can be.
const maxHabit = 0.95

// learn takes in what the turn's profile says.
func (w *habits) learn(t *turn) {
	everybody := t.model.Week(t.p.Cohort)
	*w = habits{turn: t, week: t.p.Presence.Week(everybody, t.now), level: 1, often: observability(t.p, t.now)}
	w.span(t.now)
	_, _, unlocks := t.p.Recency.Unlocks(t.now)
	switch {
	case t.p.Presence.IsZero():
	case !t.p.TellsUse(t.now):
		var own, all float64
		for h := range w.week {
			own += float64(w.week[h])
			all += float64(everybody[h])
		}
		w.level = max(1, all/own)
	default: // the presence of an hour counts once, however many unlocks it had
		expected := 0.0
		for h := range 24 {
			expected -= math.Log1p(-float64(w.week[(profile.HourOfWeek(t.now, t.loc)+h)%profile.HoursOfWeek]))
		}
		w.often *= min(max(unlocks/expected, 1), 4)
	}
}

// span finds the zone's offset at an instant, and how long it holds.
func (w *habits) span(at time.Time) {
	local := at.In(w.loc)
	_, offset := local.Zone()
	w.offset, w.until = int64(offset), math.Inf(1)
	if _, end := local.ZoneBounds(); !end.IsZero() {
		w.until = end.Sub(w.now).Seconds()
	}
}

// hour of the week that the person's clock shows after so many seconds.
func (w *habits) hour(after float64) *hour {
	if after >= w.until {
		w.span(w.now.Add(time.Duration(after * float64(time.Second))))
	}
	const monday = 4 * 24 // Unix time began on a Thursday
	local := w.now.Unix() + int64(after) + w.offset
	i := int((local/3600 + profile.HoursOfWeek - monday) % profile.HoursOfWeek)
	h := &w.hours[i]
	if !w.known[i] {
		w.known[i] = true
		p := float64(w.week[i])
		*h = hour{
			week:  i,
			part:  uint8(i % 24 / 3),
			prior: score.Logit(min(p*w.level, max(p, maxHabit))),
			rate:  min(-math.Log1p(-p)/3600*w.often, maxRate),
		}
	}
	return h
}

// observability is how far a person's moments may be counted on to be seen when they come: not without any history, less
// with a short one, less the more of their signs came late, and less the longer nothing at all was heard.
func observability(p *profile.Profile, now time.Time) float64 {
	if p.Presence.IsZero() || p.Recency.SeenAt.IsZero() {
		return 0
	}
	days := profile.Age(p.Presence.Since, now).Hours() / 24
	quiet := profile.Age(p.Recency.SeenAt, now).Hours()/24 - 1
	return days / (days + 1) * math.Exp2(-max(quiet, 0)) * float64(1-p.Recency.Late)
}
