package fold

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// checkpoint brings the journal up to date: the states of all users that changed since the last one, then a record that
// says so, with the marks from which a rebuild has to read on. Only then do the users stop waiting for it.
func (o *owner[S, I]) checkpoint(ctx context.Context) error {
	if len(o.p.dirty) == 0 {
		return nil
	}
	if err := o.empty(ctx); err != nil {
		return err
	}
	start := o.clock.Now()
	written, err := o.journal(ctx, slices.Sorted(maps.Keys(o.p.dirty)))
	if err != nil {
		return err
	}
	if err := o.repair(ctx, written); err != nil {
		return err
	}
	marks, err := encodeMarks(o.p.marks)
	if err != nil {
		return err
	}
	done := []stream.Record{{
		Topic: o.stage.Journal.Name, Partition: o.id, Pinned: true, Key: []byte(checkpointKey(o.id)), Value: marks,
		Headers: []stream.Header{o.ownerHeader(o.id)},
	}}
	if err := o.publish(ctx, done); err != nil {
		return err
	}
	if done[0].Offset == o.journalAt { // else somebody wrote in between: the next repair reads from there
		o.journalAt++
	}
	if err := o.commit(ctx, o.p.touches(true, func(w *state.Write) { w.Checkpoint = true })); err != nil {
		return err
	}
	clear(o.p.dirty)
	o.savedAt = o.clock.Now()
	o.metrics.checkpoint.Observe(o.clock.Since(start).Seconds())
	return nil
}

// journal publishes the states of users as they are in Redis, and a tombstone for who has none.
func (o *owner[S, I]) journal(ctx context.Context, keys []string) (written int64, err error) {
	for chunk := range slices.Chunk(keys, 1000) {
		var blobs map[string][]byte
		err := o.redis(ctx, "load", func(ctx context.Context) (err error) {
			blobs, err = o.store.Load(ctx, o.p.fences, chunk)
			return err
		})
		if err != nil {
			return written, err
		}
		recs := make([]stream.Record, len(chunk))
		for i, k := range chunk {
			b := state.Bucket(k)
			seq := o.p.fences[b].Seq
			if blobs[k] != nil {
				head, err := state.DecodeHeader(blobs[k])
				if err != nil {
					return written, fmt.Errorf("fold: %s: journal user %s: %w", o.stage.Name, hash(k), err)
				}
				seq = head.Seq
			}
			recs[i] = stream.Record{
				Topic: o.stage.Journal.Name, Key: []byte(k), Value: blobs[k],
				Headers: []stream.Header{fenceHeader(b, seq), o.ownerHeader(b)},
			}
		}
		large, err := tooLarge(o.publish(ctx, recs))
		if err != nil {
			return written, err
		}
		for _, r := range large { // the rest of the partition must go on; the user comes back here with the next change
			o.metrics.large.Inc()
			o.log.Error().Str("user", hash(string(recs[r.Index].Key))).Int("bytes", r.Size).Msg("state_too_large_for_the_journal")
		}
		written += int64(len(recs) - len(large))
	}
	return written, nil
}

// tooLarge are the records that a publish was refused for their size, if that is all that was wrong.
func tooLarge(err error) (stream.Refused, error) {
	var refused stream.Refused
	if !errors.As(err, &refused) {
		return nil, err
	}
	for _, r := range refused {
		if !errors.Is(r, stream.ErrTooLarge) {
			return nil, err
		}
	}
	return refused, nil
}

func (o *owner[S, I]) ownerHeader(bucket int) stream.Header {
	return stream.Header{Key: headerOwner, Value: strconv.AppendInt(nil, o.p.fences[bucket].Owner, 10)}
}

// repair journals again the users about whom anybody else wrote since this one began. A zombie cannot write to Redis,
// but it can to Kafka, and compaction would keep its old states because they are later in the log. (Until a repair, the
// topic's min.compaction.lag keeps both, and a rebuild takes the newer by sequence.)
func (o *owner[S, I]) repair(ctx context.Context, written int64) error {
	ranges, err := o.kafka.Offsets(ctx, o.stage.Journal)
	if err != nil {
		return err
	}
	from, high := o.journalAt, ranges[o.id].High
	o.journalAt = high
	if high-from == written {
		return nil
	}
	var keys []string
	err = o.kafka.Read(ctx, o.stage.Journal, o.id, max(from, ranges[o.id].Low), high, each(func(r *stream.Record) error {
		key := string(r.Key)
		bucket := state.Bucket(key)
		if o.p.fences[bucket] == nil || strings.HasPrefix(key, checkpoints) {
			return nil
		}
		if mine := o.ownerHeader(bucket); r.Header(headerOwner) != string(mine.Value) {
			keys = append(keys, key)
		}
		return nil
	}))
	if err != nil || len(keys) == 0 {
		return err
	}
	o.log.Warn().Int("records", len(keys)).Msg("journal_repaired")
	slices.Sort(keys)
	_, err = o.journal(ctx, slices.Compact(keys))
	return err
}
