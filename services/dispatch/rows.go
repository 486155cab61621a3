package dispatch

import (
	"context"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

const source = "/kairos/dispatch"

// Tally is how the devices of one release have fared so far. The zero value is for one that nothing is known of yet.
type Tally struct {
	sent  bool
	worst *fate
	at    time.Time // of the latest end
}

// fate of a push that did not reach its device.
type fate struct {
	to  event.Target
	rec Record
}

// Say is what the end of one push says: a result for the user's own log, and rows for analysts. With last, the release
// is over: the result is final, and if no device was reached the row that ends the message is there too. That row is of the
// device that fared worst, whichever ended last, so that it is the same when the ends are said again in another order.
func (t *Tally) Say(r *event.Release, to event.Target, rec Record, last bool) (*event.Fact, []*event.Outcome) {
	end := rec.End
	res := &event.Result{
		MessageID: r.Message.MessageID, Revision: r.Message.Revision,
		DeviceID: to.DeviceID, Channel: to.Channel, Platform: to.Platform,
		Status: end.Status, Reason: end.Reason, Attempt: rec.Attempt, ProviderMessageID: end.ProviderID,
		At: end.At, Final: last,
	}
	if end.Prune {
		res.PruneAddress = to.Address
	}
	var rows []*event.Outcome
	if end.Type == event.OutcomeSent || end.Type == event.OutcomeProviderRejected {
		rows = append(rows, row(r, to, rec, end.Type, end.Reason))
	}
	t.note(to, rec)
	if last && !t.sent {
		typ, worst := t.verdict(), t.worst.rec
		over := *worst.End
		over.At, worst.End = t.at, &over
		rows = append(rows, row(r, t.worst.to, worst, typ, over.Reason))
	}
	return &event.Fact{AppID: r.AppID, UserID: r.UserID, Kind: event.KindResult, ReceivedAt: end.At, Result: res}, rows
}

func (t *Tally) note(to event.Target, rec Record) {
	if rec.End.At.After(t.at) {
		t.at = rec.End.At
	}
	switch {
	case rec.End.Type == event.OutcomeSent:
		t.sent = true
	case t.worst == nil || worse(to, rec, t.worst):
		t.worst = &fate{to, rec}
	}
}

func worse(to event.Target, rec Record, than *fate) bool {
	a, b := rank(rec.End.Type), rank(than.rec.End.Type)
	return a > b || a == b && to.DeviceID < than.to.DeviceID
}

// rank orders the ways in which a release that reached nobody may have ended: what may have reached somebody first.
func rank(typ string) int {
	switch typ {
	case event.OutcomeUnknown:
		return 2
	case event.OutcomeExpired, event.OutcomeCancelled, event.OutcomeSuperseded:
		return 1
	default:
		return 0
	}
}

// verdict on a release that no device was reached by.
func (t *Tally) verdict() string {
	if typ := t.worst.rec.End.Type; rank(typ) > 0 {
		return typ
	}
	return event.OutcomeFailed
}

// row is an outcome of the release on a device.
func row(r *event.Release, to event.Target, rec Record, typ, reason string) *event.Outcome {
	at := rec.End.At
	o := &event.Outcome{
		OccurredAt: at, OccurredAtMS: at.UnixMilli(), AppID: r.AppID, UserID: r.UserID,
		MessageID: r.Message.MessageID, Revision: r.Message.Revision, CampaignID: r.Message.CampaignID,
		Category: r.Message.Category, Priority: r.Message.Priority,
		DeviceID: to.DeviceID, Channel: to.Channel, Platform: to.Platform,
		Type: typ, Reason: reason, DecisionID: r.DecisionID, Attempt: rec.Attempt, ProviderMessageID: rec.End.ProviderID,
		HoldMS: r.ReleasedAt.Sub(r.AcceptedAt).Milliseconds(), LatenessMS: r.ReleasedAt.Sub(r.PlannedAt).Milliseconds(),
		AfterMS: max(0, at.Sub(r.ReleasedAt).Milliseconds()),
		Policy:  r.Policy, PolicyVersion: r.PolicyVersion, ModelVersion: r.ModelVersion, Arm: r.Arm, Propensity: r.Propensity,
		TimeZone: r.TimeZone,
	}
	if loc, err := time.LoadLocation(r.TimeZone); err == nil && r.TimeZone != "" {
		o.LocalTime = at.In(loc).Format("2006-01-02T15:04:05")
	}
	o.OutcomeID = event.OutcomeID(o.AppID, o.UserID, o.MessageID, o.Revision, o.Type, o.DeviceID, o.Attempt)
	return o
}

// records are what the end of a push says, as they are published; l.mu is held.
func (l *live) records(ctx context.Context, t *task, rec Record, last bool) ([]stream.Record, error) {
	fact, rows := l.tally.Say(&l.release, t.target, rec, last)
	out := make([]stream.Record, 0, len(rows)+1)
	for _, o := range rows {
		r, err := l.record(ctx, topic.Outcomes, o.OutcomeID, "kairos.outcome."+o.Type, rec.End.At, o)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	id := l.release.ReleaseID + "/" + t.target.DeviceID + "/" + strconv.FormatBool(last)
	r, err := l.record(ctx, topic.Facts, id, "kairos.fact."+event.KindResult, rec.End.At, fact)
	return append(out, r), err
}

func (l *live) record(ctx context.Context, t topic.Topic, id, typ string, at time.Time, v any) (stream.Record, error) {
	value, err := event.Encode(v)
	if err != nil {
		return stream.Record{}, err
	}
	ev := stream.Event{ID: id, Type: typ, Source: source, Time: at, Cause: l.cause}
	return stream.Record{
		Topic: t.Name, Key: []byte(event.Key(l.release.AppID, l.release.UserID)), Value: value, Headers: ev.Headers(ctx), Time: at,
	}, nil
}
