package fold

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// catchUp bounds how long wake-ups wait for the input that was in the log at the assignment.
const catchUp = 5 * time.Second

// acquire takes the buckets of the partition over and rebuilds them if Redis is not what the last owner left.
func (o *owner[S, I]) acquire(ctx context.Context) error {
	ranges, err := o.kafka.Offsets(ctx, o.stage.Input)
	if err != nil {
		return err
	}
	if o.partitions = len(ranges); o.partitions&(o.partitions-1) != 0 || o.partitions > state.Buckets {
		return fmt.Errorf("fold: %s has %d partitions: must be a power of two, at most %d", o.stage.Input.Name, o.partitions, state.Buckets)
	}
	if err := o.sameCount(ctx); err != nil {
		return err
	}
	now := o.clock.Now()
	o.checkedAt, o.savedAt = now, now
	o.committed = o.in.Committed()
	o.in.SeekTo(o.committed)
	high := ranges[o.id].High
	if err := o.take(ctx, false); err != nil {
		return err
	}
	o.p.resume(o.committed)
	journal, err := o.kafka.Offsets(ctx, o.stage.Journal)
	if err != nil {
		return err
	}
	o.journalAt = journal[o.id].High
	lost, err := o.lost(ctx)
	if err != nil {
		return err
	}
	if lost != nil {
		o.log.Warn().Err(lost).Msg("rebuild_started")
		if err := o.rebuild(ctx, high); err != nil {
			return err
		}
		o.metrics.rebuilds.Inc()
		o.metrics.rebuildTime.Observe(o.clock.Since(now).Seconds())
		o.log.Info().Dur("took_ms", o.clock.Since(now)).Int64("next", o.p.next()).Msg("rebuild_finished")
	}
	if err := o.index(ctx); err != nil {
		return err
	}
	o.caughtUp, o.patience = high, o.clock.Now().Add(catchUp)
	o.log.Info().Int("buckets", len(o.p.fences)).Int64("next", o.p.next()).Int("due", len(o.p.due.items)).Msg("partition_acquired")
	return nil
}

// sameCount checks that a user's key lies in the same partition of every topic that the stage shares.
func (o *owner[S, I]) sameCount(ctx context.Context) error {
	for _, t := range append([]topic.Topic{o.stage.Journal, o.stage.source()}, o.stage.Echo...) {
		ranges, err := o.kafka.Offsets(ctx, t)
		if err != nil {
			return err
		}
		if len(ranges) != o.partitions {
			return fmt.Errorf("fold: %s has %d partitions and %s has %d: they must have the same number", t.Name, len(ranges), o.stage.Input.Name, o.partitions)
		}
	}
	return nil
}

func (o *owner[S, I]) take(ctx context.Context, rebuild bool) error {
	var buckets []int
	for b := o.id; b < state.Buckets; b += o.partitions {
		buckets = append(buckets, b)
	}
	var fences state.Fences
	err := o.redis(ctx, "acquire", func(ctx context.Context) (err error) {
		fences, err = o.store.Acquire(ctx, buckets, o.clock.Now(), rebuild)
		return err
	})
	if err != nil {
		return err
	}
	o.p = newPartition(o.stage, o.id, o.cfg.CachedUsers, fences)
	return nil
}

// lost says why Redis is not what the last owner left; nil if it is.
func (o *owner[S, I]) lost(ctx context.Context) (why, err error) {
	for b, f := range o.p.fences {
		if f.Seq == 0 {
			return fmt.Errorf("bucket %d: %w: no fence", b, state.ErrLost), nil
		}
		if at := f.Marks[o.p.inputMark()]; at < o.committed {
			return fmt.Errorf("bucket %d: %w: fence at %d, group at %d", b, state.ErrLost, at, o.committed), nil
		}
	}
	// A wake-up moves no offset. Its decision names the write that it was part of, so Redis must be as far as that.
	for _, t := range o.stage.Echo {
		high, err := o.readEcho(ctx, t, o.p.marks, func(r *stream.Record) error {
			if err := o.p.heard(r); err != nil {
				return err
			}
			bucket, seq, ok, err := ours(r, o.stage.Name, o.p.fences)
			if err == nil && ok && seq > o.p.fences[bucket].Seq {
				why = fmt.Errorf("bucket %d: %w: write %d, a decision in %s at %d was made with write %d",
					bucket, state.ErrLost, o.p.fences[bucket].Seq, r.Topic, r.Offset, seq)
			}
			return err
		})
		if err != nil || why != nil {
			return why, err
		}
		o.p.marks[state.Mark(t.Name, o.id)] = high
	}
	return nil, nil
}

