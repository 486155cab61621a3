package timing

import (
	"cmp"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// lead is how long before its deadline, or before a gate closes, a message goes at the latest: time for dispatch to send it and
// for the provider to find the device.
const lead = 30 * time.Second

// appraisal is what one evaluation found out about one held message.
type appraisal struct {
	gates   policy.Gates
	closed  policy.Set // what forbids a release now
	targets []*profile.Device
	end     time.Time // the last time at which it may go
	wake    time.Time // when to look again if nothing happens
	est     estimate
	reason  string // why it may go now; "" if it should wait
}

// evaluate looks at all held messages of the person together. The best of those whose moment has come goes; the rest is
// appraised again against the gap and the fatigue that it leaves.
func (t *turn) evaluate(trigger string) {
	t.withdraw()
	if len(t.h.Held) == 0 {
		return
	}
	ws := t.scratch.Get().(*workspace)
	t.ws = ws
	defer func() {
		ws.reset()
		t.scratch.Put(ws)
	}()
	var all []appraisal
	for len(t.h.Held) > 0 {
		all = t.appraiseAll(ws, all[:0])
		if i := t.over(all); i >= 0 {
			t.expire(i, all, trigger)
			continue
		}
		best := t.best(all)
		if best < 0 {
			break
		}
		if t.h.Held[best].Draw.Arm == policy.ArmControl {
			t.withhold(best, all, trigger)
			continue
		}
		t.release(best, all, trigger)
	}
	for i := range t.h.Held {
		t.hold(i, all, trigger)
	}
	t.h.Model, t.h.Policy = t.model.Version, t.policy.Version()
}

// withdraw ends what the person has opted out of since it was accepted.
func (t *turn) withdraw() {
	for i := range slices.Backward(t.h.Held) {
		if c := t.h.Held[i].Message.Category; c != "" && slices.Contains(t.p.OptedOut, c) {
			t.end(i, event.OutcomeSuppressed, reasonOptedOut)
		}
	}
}

func (t *turn) appraiseAll(ws *workspace, all []appraisal) []appraisal {
	for i := range t.h.Held {
		all = append(all, t.appraise(ws, &t.h.Held[i]))
	}
	t.space(all)
	for i := range all {
		all[i].est = t.estimate(ws, &t.h.Held[i], &all[i])
	}
	t.ration(ws, all)
	for i := range all {
		t.verdict(&t.h.Held[i], &all[i])
	}
	return all
}

// appraise finds the gates and targets of one message, and the last time at which it may go.
func (t *turn) appraise(ws *workspace, h *Held) appraisal {
	a := appraisal{}
	var none policy.Set
	a.targets, none = targets(t.p, &h.Message, t.now, time.Duration(t.policy.ActiveElsewhere))
	a.gates = t.gates(ws, h, a.targets, none)
	a.closed = a.gates.Closed(t.now)
	if a.end = h.Deadline; h.Message.AtDeadline != event.AtDeadlineDrop {
		a.end = t.latest(&a.gates, h.Deadline.Add(-lead))
	}
	return a
}

// latest is the last time up to an instant at which no gate but a soft one forbids a release; the instant itself if they
// always do.
func (t *turn) latest(g *policy.Gates, at time.Time) time.Time {
	hard := g.Only(^policy.Soft)
	if last := hard.LastOpen(t.now, at, lead); !last.IsZero() {
		return last
	}
	return at
}

// space moves the last times at which messages may go apart, by the minimum gap, so that each still can: one deadline, or
// one beginning of the quiet hours, may bind several.
func (t *turn) space(all []appraisal) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(all[b].end.Compare(all[a].end), t.h.Held[b].Deadline.Compare(t.h.Held[a].Deadline))
	})
	var next time.Time
	for _, i := range order {
		m, a := &t.h.Held[i].Message, &all[i]
		if m.AtDeadline != event.AtDeadlineDrop && m.Priority != event.Critical {
			if apart := next.Add(-time.Duration(t.policy.MinimumGap)); !next.IsZero() && apart.Before(a.end) {
				a.end = t.latest(&a.gates, apart)
			}
			next = a.end
		}
		if a.end.Before(t.now) {
			a.end = t.now
		}
	}
}

// order puts what is more urgent, then what is worth more, first.
func (t *turn) order(all []appraisal, i, j int) int {
	if c := t.urgent(i, j); c != 0 {
		return c
	}
	a, b := &t.h.Held[i], &t.h.Held[j]
	switch x, y := all[i].est.worth(), all[j].est.worth(); {
	case x > y:
		return -1
	case x < y:
		return 1
	default:
		return a.AcceptedAt.Compare(b.AcceptedAt)
	}
}

// urgent puts what is more urgent first.
func (t *turn) urgent(i, j int) int {
	return urgency(&t.h.Held[j].Message) - urgency(&t.h.Held[i].Message)
}

// urgency ranks by priority, and then those with a time of their own before those that can choose.
func urgency(m *event.Message) int {
	u := 0
	switch m.Priority {
	case event.Critical:
		u = 4
	case event.Transactional:
		u = 2
	}
	if m.Timing != event.TimingBestMoment {
		u++
	}
	return u
}

// verdict says whether a message should go now, and otherwise when to look again.
func (t *turn) verdict(h *Held, a *appraisal) {
	m := &h.Message
	last := !t.now.Before(a.end) && m.AtDeadline != event.AtDeadlineDrop
	switch {
	case last && a.closed&^policy.Soft == 0:
		a.reason = reasonDeadline
		if a.end.Before(h.Deadline.Add(-lead)) {
			a.reason = reasonBeforeItCloses
		}
	case a.closed != 0:
	case m.Timing == event.TimingAt:
		a.reason = reasonAt
	case m.Timing == event.TimingNow, m.Priority == event.Critical:
		a.reason = reasonNow
	case h.Draw.Arm == policy.ArmImmediate, h.Draw.Arm == policy.ArmUniform:
		a.reason = reasonExplore
	case a.est.release:
		a.reason = reasonMoment
	}
	if a.reason != "" {
		return
	}
	a.wake = h.Deadline
	sooner := func(at time.Time) {
		if at.After(t.now) && at.Before(a.wake) {
			a.wake = at
		}
	}
	sooner(a.end)
	if a.closed != 0 {
		sooner(a.gates.NextOpen(t.now))
	}
	if a.closed&policy.Quota == 0 { // a barred one is looked at with those that bar it
		sooner(a.est.wake)
	}
}

// over is a message whose deadline has come.
func (t *turn) over(all []appraisal) int {
	for i := range all {
		if !t.now.Before(t.h.Held[i].Deadline) {
			return i
		}
	}
	return -1
}

// best is the message that goes now, -1 if none.
func (t *turn) best(all []appraisal) int {
	best := -1
	for i := range all {
		if all[i].reason != "" && (best < 0 || t.order(all, i, best) < 0) {
			best = i
		}
	}
	return best
}
