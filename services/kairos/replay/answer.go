package replay

import (
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// finish says what became of a push and tells enrich and timing.
func (c *Core) finish(f *flight, v push.Verdict, step dispatch.Step) {
	r := f.release
	c.say(&event.Outcome{
		OutcomeID:  event.OutcomeID(r.AppID, r.UserID, r.Message.MessageID, r.Message.Revision, step.Type, f.target.DeviceID, f.attempt),
		OccurredAt: c.now, OccurredAtMS: c.now.UnixMilli(), AppID: r.AppID, UserID: r.UserID, MessageID: r.Message.MessageID,
		Revision: r.Message.Revision, DeviceID: f.target.DeviceID, Type: step.Type, Reason: step.Reason, Attempt: f.attempt, DecisionID: r.DecisionID,
		HoldMS: c.now.Sub(r.AcceptedAt).Milliseconds(),
	})
	c.results = append(c.results, &event.Fact{AppID: r.AppID, UserID: r.UserID, Kind: event.KindResult, ReceivedAt: c.now, Result: &event.Result{
		MessageID: r.Message.MessageID, Revision: r.Message.Revision, DeviceID: f.target.DeviceID, Status: step.Status, Attempt: f.attempt, At: c.now, Final: *f.left == 0,
	}})
}
