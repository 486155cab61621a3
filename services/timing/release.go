package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// decision is the row of an evaluation of one message.
func (t *turn) decision(i int, all []appraisal, trigger, action string) event.Decision {
	h, a := &t.h.Held[i], &all[i]
	m := &h.Message
	d := event.Decision{
		DecisionID:     event.DecisionID(t.h.App, t.h.User, m.MessageID, m.Revision, trigger, t.now),
		OccurredAt:     t.now,
		OccurredAtMS:   t.now.UnixMilli(),
		AppID:          t.h.App,
		UserID:         t.h.User,
		MessageID:      m.MessageID,
		Revision:       m.Revision,
		CampaignID:     m.CampaignID,
		Category:       m.Category,
		Priority:       m.Priority,
		Trigger:        trigger,
		Action:         action,
		Score:          a.est.u,
		ValueOfWaiting: a.est.wait,
		PSeen:          a.est.now.PSeen,
		POpen:          a.est.now.POpen,
		Fatigue:        a.est.now.Fatigue,
		Budget:         a.est.now.Budget,
		DelayCost:      a.est.delay,
		Gates:          a.closed.Names(),
		Policy:         t.policy.Name,
		PolicyVersion:  t.policy.Version(),
		ModelVersion:   t.model.Version,
		Arm:            h.Draw.Arm,
		Propensity:     h.Draw.Propensity,
		LocalTime:      t.now.In(t.loc).Format(localFormat),
		TimeZone:       t.loc.String(),
		Features:       a.est.features(),
		Curve:          t.course(h, a),
	}
	if r := t.runnerUp(i, all); r >= 0 {
		d.RunnerUpMessageID = t.h.Held[r].Message.MessageID
	}
	if action == event.ActionHold {
		d.NextWakeAt, d.NextWakeAtMS = a.wake, millis(a.wake)
	}
	d.Why = t.why(h, a, action)
	return d
}

// runnerUp is the best of the other messages, -1 if there is none.
func (t *turn) runnerUp(i int, all []appraisal) int {
	best := -1
	for j := range all {
		if j != i && (best < 0 || t.order(all, j, best) < 0) {
			best = j
		}
	}
	return best
}

// release sends a message on its way.
func (t *turn) release(i int, all []appraisal, trigger string) {
	h, a := &t.h.Held[i], &all[i]
	m := h.Message
	d := t.decision(i, all, trigger, event.ActionRelease)
	t.explain(d)
	planned := t.now
	if trigger == triggerWake && !h.WakeAt.IsZero() && h.WakeAt.Before(t.now) {
		planned = h.WakeAt
	}
	r := event.Release{
		ReleaseID:     event.ReleaseID(t.h.App, t.h.User, m.MessageID, m.Revision),
		DecisionID:    d.DecisionID,
		AppID:         t.h.App,
		UserID:        t.h.User,
		Message:       m,
		AcceptedAt:    h.AcceptedAt,
		PlannedAt:     planned,
		ReleasedAt:    t.now,
		Deadline:      h.Deadline,
		Score:         a.est.u,
		Arm:           h.Draw.Arm,
		Propensity:    h.Draw.Propensity,
		Policy:        t.policy.Name,
		PolicyVersion: t.policy.Version(),
		ModelVersion:  t.model.Version,
		TimeZone:      t.loc.String(),
		InApp:         t.inApp(&m),
	}
	byClock := a.gates.Only(policy.QuietHours | policy.DeliveryWindow)
	r.Closed = byClock.Closings(t.now, h.Deadline)
	for _, dev := range a.targets {
		r.Targets = append(r.Targets, target(dev))
	}
	row := t.row(&m, event.OutcomeReleased)
	row.Reason, row.DecisionID = a.reason, d.DecisionID
	if r.InApp {
		row.Reason = reasonInApp
	}
	row.Arm, row.Propensity = h.Draw.Arm, h.Draw.Propensity
	row.HoldMS = t.now.Sub(h.AcceptedAt).Milliseconds()
	row.LatenessMS = t.now.Sub(planned).Milliseconds()
	t.say(row, true)
	t.publish(r)

	t.away(i, &r, d.Features)
}

// away moves a held message to the released ones.
func (t *turn) away(i int, r *event.Release, features event.Features) {
	h := t.h.Held[i]
	m := t.take(i)
	if old := t.h.out(m.MessageID); old != nil { // this is a revision of it
		t.drop(old)
	}
	t.h.Out = append(t.h.Out, Out{
		Message:    bare(&r.Message),
		Release:    r,
		AcceptedAt: h.AcceptedAt,
		ReleasedAt: r.ReleasedAt,
		DecisionID: r.DecisionID,
		Draw:       h.Draw,
		Policy:     r.Policy,
		Version:    r.PolicyVersion,
		Model:      r.ModelVersion,
		Features:   features,
		TimeZone:   r.TimeZone,
		RetryAt:    t.answerBy(),
		Until:      t.now.Add(time.Duration(t.policy.AttributionWindow)),
	})
	if m.Priority != event.Critical {
		t.h.Sends = append(t.h.Sends, Send{
			Message: uint32(fnv1a(m.MessageID)), Category: categoryHash(m.Category), At: t.now.UnixMilli(), Promotional: m.Priority == event.Promotional,
		})
	}
	t.tire(m.Category)
	t.keep(time.Duration(t.policy.AttributionWindow))
}

