package ingest

import (
	"context"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// consume works on one partition of an input topic: a batch is committed when every record of it is acknowledged as a
// fact or as a dead letter. A batch that is read again after a crash gives the same ids again.
func (s *Ingest) consume(ctx context.Context, p *stream.Partition) error {
	in, ok := s.cfg.Apps.ByTopic(p.Topic.Name)
	if !ok {
		return nil // not subscribed to
	}
	for {
		recs, err := p.Fetch(ctx)
		if err != nil {
			return err
		}
		out, err := s.batch(ctx, in, recs)
		if err != nil {
			return err
		}
		if err := s.publish(ctx, out); err != nil {
			return err
		}
		if err := p.Commit(recs[len(recs)-1].Offset + 1); err != nil {
			return err
		}
	}
}

// batch turns input records into facts, dead letters and rejected outcomes.
func (s *Ingest) batch(ctx context.Context, in service.Input, recs []stream.Record) ([]stream.Record, error) {
	app := appOf(in.App)
	now := s.deps.Clock.Now()
	out := make([]stream.Record, 0, len(recs))
	var (
		refused int
		first   *stream.Record
		fault   event.Invalid
	)
	for i := range recs {
		r := &recs[i]
		rctx, cause := stream.Extract(ctx, r), stream.CauseOf(r)
		f, reason := Accept(in.Kind, r.Value, app, now)
		if reason == nil {
			rec, err := factRecord(rctx, f, cause)
			if err != nil {
				return nil, err
			}
			out = append(out, rec)
			s.metrics.accepted.WithLabelValues(f.Kind, doorTopic).Inc()
			continue
		}
		s.metrics.rejected.WithLabelValues(in.Kind.Name, doorTopic).Inc()
		if refused++; refused == 1 {
			first, fault = r, event.Faults(reason)[0]
		}
		out = append(out, deadLetter(r, reason))
		if o, ok := s.refused(in.Kind, r.Value, app, reason, now); ok {
			rec, err := outcomeRecord(rctx, o, cause)
			if err != nil {
				return nil, err
			}
			out = append(out, rec)
		}
	}
	if refused > 0 { // once for all of the batch: a flood of bad records is not a flood of lines
		s.deps.Log.Warn().Str("app_id", app.ID).Str("topic", first.Topic).Int("partition", first.Partition).
			Int64("offset", first.Offset).Int("records", refused).Str("field", fault.Field).Str("rule", fault.Rule).Msg("records_refused")
	}
	return out, nil
}

// refused is the outcome that tells of a refused record, if it was a message with a name.
func (s *Ingest) refused(in topic.Topic, data []byte, app App, reason error, now time.Time) (*event.Outcome, bool) {
	if in.Name != topic.InMessages.Name {
		return nil, false
	}
	return Rejected(data, app, reason, now)
}

func appOf(a *service.App) App { return App{ID: a.AppID, ReceiptSecret: []byte(a.ReceiptSecret)} }
