package timing

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// anyPath draws a path of a person from thin air.
func anyPath(t *rapid.T) *path {
	p := &path{n: rapid.IntRange(1, maxPoints).Draw(t, "points")}
	chance := rapid.Float64Range(0.001, 0.999)
	seen, lift := chance.Draw(t, "seen"), rapid.Float64Range(0.01, 5).Draw(t, "lift")
	rate := rapid.Float64Range(0, maxRate).Draw(t, "rate")
	step := rapid.IntRange(1, 200).Draw(t, "step")
	for i := range p.n {
		if i%step == 0 {
			seen, rate = chance.Draw(t, "seen"), rapid.Float64Range(0, maxRate).Draw(t, "rate")
		}
		p.seen[i], p.lift[i], p.rate[i], p.part[i] = seen, lift, rate, uint8(i/18%score.Dayparts)
	}
	p.bestLift = rapid.Float64Range(0.01, 5).Draw(t, "best lift")
	if rapid.Bool().Draw(t, "at the phone") {
		p.sitting.n = rapid.IntRange(1, min(p.n, maxSitting)).Draw(t, "sitting")
		for i := range p.sitting.n {
			p.sitting.seen[i], p.sitting.lift[i] = chance.Draw(t, "stays"), rapid.Float64Range(0.01, 5).Draw(t, "lift")
		}
	}
	return p
}

func anyMoments(t *rapid.T) *moments {
	own := rapid.SliceOfN(rapid.Byte(), momentBytes, momentBytes).Draw(t, "own")
	m := &moments{}
	model := score.Default()
	m.fill(own, &score.Moments{Quality: model.Sittings(96), Share: model.SittingLengths()})
	return m
}

func anyTerms(t *rapid.T) *terms {
	q := &terms{
		value:     rapid.Float64Range(0, 100).Draw(t, "value"),
		relevance: rapid.Float64Range(0, 1).Draw(t, "relevance"),
		from:      rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, horizon)).Draw(t, "from"),
		decay:     math.Ln2 / rapid.SampledFrom([]float64{600, 86400, math.Inf(1)}).Draw(t, "half-life"),
		fatigue:   [2]leak{{rapid.Float64Range(0, 1).Draw(t, "fatigue"), 3600}, {rapid.Float64Range(0, 1).Draw(t, "fatigue"), 86400}},
		threshold: rapid.SampledFrom([]float64{0.8, 1, 1.25}).Draw(t, "threshold"),
		end:       rapid.Float64Range(0, 2*horizon).Draw(t, "end"),
		drop:      rapid.Bool().Draw(t, "drop"),
	}
	for i := range q.odds {
		q.odds[i] = rapid.Float64Range(0.01, 10).Draw(t, "odds")
	}
	at := 0.0
	for range rapid.IntRange(0, 4).Draw(t, "gates") {
		from := at + rapid.Float64Range(0, 20000).Draw(t, "open for")
		to := from + rapid.Float64Range(1, 40000).Draw(t, "shut for")
		q.shut = append(q.shut, span{from, to})
		at = to + 1
	}
	return q
}

// gridAt is a point of the grid, as timing.md says: every 30 s for 10 min, then every 10 min.
func gridAt(i int) float64 {
	if i <= 20 {
		return 30 * float64(i)
	}
	return 600 * float64(i-19)
}

func shutAt(q *terms, at float64) bool {
	for _, s := range q.shut {
		if s.from <= at && at < s.to {
			return true
		}
	}
	return false
}

