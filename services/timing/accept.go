package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/precondition"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Reasons of outcomes that timing says.
const (
	reasonRevised        = "revised"
	reasonCancel         = "cancel"
	reasonErased         = "erased"
	reasonOptedOut       = "opted_out"
	reasonBadCondition   = "precondition_invalid"
	reasonDeadline       = "deadline"
	reasonFull           = "too_many_held"
	reasonEnded          = "already_ended"
	reasonMoment         = "moment"
	reasonNow            = "now"
	reasonAt             = "at"
	reasonExplore        = "exploration"
	reasonInApp          = "in_app_hint"
	reasonWindow         = "attribution_window"
	reasonVisited        = event.OutcomeVisited
	reasonEventPrefix    = "event:"
	reasonPrecondition   = "precondition"
	reasonBeforeItCloses = "before_gate_closes"
)

// accept takes in a message: a new one, a revision, or one seen before.
func (t *turn) accept(in *event.Message, received time.Time) {
	said := *in // the record itself stays as it is
	m := &said
	if m.Priority == "" {
		m.Priority = event.Promotional
	}
	if m.Timing == "" {
		m.Timing = event.TimingBestMoment
	}
	if received.IsZero() || received.After(t.now) {
		received = t.now
	}
	if i := t.h.held(m.MessageID); i >= 0 {
		if m.Revision > t.h.Held[i].Message.Revision {
			t.revise(i, m, received)
		}
		return
	}
	ended := remembered(t.h.Ended, fnv1a(m.MessageID), t.now)
	o := t.h.out(m.MessageID)
	switch {
	case ended != nil && m.Revision <= ended.Revision, o != nil && m.Revision <= o.Message.Revision:
		return // it was here
	case o != nil && !o.Closed && (o.Release == nil || o.Release.Withdrawn == ""):
		t.replace(o, m, received)
		return
	case o != nil, ended != nil:
		t.refuse(m)
		return
	}

	draw := policy.Explore(t.policy.For(m.Category).Exploration, t.policy.Seed, t.h.App, t.h.User, m)
	t.h.Held = append(t.h.Held, Held{Message: *m, AcceptedAt: received, Deadline: t.deadline(m, received), Draw: draw})
	accepted := t.row(m, event.OutcomeAccepted)
	accepted.Arm, accepted.Propensity = draw.Arm, draw.Propensity
	t.say(accepted, false)
	t.admit(len(t.h.Held)-1, true)
}

// refuse says that a revision came too late: the message is over, or being taken back.
func (t *turn) refuse(m *event.Message) {
	t.forget(m)
	row := t.row(m, event.OutcomeRejected)
	row.Reason = reasonEnded
	t.say(row, false)
}

// replace holds a revision of a notification that is out and unanswered. It is no new message to the person, so it does
// not wait for a moment, and no arm is drawn for it; the gates still bind it.
func (t *turn) replace(o *Out, m *event.Message, received time.Time) {
	m.Timing = event.TimingNow
	t.h.Held = append(t.h.Held, Held{
		Message: *m, AcceptedAt: o.AcceptedAt, Deadline: t.deadline(m, received), Held: true,
		Draw: policy.NoDraw(),
	})
	row := t.row(m, event.OutcomeHeld)
	row.Reason = reasonRevised
	row.HoldMS = t.now.Sub(o.AcceptedAt).Milliseconds()
	t.say(row, false)
	t.admit(len(t.h.Held)-1, true)
}

// admit ends a message at once if it may not be held; otherwise it supersedes what it replaces. Of what grows, there must
// not be too much.
func (t *turn) admit(i int, grows bool) {
	m := &t.h.Held[i].Message
	id := m.MessageID
	switch {
	case remembered(t.h.Cancels, cancelHash("id", id), t.now) != nil,
		m.CancelKey != "" && remembered(t.h.Cancels, cancelHash("key", m.CancelKey), t.now) != nil:
		t.recall(reasonCancel, func(o *event.Message) bool { return o.MessageID == id }) // and the revision that is out
		return
	case slices.Contains(t.p.OptedOut, m.Category) && m.Category != "":
		t.end(i, event.OutcomeSuppressed, reasonOptedOut)
		return
	case m.Precondition != "" && precondition.Check(m.Precondition) != nil:
		t.end(i, event.OutcomeSuppressed, reasonBadCondition)
		return
	}
	for j := len(t.h.Held) - 1; j >= 0 && m.CollapseKey != ""; j-- {
		if o := &t.h.Held[j].Message; o.CollapseKey == m.CollapseKey && o.MessageID != id {
			t.end(j, event.OutcomeSuperseded, id)
			m = &t.h.Held[t.h.held(id)].Message // end has moved it
		}
	}
	if grows && t.h.full(m) {
		t.end(t.h.held(id), event.OutcomeSuppressed, reasonFull)
	}
}

