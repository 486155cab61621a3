package timing

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/topic"
)

// localFormat is the wall time of a row; the zone stands beside it.
const localFormat = "2006-01-02T15:04:05"

// row is an outcome of a message at this moment.
func (t *turn) row(m *event.Message, typ string) event.Outcome {
	return event.Outcome{
		OccurredAt:    t.now,
		OccurredAtMS:  t.now.UnixMilli(),
		AppID:         t.h.App,
		UserID:        t.h.User,
		MessageID:     m.MessageID,
		Revision:      m.Revision,
		CampaignID:    m.CampaignID,
		Category:      m.Category,
		Priority:      m.Priority,
		Type:          typ,
		Policy:        t.policy.Name,
		PolicyVersion: t.policy.Version(),
		ModelVersion:  t.model.Version,
		LocalTime:     t.now.In(t.loc).Format(localFormat),
		TimeZone:      t.loc.String(),
	}
}

// answer is an outcome of a released message: under the policy and model that released it.
func (t *turn) answer(o *Out, typ string) event.Outcome {
	row := t.row(&o.Message, typ)
	row.DecisionID = o.DecisionID
	row.Policy, row.PolicyVersion, row.ModelVersion = o.Policy, o.Version, o.Model
	row.Arm, row.Propensity = o.Draw.Arm, o.Draw.Propensity
	row.HoldMS = o.ReleasedAt.Sub(o.AcceptedAt).Milliseconds()
	return row
}

// device adds what is known of the device to a row.
func (t *turn) device(row *event.Outcome, id string) {
	row.DeviceID = id
	if d := t.p.Device(id); d != nil {
		row.Channel, row.Platform = d.Channel, d.Platform
	}
}

// say publishes an outcome; once for one that may be decided only once.
func (t *turn) say(row event.Outcome, once bool) {
	row.OutcomeID = event.OutcomeID(row.AppID, row.UserID, row.MessageID, row.Revision, row.Type, row.DeviceID, row.Attempt)
	t.effects = append(t.effects, fold.Effect{
		Topic: topic.Outcomes, ID: row.OutcomeID, Type: "kairos.outcome." + row.Type, Value: row, Once: once,
	})
}

// publish says a release to dispatch, or that it is withdrawn.
func (t *turn) publish(r event.Release) {
	id := r.ReleaseID
	if r.Withdrawn != "" {
		id += "/withdrawn"
	}
	t.effects = append(t.effects, fold.Effect{Topic: topic.Releases, ID: id, Type: "kairos.release", Value: r, Once: true})
}

// explain publishes a decision row. One that ends the waiting is as unique as the release itself.
func (t *turn) explain(d event.Decision) {
	t.effects = append(t.effects, fold.Effect{
		Topic: topic.Decisions, ID: d.DecisionID, Type: "kairos.decision." + d.Action, Value: d, Once: d.Action != event.ActionHold,
	})
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