// reference is the recursion of solve's comment written down as it stands there: from each point to the next, the best
// of the bins of F one by one. It shares nothing with solve but the grid.
func reference(p *path, own []byte, typical *score.Moments, q *terms) (u, v, wait float64) {
	end := min(q.end, horizon)
	var times []float64
	for i := 0; i < p.n && (i == 0 || gridAt(i) < end); i++ {
		if gridAt(i) < end {
			times = append(times, gridAt(i))
		}
	}
	times = append(times, end)
	last := len(times) - 1
	at := func(i int) int { return min(i, max(last-1, 0)) } // the end lies in the context of the point before it
	gain := func(i int, lift float64) float64 {
		rel := q.relevance * math.Exp(-q.decay*max(times[i]-q.from, 0))
		odds := lift * q.odds[p.part[at(i)]]
		return q.value * rel * odds / (1 + odds)
	}
	fatigue := func(i int) float64 {
		sum := q.budget
		for _, f := range q.fatigue {
			sum += f.cost * math.Pow(2, -times[i]/f.half)
		}
		return sum
	}
	lasts := func(part uint8, k int) float64 { // share of the sittings that last until bin k begins
		total, count := 0.0, 0.0
		for j := range score.Bins {
			n := 8*typical.Share[j] + float64(own[int(part)*score.Bins+j])
			total += n
			if j >= k {
				count += n
			}
		}
		return count / total
	}
	final := func(u float64) float64 {
		if q.drop {
			return 0
		}
		return u
	}
	away := make([]float64, last+1)
	for i := last; i >= 0; i-- {
		u = gain(i, p.lift[at(i)])*p.seen[at(i)] - fatigue(i)
		if i == last {
			away[i], wait = final(u), final(u)
			continue
		}
		next := away[i+1]
		offer := 0.0
		if !shutAt(q, times[i]) {
			for k := range score.Bins {
				offer = max(offer, lasts(p.part[i], k)*(gain(i, p.bestLift)*typical.Quality[k]-fatigue(i)-next))
			}
		}
		wait = next + p.rate[i]*(times[i+1]-times[i])*offer
		away[i] = wait
		if !shutAt(q, times[i]) {
			away[i] = max(wait, u)
		}
	}
	v = away[0]
	if p.sitting.n == 0 {
		return u, v, wait
	}
	here := 0.0
	for i := last; i >= 0; i-- {
		if at(i) >= p.sitting.n {
			here = away[i]
			continue
		}
		u = gain(i, p.sitting.lift[at(i)])*p.sitting.seen[at(i)] - fatigue(i)
		if i == last {
			here, wait = final(u), final(u)
			continue
		}
		stays := math.Pow(p.sitting.seen[i], (times[i+1]-times[i])/60)
		wait = stays*here + (1-stays)*away[i+1]
		here = wait
		if !shutAt(q, times[i]) {
			here = max(wait, u)
		}
	}
	return u, here, wait
}

func TestSolveIsTheReference(t *testing.T) {
	t.Parallel()
	s := &solver{}
	rapid.Check(t, func(t *rapid.T) {
		p, q := anyPath(t), anyTerms(t)
		own := rapid.SliceOfN(rapid.Byte(), momentBytes, momentBytes).Draw(t, "own")
		model := score.Default()
		typical := &score.Moments{Quality: model.Sittings(rapid.Float64Range(0, 500).Draw(t, "unlocks")), Share: model.SittingLengths()}
		if rapid.Bool().Draw(t, "visits") {
			*typical = model.AppMoments()
		}
		m := &moments{}
		m.fill(own, typical)
		got := s.solve(p, m, q)
		u, v, wait := reference(p, own, typical, q)
		near := func(want, got float64, what string) {
			require.InDelta(t, want, got, 1e-6*(1+math.Abs(want)), what)
		}
		near(u, got.u, "worth of a release")
		near(v, got.v, "value")
		near(wait, got.wait, "worth of waiting")
	})
}

func TestSolveProperties(t *testing.T) {
	t.Parallel()
	s := &solver{}
	rapid.Check(t, func(t *rapid.T) {
		p, m, q := anyPath(t), anyMoments(t), anyTerms(t)
		got := s.solve(p, m, q)
		for _, v := range []float64{got.u, got.v, got.wait, got.next} {
			require.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%+v", got)
		}
		if q.end > 0 {
			if !shutAt(q, 0) {
				require.GreaterOrEqual(t, got.v, got.u)
			}
			require.GreaterOrEqual(t, got.v, got.wait)
		}
		require.LessOrEqual(t, got.next, q.end)
		if got.release && q.end > 0 {
			require.False(t, shutAt(q, 0), "released through a gate")
		}
		if got.next < min(q.end, horizon) {
			require.False(t, shutAt(q, got.next), "planned through a gate")
		}
	})
}

// More time to choose is never worth less, as long as waiting costs nothing.
func TestALaterDeadlineIsNeverWorthLess(t *testing.T) {
	t.Parallel()
	s := &solver{}
	rapid.Check(t, func(t *rapid.T) {
		p, m, q := anyPath(t), anyMoments(t), anyTerms(t)
		p.n = maxPoints
		for i := range p.n { // a path that is drawn to the end for both deadlines
			p.lift[i] = max(p.lift[i], 0.1)
			if p.seen[i] == 0 {
				p.seen[i], p.part[i] = 0.1, 0
			}
		}
		q.decay, q.drop, q.shut = 0, true, nil
		q.end = rapid.Float64Range(0, horizon).Draw(t, "earlier")
		early := s.solve(p, m, q)
		i := rapid.IntRange(0, maxPoints-1).Draw(t, "later") // on the grid, so that both look at the same points
		if gridAt(i) < q.end {
			return
		}
		q.end = gridAt(i)
		require.GreaterOrEqual(t, s.solve(p, m, q).v, early.v-1e-9)
	})
}

// unlocked is a person at the unlock, with four weeks of days on the phone behind them.
func unlocked(tb testing.TB, e *Engine, deadline time.Duration) (*turn, *workspace, *Held, *appraisal) {
	tb.Helper()
	return unlockedAt(tb, e, time.Date(2026, 5, 11, 10, 0, 0, 0, time.UTC), deadline)
}

