package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// insist does it again for as long as Redis or Kafka do not answer: that is no reason to end the service.
func (o *owned) insist(ctx context.Context, do func(context.Context) error) error {
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if o.d.clock.Sleep(ctx, storeWait) != nil {
			return err
		}
		o.d.log.Warn().Err(err).Int("partition", o.p.ID).Msg("partition_put_off")
	}
}

// verify makes sure that Redis knows what has been sent: a mark that is missing or behind the commit says that it was
// lost, or is an old copy. A Redis that lost only its last moments may have the marks, which are raised now and then.
func (o *owned) verify(ctx context.Context) error {
	committed := o.wm.mark()
	if err := o.d.store.renew(ctx, o.buckets); err != nil {
		return err
	}
	marks, err := o.d.store.marks(ctx, o.buckets)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if m < committed || m < 0 {
			return o.rebuild(ctx)
		}
	}
	if err := o.restoreTail(ctx); err != nil {
		return err
	}
	o.mark.Store(committed)
	return nil
}

// restoreTail restores what was begun last, however long ago that was: Redis may have been away, and dispatch too. A Redis
// that syncs its file every second loses two at the most; what was under way then may be written down until the attempt, the
// wait for Redis and that for Kafka are over. It is done with each take-over, and so it reads no more than that.
func (o *owned) restoreTail(ctx context.Context) error {
	ranges, err := o.d.kafka.Offsets(ctx, topic.Attempts)
	if err != nil {
		return err
	}
	var last time.Time
	if r := ranges[o.p.ID]; r.Low < r.High {
		err = o.d.kafka.Read(ctx, topic.Attempts, o.p.ID, r.High-1, r.High, func(recs []stream.Record) error {
			last = recs[0].Time
			return nil
		})
	}
	if err != nil || last.IsZero() {
		return err
	}
	return o.restore(ctx, last.Add(-o.d.cfg.SendTimeout-settling-o.d.cfg.PublishTimeout-margin))
}

// rebuild restores the send records of the whole window.
func (o *owned) rebuild(ctx context.Context) error {
	o.life.Add(1)
	if err := o.d.store.renew(ctx, o.buckets); err != nil {
		return err
	}
	if err := o.restore(ctx, o.d.clock.Now().Add(-o.d.cfg.Window)); err != nil {
		return err
	}
	o.mu.Lock()
	mark := o.wm.mark()
	o.mu.Unlock()
	if err := o.d.store.setMarks(ctx, o.buckets, mark); err != nil {
		return err
	}
	o.mark.Store(mark)
	return nil
}

// restore writes back what Redis does not know of the time since: what has ended from the outcomes that dispatch has
// published, what was begun and has not from its journal.
func (o *owned) restore(ctx context.Context, since time.Time) error {
	select {
	case o.d.restoring <- struct{}{}:
		defer func() { <-o.d.restoring }()
	case <-ctx.Done():
		return ctx.Err()
	}
	begun := o.d.clock.Now()
	read, written := 0, 0
	for _, from := range []struct {
		topic topic.Topic
		read  func(*stream.Record) (known, bool)
	}{{topic.Outcomes, endIn}, {topic.Attempts, openIn}} {
		ranges, err := o.d.kafka.Offsets(ctx, from.topic)
		if err != nil {
			return err
		}
		starts, err := o.d.kafka.OffsetsAt(ctx, from.topic, since)
		if err != nil {
			return err
		}
		err = o.d.kafka.Read(ctx, from.topic, o.p.ID, starts[o.p.ID], ranges[o.p.ID].High, func(recs []stream.Record) error {
			var list []known
			for i := range recs {
				if k, ok := from.read(&recs[i]); ok {
					list = append(list, k)
				}
			}
			n, err := o.d.store.restore(ctx, list, o.d.cfg.Window)
			read += len(list)
			written += n
			return err
		})
		if err != nil {
			return fmt.Errorf("dispatch: restore send records from %s: %w", from.topic.Name, err)
		}
	}
	o.d.log.Info().Int("partition", o.p.ID).Time("since", since).Int("records", read).Int("restored", written).
		Dur("took_ms", o.d.clock.Since(begun)).Msg("send_records_restored")
	return nil
}

// lose has the records rebuilt. Until that is done nothing of the partition is tried: the marks may be there, and so Redis
// would not refuse.
func (o *owned) lose() {
	if o.rebuilding.CompareAndSwap(false, true) {
		o.lost <- struct{}{}
	}
}

// rebuildLoop rebuilds what was lost.
func (o *owned) rebuildLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.lost:
		}
		if err := o.insist(ctx, o.rebuild); err != nil {
			return err
		}
		o.rebuilding.Store(false)
	}
}