// revise replaces a held message in place. Its arm and the time of its first acceptance stay.
func (t *turn) revise(i int, m *event.Message, received time.Time) {
	h := &t.h.Held[i]
	grows := content(m) > content(&h.Message)
	*h = Held{Message: *m, AcceptedAt: h.AcceptedAt, Deadline: t.deadline(m, received), Draw: h.Draw, Held: true}
	row := t.row(m, event.OutcomeHeld)
	row.Reason = reasonRevised
	row.HoldMS = t.now.Sub(h.AcceptedAt).Milliseconds()
	t.say(row, false)
	t.admit(i, grows)
}

// deadline of a message: its own, or the category's time after it could first go.
func (t *turn) deadline(m *event.Message, received time.Time) time.Time {
	if !m.Deadline.IsZero() {
		return m.Deadline.UTC()
	}
	from := received
	for _, at := range []time.Time{m.NotBefore, t.sendAt(m)} {
		if at.After(from) {
			from = at
		}
	}
	return from.Add(time.Duration(t.policy.For(m.Category).Deadline)).UTC()
}

// sendAt is the instant that the sender fixed; zero if none.
func (t *turn) sendAt(m *event.Message) time.Time {
	switch {
	case m.Timing != event.TimingAt:
		return time.Time{}
	case m.SendAtZone == event.ZoneUser:
		return policy.LocalInstant(m.SendAt, t.loc)
	default:
		return m.SendAt.UTC()
	}
}

func cancelHash(kind, id string) uint64 { return fnv1a(kind + "\x00" + id) }

// cancel recalls what is under the id or key, and remembers it: a message that comes after its cancel ends at once.
func (t *turn) cancel(c *event.Cancel) {
	hash := cancelHash("id", c.MessageID)
	if c.CancelKey != "" {
		hash = cancelHash("key", c.CancelKey)
	}
	t.h.Cancels = remember(t.h.Cancels, Memory{Hash: hash, Until: t.now.Add(time.Duration(t.policy.DedupeWindow)).Unix()})
	t.keep(time.Duration(t.policy.DedupeWindow))
	t.recall(reasonCancel, func(m *event.Message) bool {
		return c.MessageID != "" && m.MessageID == c.MessageID || c.CancelKey != "" && m.CancelKey == c.CancelKey
	})
}

// cancelOn recalls the messages that an event of the person makes pointless.
func (t *turn) cancelOn(name string) {
	t.recall(reasonEventPrefix+name, func(m *event.Message) bool { return slices.Contains(m.CancelOn, name) })
}

// end closes a held message with a terminal outcome.
func (t *turn) end(i int, typ, reason string) { t.endAfter(i, typ, reason, nil) }

// endAfter closes a held message with a terminal outcome, by a decision.
func (t *turn) endAfter(i int, typ, reason string, d *event.Decision) {
	h := &t.h.Held[i]
	row := t.row(&h.Message, typ)
	row.Reason = reason
	row.Arm, row.Propensity = h.Draw.Arm, h.Draw.Propensity
	row.HoldMS = t.now.Sub(h.AcceptedAt).Milliseconds()
	if d != nil {
		row.DecisionID = d.DecisionID
	}
	if typ == event.OutcomeControl {
		row.Features = d.Features
	}
	t.say(row, true)
	t.forget(t.take(i))
}

// take removes a message from the held ones.
func (t *turn) take(i int) *event.Message {
	m := t.h.Held[i].Message
	t.h.Held = slices.Delete(t.h.Held, i, i+1)
	return &m
}

// forget keeps of a message that is over only that it was.
func (t *turn) forget(m *event.Message) {
	window := time.Duration(t.policy.DedupeWindow)
	t.h.Ended = remember(t.h.Ended, Memory{Hash: fnv1a(m.MessageID), Revision: m.Revision, Until: t.now.Add(window).Unix()})
	t.keep(window)
}

// keep holds the state for at least d from now.
func (t *turn) keep(d time.Duration) {
	if at := t.now.Add(d).Truncate(time.Second).Add(time.Second); at.After(t.h.Forget) {
		t.h.Forget = at
	}
}
