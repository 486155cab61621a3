package timing

import (
	"math"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// workspace is the scratch memory of one evaluation.
type workspace struct {
	path    path
	moments moments
	solver  solver
	env     map[string]any
	shut    []span
	answers [score.Dayparts]float64 // the person's own offsets of an open, by daypart
	own     float64                 // and over the whole day
	put     float64                 // share of their pushes that they put away
	ready   bool
}

// reset forgets the person of the last evaluation.
func (ws *workspace) reset() { ws.env, ws.ready, ws.path.habits.turn = nil, false, nil }

// environment is the profile as preconditions see it, built when one asks.
func (ws *workspace) environment(t *turn) map[string]any {
	if ws.env == nil {
		ws.env = environment(t.p)
	}
	return ws.env
}

// prepare computes what all messages of the person share. Releases of this turn do not change it.
func (ws *workspace) prepare(t *turn) {
	if ws.ready {
		return
	}
	ws.ready = true
	end := 0.0
	for i := range t.h.Held {
		if !fixed(&t.h.Held[i]) {
			end = max(end, min(t.h.Held[i].Deadline.Sub(t.now).Seconds(), horizon))
		}
	}
	c := score.Sense(t.p, t.now)
	if t.p.TellsUse(t.now) {
		_, _, unlocks := t.p.Recency.Unlocks(t.now)
		ws.moments.fill(t.h.Moments.Bins, &score.Moments{Quality: t.model.Sittings(unlocks), Share: t.model.lengths})
	} else {
		ws.moments.fill(nil, &t.model.app)
	}
	ws.path.draw(t, &c, end)
	ws.answer(t)
}

// meanSeen is the share of pushes seen within five minutes over all: 43.7 % of real prompts were answered by then (timing.md §6).
const meanSeen = 0.44

// pseudoSends pull a person's own rates towards those of all. The hour hardly predicts an answer (AUC 0.51, timing.md §1):
// it takes far more to believe in a daypart.
const (
	pseudoSends   = 20
	pseudoDaypart = 200
)

// expected is the share of pushes that is opened over all, within the day for which answers count.
func expected(m *loaded) float64 {
	return m.BaseRate() * (meanSeen + (1-meanSeen)*score.FoundLater)
}

// answer computes how much more or less than all this person opens: over the day, and by daypart against that. And what share of
// their pushes they put away, shrunk to none: nobody is charged for what others do.
func (ws *workspace) answer(t *turn) {
	ws.own, ws.put, ws.answers = 0, 0, [score.Dayparts]float64{}
	if !t.p.AllowsUserData() || t.p.Response.IsZero() {
		return
	}
	r := t.p.Response.Rates(t.now)
	var sends, opens [score.Dayparts]float64
	var allSends, allOpens float64
	for h := range 24 {
		sends[h/3] += r.Sends[h]
		opens[h/3] += r.Opens[h]
		allSends += r.Sends[h]
		allOpens += r.Opens[h]
	}
	ws.put = min(r.Dismissed, allSends) / (allSends + pseudoSends)
	base := expected(t.model)
	ws.own = score.Shrunk(allOpens, allSends, base, pseudoSends)
	mine := score.Shift(base, ws.own)
	for d := range ws.answers {
		ws.answers[d] = score.Shrunk(opens[d], sends[d], mine, pseudoDaypart)
	}
}

// estimate is the model's view of one message now.
type estimate struct {
	plan
	x       *score.Vector
	extra   [extras]float64
	channel string
	wake    time.Time
	delay   float64 // what an hour of waiting costs, in the unit of the message's value
}

// What enters a decision beside the context.
const (
	fValue = iota
	fRelevance
	fHoursHeld
	fHoursLeft
	fFatigueUser
	fFatigueCategory
	fPressureUser
	fPressureCategory
	fOpensUser
	fOpensDaypart
	fOpensCategory
	fOpensMessage
	fDismissalsUser
	fMomentsPerHour
	extras
)

var extraNames = [extras]string{
	"value", "relevance", "hours_held", "hours_left", "fatigue_user", "fatigue_category",
	score.PressureUser.String(), score.PressureCategory.String(),
	"opens_user", "opens_daypart", "opens_category", "opens_message", "dismissals_user", "moments_per_hour",
}

// worth ranks the messages of a person: the best that can be done with each.
func (e *estimate) worth() float64 { return max(e.u, e.wait) }

// features are all inputs that are not 0.
func (e *estimate) features() event.Features {
	f := event.Features{}
	for name, v := range e.x.All() {
		f[name.String()] = round(v)
	}
	for i, v := range e.extra {
		if v != 0 {
			f[extraNames[i]] = round(v)
		}
	}
	if e.channel != "" {
		f[score.ChannelPrefix+e.channel] = 1
	}
	return f
}

// round keeps six significant digits: rows are read by people too.
func round(v float64) float64 { return significant(v, 6) }

func significant(v, digits float64) float64 {
	if !(math.Abs(v) > 1e-290) || math.IsInf(v, 0) { // below, the scale would not be a number
		return 0
	}
	scale := math.Pow(10, digits-1-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// fixed messages have no choice of a moment: there is nothing to plan.
func fixed(h *Held) bool {
	return h.Message.Timing != event.TimingBestMoment || h.Message.Priority == event.Critical ||
		h.Draw.Arm == policy.ArmImmediate || h.Draw.Arm == policy.ArmUniform
}

// planned says whether there is a moment to choose: the message may choose, and what forbids it now opens by itself.
func planned(h *Held, a *appraisal) bool { return !fixed(h) && a.closed&^policy.Soft&^timed == 0 }

// estimate scores a message, and plans it if it may choose.
func (t *turn) estimate(ws *workspace, h *Held, a *appraisal) estimate {
	ws.prepare(t)
	m := &h.Message
	q := t.terms(ws, h, a)
	e := estimate{x: &ws.path.now, channel: channel(a)}
	p := &ws.path
	seen, lift := p.at(0)
	e.now = score.Moment{
		Value: q.value, Relevance: q.relevance, PSeen: seen, POpen: score.Opens(lift * q.odds[p.part[0]]),
		Fatigue: q.fatigue[0].cost + q.fatigue[1].cost, Budget: q.budget,
	}
	e.u = e.now.Utility()
	if planned(h, a) {
		now := e.now
		q.shut = ws.spans(t, &a.gates, a.end)
		e.plan = ws.solver.solve(p, &ws.moments, &q)
		e.now = now
		e.delay = q.decay * 3600 * max(e.wait, 0)
		e.wake = t.now.Add(time.Duration(math.Ceil(e.next*1000)) * time.Millisecond)
	}
	e.extra[fValue], e.extra[fRelevance] = q.value, q.relevance
	e.extra[fHoursHeld] = t.now.Sub(h.AcceptedAt).Hours()
	e.extra[fHoursLeft] = h.Deadline.Sub(t.now).Hours()
	e.extra[fFatigueUser], e.extra[fFatigueCategory] = q.fatigue[0].cost, q.fatigue[1].cost
	e.extra[fPressureUser], e.extra[fPressureCategory] = score.Pressure(q.pressure[0]), score.Pressure(q.pressure[1])
	e.extra[fOpensUser], e.extra[fOpensDaypart] = ws.own, ws.answers[p.part[0]]
	e.extra[fOpensCategory] = t.categoryAnswers(ws, m.Category)
	e.extra[fOpensMessage] = t.model.MessageOffset(m, e.channel, t.p.Cohort)
	e.extra[fDismissalsUser] = ws.put
	e.extra[fMomentsPerHour] = p.rate[0] * 3600
	return e
}

// plan solves one message again, beside its estimate.
func (t *turn) plan(ws *workspace, h *Held, a *appraisal) (terms, plan) {
	q := t.terms(ws, h, a)
	q.shut = ws.spans(t, &a.gates, a.end)
	return q, ws.solver.solve(&ws.path, &ws.moments, &q)
}

// timed gates open by themselves.
const timed = policy.NotBefore | policy.QuietHours | policy.DeliveryWindow | policy.DND | policy.PersonCap |
	policy.CategoryCap | policy.MinimumGap

// terms gathers what the plan of one message needs.
func (t *turn) terms(ws *workspace, h *Held, a *appraisal) terms {
	m := &h.Message
	rules := t.policy.For(m.Category)
	q := terms{
		value:     1,
		budget:    t.policy.Budget + t.policy.Dismissal*ws.put,
		threshold: h.Draw.Threshold,
		end:       a.end.Sub(t.now).Seconds(),
		drop:      m.AtDeadline == event.AtDeadlineDrop,
	}
	if m.Value != nil {
		q.value = *m.Value
	}
	q.decay = rules.DelayCost / 3600
	half := m.HalfLife
	if half == 0 {
		half = rules.HalfLife
	}
	if half > 0 {
		q.decay += math.Ln2 / time.Duration(half).Seconds()
	}
	if wait := h.opens().Sub(t.now).Seconds(); wait > 0 {
		q.from, q.relevance = wait, 1
	} else {
		q.relevance = math.Exp(q.decay * wait)
	}
	halfLife := time.Duration(t.policy.Fatigue.HalfLife)
	for i, cost := range [2]float64{t.policy.Fatigue.User, t.policy.Fatigue.Category} {
		c := uint32(0)
		if i == 1 {
			c = categoryHash(m.Category)
		}
		f := t.h.tiredness(c)
		q.pressure[i] = f.pressure(t.now, halfLife)
		q.fatigue[i] = leak{cost * q.pressure[i], halfLife.Seconds() * float64(f.Stretch)}
	}
	shared := ws.own + t.categoryAnswers(ws, m.Category) + t.model.MessageOffset(m, channel(a), t.p.Cohort)
	// The pressure counts as it is now, also for later: answers stretch it, so that its weight also tells who opens at all,
	// and a plan that took all of it for an effect would wait for the leak.
	shared += t.model.Tired(q.pressure[0], q.pressure[1])
	for d := range q.odds {
		q.odds[d] = math.Exp(shared + ws.answers[d])
	}
	return q
}

// categoryAnswers is how much more or less than their other pushes the person opens those of a category.
func (t *turn) categoryAnswers(ws *workspace, category string) float64 {
	if !t.p.AllowsUserData() {
		return 0
	}
	f := t.h.tiredness(categoryHash(category))
	mine := score.Shift(expected(t.model), ws.own)
	return score.Shrunk(float64(f.Opens), float64(f.Sends), mine, pseudoSends)
}

func channel(a *appraisal) string {
	if len(a.targets) == 0 {
		return ""
	}
	return a.targets[0].Channel
}

// spans lists when the gates are shut from now to the end, as far as the plan looks.
func (ws *workspace) spans(t *turn, g *policy.Gates, end time.Time) []span {
	ws.shut = ws.shut[:0]
	if last := t.now.Add(horizon * time.Second); last.Before(end) {
		end = last
	}
	for at := t.now; at.Before(end); {
		opens := g.NextOpen(at)
		if opens.IsZero() {
			return append(ws.shut, span{at.Sub(t.now).Seconds(), math.Inf(1)})
		}
		if opens.After(at) {
			ws.shut = append(ws.shut, span{at.Sub(t.now).Seconds(), opens.Sub(t.now).Seconds()})
		}
		if at = g.NextClose(opens); at.IsZero() {
			break
		}
	}
	return ws.shut
}
