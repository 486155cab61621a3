package fold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// The servers of a world: Kafka as logs in memory, the hook that schedules what goes to Redis, and how Redis is lost.

// Publish implements broker. A lost answer is one that package stream asks for again: the records are there twice.
func (a *agent) Publish(ctx context.Context, recs []stream.Record) error {
	m, err := a.wait(ctx, "publish "+recs[0].Topic, nil)
	if err != nil {
		return err
	}
	if m == loseReply {
		a.w.append(recs)
		if _, err := a.wait(ctx, "publish again", nil); err != nil {
			return err
		}
	}
	a.w.append(recs)
	return nil
}

func (w *world) append(recs []stream.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range recs {
		r := &recs[i]
		if !r.Pinned {
			r.Partition = state.Partition(string(r.Key), thePartitions)
		}
		if r.Partition != thePartition {
			panic(fmt.Sprintf("%s: key %s lies in partition %d", r.Topic, r.Key, r.Partition))
		}
		r.Offset = int64(len(w.logs[r.Topic]))
		out := *r
		out.Value = slices.Clone(r.Value)
		if out.Time.IsZero() {
			out.Time = time.Now()
		}
		w.logs[r.Topic] = append(w.logs[r.Topic], out)
		if id := out.Header(stream.HeaderID); r.Topic == topic.Releases.Name && !slices.ContainsFunc(w.logs[topic.Outcomes.Name], func(row stream.Record) bool {
			return row.Header(stream.HeaderID) == told+id
		}) {
			w.untold = append(w.untold, id)
		}
	}
}

func (w *world) slice(name string, from, to int64) []stream.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []stream.Record
	for _, r := range w.logs[name][from:min(to, int64(len(w.logs[name])))] {
		if r.Key != nil {
			r.Value = slices.Clone(r.Value)
			out = append(out, r)
		}
	}
	return out
}

// Read implements broker.
func (a *agent) Read(ctx context.Context, t topic.Topic, partition int, from, to int64, fn func([]stream.Record) error) error {
	if partition != thePartition || from >= to {
		return nil
	}
	if _, err := a.wait(ctx, "read "+t.Name, nil); err != nil {
		return err
	}
	return fn(a.w.slice(t.Name, from, to))
}

// Offsets implements broker.
func (a *agent) Offsets(ctx context.Context, t topic.Topic) ([]stream.Range, error) {
	if _, err := a.wait(ctx, "offsets "+t.Name, nil); err != nil {
		return nil, err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	out := make([]stream.Range, thePartitions)
	out[thePartition].High = int64(len(a.w.logs[t.Name]))
	return out, nil
}

// Committed implements source.
func (a *agent) Committed() int64 { return a.from }

// SeekTo implements source.
func (a *agent) SeekTo(offset int64) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.pos = max(0, offset)
}

// Fetch implements source.
func (a *agent) Fetch(ctx context.Context) ([]stream.Record, error) {
	input := topic.Enriched.Name
	_, err := a.wait(ctx, "fetch", func() bool { return a.pos >= int64(len(a.w.logs[input])) })
	if err != nil {
		return nil, err
	}
	recs := a.w.slice(input, a.pos, a.pos+5)
	a.SeekTo(a.pos + int64(len(recs)))
	return recs, nil
}

// Commit implements source: only the newest process is in the group's generation.
func (a *agent) Commit(offset int64) error {
	if _, err := a.wait(a.ctx, "commit", nil); err != nil {
		return err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.w.newest != a {
		return stream.ErrGeneration
	}
	a.w.committed, a.from = offset, offset
	return nil
}

// DialHook implements redis.Hook.
func (a *agent) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (a *agent) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return a.redisCall(ctx, "redis "+cmd.Name(), func() error { return next(ctx, cmd) }, func(err error) { cmd.SetErr(err) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (a *agent) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return a.redisCall(ctx, "redis pipeline of "+cmds[0].Name(), func() error { return next(ctx, cmds) }, func(err error) {
			for _, c := range cmds {
				c.SetErr(err)
			}
		})
	}
}

func (a *agent) redisCall(ctx context.Context, what string, do func() error, fail func(error)) error {
	m, err := a.wait(ctx, what, nil)
	if err == nil {
		if err = do(); err == nil && m == loseReply {
			err = errLost
		}
	}
	if err != nil && (errors.Is(err, errDead) || errors.Is(err, errLost) || ctx.Err() != nil) {
		fail(err)
	}
	return err
}

// compact takes out of the journal what has a newer record of the same key, if that is older than the topic's
// min.compaction.lag.
func (w *world) compact() {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]bool{}
	log := w.logs[topic.Holds.Name]
	for i := len(log) - 1; i >= 0; i-- {
		r := &log[i]
		switch {
		case r.Key == nil || time.Since(r.Time) < compactionLag:
		case seen[string(r.Key)]:
			*r = stream.Record{} // a hole
		default:
			seen[string(r.Key)] = true
		}
	}
}

// compactionLag is more than two checkpoints of the model's owners.
const compactionLag = 15 * time.Second

// snapshot is Redis at some moment, as in a file or on a replica.
type snapshot struct {
	strings map[string]string
	hashes  map[string]map[string]string
	sorted  map[string][]redis.Z
	sets    map[string][]string
}

func (w *world) save() {
	ctx := context.Background()
	s := &snapshot{strings: map[string]string{}, hashes: map[string]map[string]string{}, sorted: map[string][]redis.Z{}, sets: map[string][]string{}}
	for _, k := range w.plain.Keys(ctx, "*").Val() {
		switch w.plain.Type(ctx, k).Val() {
		case "string":
			s.strings[k] = w.plain.Get(ctx, k).Val()
		case "hash":
			s.hashes[k] = w.plain.HGetAll(ctx, k).Val()
		case "zset":
			s.sorted[k] = w.plain.ZRangeWithScores(ctx, k, 0, -1).Val()
		case "set":
			s.sets[k] = w.plain.SMembers(ctx, k).Val()
		}
	}
	w.snapshot = s
}

// lose empties Redis, or takes it back to the snapshot. A process that is not the newest dies first: a zombie and the
// loss of Redis at once are two faults.
func (w *world) lose(back bool) {
	for _, a := range w.living() {
		if a != w.newest {
			w.kill(a)
		}
	}
	w.mu.Lock()
	w.alone = true
	w.mu.Unlock()
	ctx := context.Background()
	require.NoError(w.t, w.plain.FlushAll(ctx).Err())
	if !back || w.snapshot == nil {
		return
	}
	for k, v := range w.snapshot.strings {
		w.plain.Set(ctx, k, v, 0)
	}
	for k, v := range w.snapshot.hashes {
		w.plain.HSet(ctx, k, v)
	}
	for k, v := range w.snapshot.sorted {
		w.plain.ZAdd(ctx, k, v...)
	}
	for k, v := range w.snapshot.sets {
		w.plain.SAdd(ctx, k, v)
	}
}