// recall ends those of the messages that are held, and withdraws those of the releases that dispatch has not answered: no
// provider is asked about them any more. What one was asked about already ends as its answer says. Of a message that is both,
// being revised, the newest revision tells, and is taken back with the one before it or not at all.
func (t *turn) recall(reason string, which func(*event.Message) bool) {
	for i := range t.h.Out {
		o := &t.h.Out[i]
		if o.Release == nil || o.Release.Withdrawn != "" {
			continue
		}
		newest := &o.Release.Message
		if j := t.h.held(newest.MessageID); j >= 0 {
			newest = &t.h.Held[j].Message
		}
		if which(newest) {
			o.Release = withdrawn(o.Release, reason)
			o.RetryAt = t.answerBy()
			t.publish(*o.Release)
		}
	}
	for i := range slices.Backward(t.h.Held) {
		if which(&t.h.Held[i].Message) {
			t.end(i, event.OutcomeCancelled, reason)
		}
	}
}

// answerBy is when a release that is said now is said again.
func (t *turn) answerBy() time.Time { return t.now.Add(time.Duration(t.policy.AnswerTimeout)) }

// withdrawn is what is left of a release: what its rows say, and which devices it went to.
func withdrawn(r *event.Release, reason string) *event.Release {
	left := *r
	m := &r.Message
	left.Message = bare(m)
	left.Message.UserID, left.Message.Timing = m.UserID, m.Timing
	left.Targets = slices.Clone(r.Targets)
	for i, to := range left.Targets {
		left.Targets[i] = event.Target{DeviceID: to.DeviceID, Platform: to.Platform, Channel: to.Channel}
	}
	left.InApp, left.Closed, left.Withdrawn = false, nil, reason
	return &left
}

// bare is what is kept of a message that has left.
func bare(m *event.Message) event.Message {
	return event.Message{MessageID: m.MessageID, Revision: m.Revision, CampaignID: m.CampaignID, Category: m.Category, Priority: m.Priority}
}

// inApp says whether the message goes as a hint inside the app, because the person is in it.
func (t *turn) inApp(m *event.Message) bool {
	if t.policy.For(m.Category).Foreground != policy.ForegroundHint || !t.p.AllowsDeviceData() {
		return false
	}
	for i := range t.p.Devices {
		if t.p.Devices[i].Live.App.Fresh(t.now, time.Duration(t.policy.ForegroundFor)) == "foreground" {
			return true
		}
	}
	return false
}

// expire ends a message at its deadline.
func (t *turn) expire(i int, all []appraisal, trigger string) {
	reason := reasonDeadline
	if gate := all[i].closed.First(); gate != "" {
		reason = gate
	}
	d := t.decision(i, all, trigger, event.ActionExpire)
	t.explain(d)
	t.endAfter(i, event.OutcomeExpired, reason, &d)
}

// withhold ends a control at the moment at which the policy would have sent it, so that what the person does from then on
// compares with what they do after a push (a "ghost ad": Johnson, Lewis and Nubbemeyer, 2017). It tires nobody.
func (t *turn) withhold(i int, all []appraisal, trigger string) {
	d := t.decision(i, all, trigger, event.ActionSuppress)
	t.explain(d)
	h := t.h.Held[i]
	t.endAfter(i, event.OutcomeControl, reasonExplore, &d)
	m := &h.Message
	t.h.Out = append(t.h.Out, Out{
		Message:    bare(m),
		AcceptedAt: h.AcceptedAt, ReleasedAt: t.now, DecisionID: d.DecisionID, Draw: h.Draw, Policy: d.Policy,
		Version: d.PolicyVersion, Model: d.ModelVersion, TimeZone: d.TimeZone, Closed: true, Until: t.now.Add(visitWithin),
	})
}

// hold keeps a message waiting, and says so if anything changed.
func (t *turn) hold(i int, all []appraisal, trigger string) {
	h, a := &t.h.Held[i], &all[i]
	h.WakeAt = a.wake
	rival := uint64(0)
	if r := t.runnerUp(i, all); r >= 0 && t.order(all, r, i) < 0 {
		rival = fnv1a(t.h.Held[r].Message.MessageID)
	}
	moved := a.wake.Sub(h.Plan).Abs()
	if h.Said && h.Gates == a.closed && h.Rival == rival && moved < replanned {
		return
	}
	if !h.Held {
		row := t.row(&h.Message, event.OutcomeHeld)
		row.Reason = a.closed.First()
		if row.Reason == "" {
			row.Reason = reasonMoment
		}
		row.Arm, row.Propensity = h.Draw.Arm, h.Draw.Propensity
		t.say(row, false)
		h.Held = true
	}
	h.Said, h.Gates, h.Rival, h.Plan = true, a.closed, rival, a.wake
	t.explain(t.decision(i, all, trigger, event.ActionHold))
}

// replanned is how far a planned time moves before the plan counts as another one.
const replanned = 5 * time.Minute