// readEcho reads an echo topic from its mark to its end, and says where that is.
func (o *owner[S, I]) readEcho(ctx context.Context, t topic.Topic, marks map[string]int64, fn func(*stream.Record) error) (int64, error) {
	ranges, err := o.kafka.Offsets(ctx, t)
	if err != nil {
		return 0, err
	}
	from := max(ranges[o.id].Low, marks[state.Mark(t.Name, o.id)])
	return ranges[o.id].High, o.kafka.Read(ctx, t, o.id, from, ranges[o.id].High, each(fn))
}

func each(fn func(*stream.Record) error) func([]stream.Record) error {
	return func(recs []stream.Record) error {
		for i := range recs {
			if err := fn(&recs[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// index loads the wake-ups and the list of who waits for the journal.
func (o *owner[S, I]) index(ctx context.Context) error {
	return o.redis(ctx, "index", func(ctx context.Context) error {
		for _, b := range slices.Sorted(maps.Keys(o.p.fences)) {
			if err := o.store.Due(ctx, b, o.p.due.set); err != nil {
				return err
			}
			keys, err := o.store.Dirty(ctx, b)
			if err != nil {
				return err
			}
			for _, k := range keys {
				o.p.dirty[k] = struct{}{}
			}
		}
		return nil
	})
}

// rebuild makes the states anew, while the gate is closed: no wake-up, no decision leaves.
//
//	journal → Redis, newest record of each user; the checkpoint
//	echo    → decisions that were published since the checkpoint
//	input   → replayed from the checkpoint, to where the last owner can have come: each at the record's own time, or that
//	          of the first row that it led to
//	the decisions that are left are taken in; the fences become valid
func (o *owner[S, I]) rebuild(ctx context.Context, high int64) error {
	if err := o.take(ctx, true); err != nil {
		return err
	}
	p := o.p
	for _, f := range p.fences {
		f.Life = f.Owner
	}
	p.rebuild = newRebuild(o.committed, p.fences)
	if err := o.readJournal(ctx); err != nil {
		return err
	}
	maps.Copy(p.marks, p.rebuild.marks)
	if err := o.write(ctx, p.touches(false, nil)); err != nil {
		return err
	}
	ends := map[string]int64{}
	for _, t := range o.stage.Echo {
		end, err := o.readEcho(ctx, t, p.rebuild.marks, func(r *stream.Record) error {
			if failpoint.Off(failpoint.Echo) {
				return nil
			}
			if err := p.heard(r); err != nil {
				return err
			}
			return p.rebuild.echo(r, t, o.stage.Name, p.fences)
		})
		if err != nil {
			return err
		}
		ends[state.Mark(t.Name, o.id)] = end
	}
	if err := o.replay(ctx, high); err != nil {
		return err
	}
	if err := o.takeIn(ctx); err != nil {
		return err
	}
	maps.Copy(p.marks, ends)
	if err := o.write(ctx, p.touches(true, func(w *state.Write) { w.Open, w.Life = true, p.fences[w.Bucket].Life })); err != nil {
		return err
	}
	p.rebuild = nil
	maps.DeleteFunc(p.said, func(c stream.Cause, _ time.Time) bool { return c.Offset < p.marks[state.Mark(c.Topic, c.Partition)] })
	// What the replay decided waits in the outboxes, in Redis, where index finds it due.
	p.cache = newCache[*user[S]](o.cfg.CachedUsers)
	return nil
}

// readJournal copies the newest record of each user into Redis.
func (o *owner[S, I]) readJournal(ctx context.Context) error {
	ranges, err := o.kafka.Offsets(ctx, o.stage.Journal)
	if err != nil {
		return err
	}
	o.journalAt = ranges[o.id].High
	r := o.p.rebuild
	foreign := 0
	for _, q := range lineage(o.id, o.partitions) {
		err := o.kafka.Read(ctx, o.stage.Journal, q, ranges[q].Low, ranges[q].High, func(recs []stream.Record) error {
			writes := map[int]*state.Write{}
			for i := range recs {
				if recs[i].Header(headerOwner) == "" { // no owner wrote it
					foreign++
					continue
				}
				switch string(recs[i].Key) {
				case checkpointKey(o.id):
					if err := r.checkpoint(&recs[i], o.p.inputMark()); err != nil {
						return err
					}
					continue
				case checkpointKey(q):
					continue
				}
				bucket, u, newest, err := r.journal(&recs[i], o.p.fences)
				if err != nil {
					return err
				}
				if !newest {
					continue
				}
				if writes[bucket] == nil {
					writes[bucket] = &state.Write{Bucket: bucket, Rebuild: true, Journaled: true}
				}
				writes[bucket].Users = append(writes[bucket].Users, u)
			}
			out := make([]state.Write, 0, len(writes))
			for _, w := range writes {
				out = append(out, *w)
			}
			return o.write(ctx, out)
		})
		if err != nil {
			return err
		}
	}
	if foreign > 0 {
		o.metrics.foreign.Add(float64(foreign))
		o.log.Error().Int("records", foreign).Msg("foreign_records_in_journal")
	}
	return nil
}

// lineage are the partitions in which a user of partition id may have been journaled: id itself, and those that it came
// out of when there were fewer.
func lineage(id, partitions int) []int {
	out := []int{id}
	for n := partitions / 2; n > 0; n /= 2 {
		if !slices.Contains(out, id%n) {
			out = append(out, id%n)
		}
	}
	return out
}

// replay folds the input from the checkpoint on, until everything is in the states that may have been before the loss:
// what was committed, and what a published decision had seen.
func (o *owner[S, I]) replay(ctx context.Context, high int64) error {
	ranges, err := o.kafka.Offsets(ctx, o.stage.Input)
	if err != nil {
		return err
	}
	from := max(o.p.next(), ranges[o.id].Low)
	if gap := from - o.p.next(); gap > 0 && o.p.next() > 0 {
		o.metrics.gaps.Add(float64(gap))
		o.log.Error().Int64("from", o.p.next()).Int64("to", from).Msg("gap_before_rebuild")
	}
	o.p.marks[o.p.inputMark()] = from
	o.in.SeekTo(from)
	for o.p.next() < high && (o.p.next() < o.committed || !o.p.rebuild.reached(o.p.marks)) {
		recs, err := o.in.Fetch(ctx)
		if err != nil {
			return err
		}
		if err := o.batch(ctx, recs); err != nil {
			return err
		}
	}
	return nil
}

// takeIn lets the states know the published decisions that the replay has not brought up.
func (o *owner[S, I]) takeIn(ctx context.Context) error {
	for keys := range slices.Chunk(o.p.rebuild.left(), wakeBatch) {
		users, err := o.load(ctx, keys)
		if err != nil {
			return err
		}
		for _, k := range keys {
			o.p.reconcile(users[k], o.p.rebuild.rest(k))
		}
		pl, err := o.p.rewrite(keys, users, o.clock.Now())
		if err != nil {
			return err
		}
		if err := o.do(ctx, pl); err != nil {
			return err
		}
	}
	return nil
}

// mendable says whether another ownership may succeed where this one ended.
func mendable(err error) bool {
	return errors.Is(err, state.ErrLost) || errors.Is(err, state.ErrRefused)
}