func unlockedAt(tb testing.TB, e *Engine, now time.Time, deadline time.Duration) (*turn, *workspace, *Held, *appraisal) {
	tb.Helper()
	p := &profile.Profile{TimeZone: "Europe/Berlin"}
	for at := now.AddDate(0, 0, -28); !at.After(now); at = at.Add(time.Hour) {
		if h := at.In(p.Location()).Hour(); h >= 8 && h < 23 {
			p.Presence.Count(at, p.Location())
			p.Recency.Unlock(at)
			p.Recency.SeenAt = at
		}
	}
	d := profile.Device{DeviceID: "d", Channel: "fcm", Platform: "android", Address: "a", LastSeenAt: now}
	d.Live.Lock = profile.Reading{Value: "unlocked", At: now}
	d.Live.Charging = profile.Reading{Value: "on", At: now.Add(-time.Minute)}
	p.Devices = []profile.Device{d}
	h := &Held{AcceptedAt: now.Add(-time.Hour), Deadline: now.Add(deadline), Draw: policy.Draw{Threshold: 1}}
	h.Message.MessageID, h.Message.Timing, h.Message.Category = "m", "best_moment", "news"
	t := e.turn(&Holds{Held: []Held{*h}, Profile: p}, p, now)
	a := &appraisal{end: h.Deadline, gates: policy.Gates{Loc: t.loc}}
	return t, &workspace{}, h, a
}

func TestTheDwellFollowsFromTheModel(t *testing.T) {
	t.Parallel()
	turn, ws, h, a := unlocked(t, NewEngine(policy.Default()), 24*time.Hour)
	e := turn.estimate(ws, h, a)
	require.False(t, e.release, "at the unlock it holds")
	require.InDelta(t, 120, e.next, 60)
	require.InDelta(t, 0.57, e.now.PSeen, 0.05)
}

// A sitting may last beyond the night's change of the clocks. The person's hours are the same hours, on the phone or off it.
func TestTheClocksChangeDuringASitting(t *testing.T) {
	t.Parallel()
	for name, now := range map[string]time.Time{
		"spring": time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC),  // 01:30 in Berlin; at 02:00 it is 03:00
		"autumn": time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC), // 02:30; at 03:00 it is 02:00
	} {
		turn, at, _, _ := unlockedAt(t, NewEngine(policy.Default()), now, 24*time.Hour)
		at.prepare(turn)
		require.Positive(t, at.path.sitting.n, name)
		turn.p.Devices[0].Live.Lock.Value = "locked"
		off := &workspace{}
		off.prepare(turn)
		require.Zero(t, off.path.sitting.n, name)
		require.Equal(t, off.path.rate, at.path.rate, name)
		require.Equal(t, off.path.part, at.path.part, name)
	}
}

// The curve of a person who is at the phone begins with the score that a message would have now.
func TestTheCurveKnowsOfTheSittingInProgress(t *testing.T) {
	t.Parallel()
	e := NewEngine(policy.Default())
	turn, ws, h, a := unlocked(t, e, 24*time.Hour)
	now := turn.estimate(ws, h, a).now
	day := e.Moments("", turn.p, turn.now).Day
	require.InDelta(t, now.PSeen, day[0].PSeen, 1e-9)
	require.InDelta(t, now.POpen, day[0].POpen, 1e-9)
	require.InDelta(t, ws.path.sitting.seen[4], day[4].PSeen, 1e-9, "and goes on with it")
}

// Not parallel: AllocsPerRun counts those of all goroutines.
func TestAPlanAllocatesNothing(t *testing.T) {
	e := NewEngine(policy.Default())
	m := score.Default()
	m.Version, m.Hashed = "learned", make([]float32, 1<<score.HashBits)
	e.SetModel("", m, time.Unix(1, 0))
	turn, ws, h, a := unlocked(t, e, 24*time.Hour)
	require.Zero(t, testing.AllocsPerRun(20, func() {
		ws.reset()
		ws.prepare(turn)
	}), "path")
	q := turn.terms(ws, h, a)
	q.shut = []span{{12 * 3600, 20 * 3600}}
	require.Zero(t, testing.AllocsPerRun(20, func() { ws.solver.solve(&ws.path, &ws.moments, &q) }), "solve")
}

func BenchmarkSolve24h(b *testing.B) {
	turn, ws, h, a := unlocked(b, NewEngine(policy.Default()), 24*time.Hour)
	ws.prepare(turn)
	q := turn.terms(ws, h, a)
	q.shut = []span{{12 * 3600, 20 * 3600}}
	b.ReportAllocs()
	for b.Loop() {
		ws.solver.solve(&ws.path, &ws.moments, &q)
	}
}

// BenchmarkPath24h is what all messages of a person share in one evaluation.
func BenchmarkPath24h(b *testing.B) {
	turn, ws, _, _ := unlocked(b, NewEngine(policy.Default()), 24*time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		ws.reset()
		ws.prepare(turn)
	}
}
