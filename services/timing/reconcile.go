package timing

import (
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Reconcile takes in one of our own published records after Redis was lost: what a wake-up had released or ended, which
// no input tells, must not be held again.
func (e *Engine) Reconcile(h *Holds, from topic.Topic, value []byte) *Holds {
	switch from.Name {
	case topic.Releases.Name:
		var r event.Release
		if event.Decode(value, &r) != nil {
			return h
		}
		if i := h.held(r.Message.MessageID); i >= 0 && h.Held[i].Message.Revision <= r.Message.Revision {
			t := e.turn(h, h.Profile, r.ReleasedAt)
			t.away(i, &r, nil)
		} else if o := h.out(r.Message.MessageID); r.Withdrawn != "" && o != nil && o.Release != nil && o.Message.Revision == r.Message.Revision {
			o.Release = &r
		}
	case topic.Outcomes.Name:
		var o event.Outcome
		if event.Decode(value, &o) != nil {
			return h
		}
		if i := h.held(o.MessageID); i >= 0 && h.Held[i].Message.Revision <= o.Revision && terminal[o.Type] {
			t := e.turn(h, h.Profile, o.OccurredAt)
			t.forget(t.take(i))
		}
	}
	return h
}

// terminal outcomes are those with which timing ends a message without a release.
var terminal = map[string]bool{
	event.OutcomeExpired: true, event.OutcomeCancelled: true, event.OutcomeSuppressed: true,
	event.OutcomeSuperseded: true, event.OutcomeControl: true,
}
