package dispatch

import (
	"context"
	"fmt"

	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// prepare verifies, for as long as Redis or Kafka do not answer: that is no reason to end the service.
func (o *owned) prepare(ctx context.Context) error {
	for {
		err := o.verify(ctx)
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
// lost, or is an old copy.
func (o *owned) verify(ctx context.Context) error {
	committed := o.wm.mark()
	o.d.store.renew(o.buckets)
	marks, err := o.d.store.marks(ctx, o.buckets)
	if err != nil {
		return err
	}
	for _, m := range marks {
		if m < committed || m < 0 {
			return o.rebuild(ctx)
		}
	}
	o.mark.Store(committed)
	return nil
}

// rebuild restores the send records: what has ended from the outcomes that dispatch has published, what was begun and has
// not from its journal.
func (o *owned) rebuild(ctx context.Context) error {
	begun := o.d.clock.Now()
	o.life.Add(1)
	o.d.store.renew(o.buckets)
	n := 0
	for _, from := range []struct {
		topic topic.Topic
		read  func(*stream.Record) (known, bool)
	}{{topic.Outcomes, endIn}, {topic.Attempts, openIn}} {
		ranges, err := o.d.kafka.Offsets(ctx, from.topic)
		if err != nil {
			return err
		}
		starts, err := o.d.kafka.OffsetsAt(ctx, from.topic, begun.Add(-o.d.cfg.Window))
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
			n += len(list)
			return o.d.store.restore(ctx, list, o.d.cfg.Window)
		})
		if err != nil {
			return fmt.Errorf("dispatch: rebuild send records from %s: %w", from.topic.Name, err)
		}
	}
	o.mu.Lock()
	mark := o.wm.mark()
	o.mu.Unlock()
	if err := o.d.store.setMarks(ctx, o.buckets, mark); err != nil {
		return err
	}
	o.mark.Store(mark)
	o.d.log.Info().Int("partition", o.p.ID).Int("records", n).Dur("took_ms", o.d.clock.Since(begun)).Msg("send_records_rebuilt")
	return nil
}

// lose begins a rebuild, unless one is going on.
func (o *owned) lose() {
	if !o.rebuilding.CompareAndSwap(false, true) {
		return
	}
	if !o.enter() {
		return
	}
	go func() {
		defer o.leave()
		defer o.rebuilding.Store(false)
		if err := o.rebuild(o.ctx); err != nil && o.ctx.Err() == nil {
			o.d.log.Error().Err(err).Int("partition", o.p.ID).Msg("rebuild_failed")
		}
	}()
}
