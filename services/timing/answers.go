package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// result takes in what dispatch came to with one device of a release.
func (t *turn) result(r *event.Result) {
	o := t.h.out(r.MessageID)
	if o == nil || o.Message.Revision != r.Revision || o.Release == nil {
		return // a late answer of an earlier attempt, or of a revision that was replaced
	}
	switch r.Status {
	case event.ResultSent:
		o.Sent = true
	case event.ResultUnknown:
		o.Doubt = true
	}
	if !r.Final {
		return
	}
	o.Release, o.RetryAt = nil, time.Time{}
	switch {
	case o.Erased:
		t.drop(o)
	case o.Sent:
		t.reached(o.Message.Category)
	case !o.Doubt: // nobody got it: the slot is free again
		id := uint32(fnv1a(o.Message.MessageID))
		t.h.Sends = slices.DeleteFunc(t.h.Sends, func(s Send) bool { return s.Message == id })
		t.spared(o.Message.Category)
		t.forget(&o.Message)
		t.drop(o)
	}
}

// drop forgets a released message.
func (t *turn) drop(o *Out) {
	id := o.Message.MessageID
	t.h.Out = slices.DeleteFunc(t.h.Out, func(x Out) bool { return x.Message.MessageID == id })
}

// outcomeOf says which outcome a receipt is.
var outcomeOf = map[string]string{
	event.ReceiptDelivered: event.OutcomeDelivered,
	event.ReceiptDisplayed: event.OutcomeDisplayed,
	event.ReceiptOpened:    event.OutcomeOpened,
	event.ReceiptDismissed: event.OutcomeDismissed,
	event.ReceiptConverted: event.OutcomeConverted,
	event.ReceiptDisabled:  event.OutcomeDisabled,
}

// receipt takes in what became of a push on the device. One for a message that is forgotten, or whose person is, still
// becomes a row, of what the receipt itself says.
func (t *turn) receipt(r *event.Receipt) {
	o := t.h.out(r.MessageID)
	if o == nil || o.Erased {
		row := t.row(&event.Message{MessageID: r.MessageID}, outcomeOf[r.Kind])
		t.device(&row, r.DeviceID)
		row.OccurredAt, row.OccurredAtMS = r.OccurredAt.UTC(), r.OccurredAt.UnixMilli()
		t.say(row, false)
		return
	}
	said := uint32(fnv1a(r.Kind + "\x00" + r.DeviceID)) // any 32 bits of a hash will do
	if slices.Contains(o.Said, said) {
		return
	}
	o.Said = append(o.Said, said)
	row := t.answer(o, outcomeOf[r.Kind])
	t.device(&row, r.DeviceID)
	t.after(&row, o, r.OccurredAt)
	if closes := r.Kind == event.ReceiptOpened || r.Kind == event.ReceiptDismissed; closes && !o.Closed {
		row.Features, o.Features, o.Closed = o.Features, nil, true
	}
	if t.p.AllowsUserData() {
		switch r.Kind {
		case event.ReceiptOpened:
			t.opened(o.Message.Category)
		case event.ReceiptDismissed, event.ReceiptDisabled:
			t.dismissed(o.Message.Category)
		}
	}
	t.say(row, false)
}

// after dates what the person did by their phone's clock, as far as that can be: between the release and now.
func (t *turn) after(row *event.Outcome, o *Out, at time.Time) {
	if at = at.UTC(); at.After(t.now) {
		at = t.now
	}
	if at.Before(o.ReleasedAt) {
		at = o.ReleasedAt
	}
	row.OccurredAt, row.OccurredAtMS = at, at.UnixMilli()
	row.AfterMS = at.Sub(o.ReleasedAt).Milliseconds()
}

// visitWithin is how soon after a push a visit to the app may have to do with it: a push multiplies opens within the
// next hour by 3.5 (timing.md §6).
const visitWithin = time.Hour

// visit notes an own-app event with the pushes, and those held out, that it follows: what comes after a push and what
// comes without one are told by the same rule.
func (t *turn) visit(e *event.Event) {
	if !t.p.AllowsUserData() {
		return
	}
	at := e.OccurredAt
	if at.After(t.now) {
		at = t.now
	}
	for i := range t.h.Out {
		o := &t.h.Out[i]
		if reached := o.Sent && o.Release == nil; o.Visited || !reached && o.Draw.Arm != policy.ArmControl {
			continue
		}
		if !at.After(o.ReleasedAt) || at.Sub(o.ReleasedAt) > visitWithin {
			continue
		}
		row := t.answer(o, event.OutcomeVisited)
		row.Reason = reasonEventPrefix + e.Name
		t.after(&row, o, at)
		t.say(row, false)
		o.Visited = true
	}
}

// overdue says releases again that dispatch has not answered, and closes what nobody answered.
func (t *turn) overdue() {
	for i := len(t.h.Out) - 1; i >= 0; i-- {
		o := &t.h.Out[i]
		switch {
		case o.Release != nil && !t.now.Before(o.RetryAt):
			// Twice as long each time, so that a dispatch that is down for hours does not find a flood.
			wait := max(time.Duration(t.policy.AnswerTimeout), min(t.now.Sub(o.ReleasedAt), time.Hour))
			o.RetryAt = t.now.Add(wait)
			t.publish(*o.Release)
		case o.Release == nil && !t.now.Before(o.Until):
			if !o.Closed {
				row := t.answer(o, event.OutcomeIgnored)
				row.Reason, row.Features = reasonWindow, o.Features
				if o.Visited {
					row.Reason = reasonVisited
				}
				t.say(row, false)
			}
			t.forget(&o.Message)
			t.h.Out = slices.Delete(t.h.Out, i, i+1)
		}
	}
}
