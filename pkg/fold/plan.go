package fold

import (
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// plan is what a batch comes to, in the order in which it is carried out.
type plan[S any] struct {
	publish []stream.Record // what may be published again: effects, outboxes left by an earlier owner, dead letters
	writes  []state.Write   // states, wake-ups, decisions, fence
	once    []stream.Record // the decisions, now that they are stored
	outbox  []string        // the users whose decisions these are

	users  []*user[S] // touched
	due    map[string]int64
	counts counts
}

// counts of a plan, for the metrics.
type counts struct {
	applied, dropped, dead, effects, decisions int
	reissued                                   int             // decisions that an earlier owner stored
	late                                       []time.Duration // of each wake-up
}

// planner builds a plan.
type planner[S, I any] struct {
	p       *partition[S, I]
	now     time.Time
	trace   string // for what no input caused
	plan    *plan[S]
	touched map[string]*user[S]
	woken   map[string]bool
}

func (p *partition[S, I]) planner(now time.Time, trace string) *planner[S, I] {
	return &planner[S, I]{
		p: p, now: now, trace: trace, plan: &plan[S]{due: map[string]int64{}},
		touched: map[string]*user[S]{}, woken: map[string]bool{},
	}
}

// apply folds a batch of inputs.
func (p *partition[S, I]) apply(b batch[I], users map[string]*user[S], now time.Time, trace string) (*plan[S], error) {
	now = now.Truncate(time.Millisecond) // as precisely as records tell, so that an input can be applied again at the same time
	pl := p.planner(now, trace)
	pl.plan.publish = b.dead
	pl.plan.counts.dead, pl.plan.counts.dropped = len(b.dead), b.dropped
	times := pace(b.inputs, now)
	for i, in := range b.inputs {
		u := users[in.key]
		if in.source.Offset < u.applied[in.source.Partition] && !failpoint.Off(failpoint.Cause) {
			pl.plan.counts.dropped++
			continue
		}
		pl.touch(u)
		at := times[i]
		if p.rebuild != nil && p.rebuild.seen(in.rec.Offset, in.source) {
			at = in.rec.Time
		}
		for _, floor := range [2]time.Time{u.at, p.said[in.source]} {
			if at.Before(floor) && floor.Sub(now) < maxSkew {
				at = floor
			}
		}
		delete(p.said, in.source)
		u.at = at
		if p.rebuild != nil {
			p.reconcile(u, p.rebuild.before(u.key, in.source))
		}
		s, effects := p.stage.Step(u.state, in.value, at)
		u.state = s
		u.applied[in.source.Partition] = in.source.Offset + 1
		pl.plan.counts.applied++
		t := in.rec.Header(stream.HeaderTrace)
		if t == "" {
			t = trace
		}
		silent := p.rebuild != nil && in.rec.Offset < p.rebuild.committed
		if err := pl.effects(u, effects, in.source, t, at, silent); err != nil {
			return nil, err
		}
	}
	for name, offset := range b.marks {
		p.marks[name] = max(p.marks[name], offset)
	}
	return pl.finish()
}

// maxSkew is how far the clock of the owner before may have been ahead for its times to be followed. They have to agree better
// than that; a clock that is wrong by hours must not have the next owner decide at hours ahead.
const maxSkew = 10 * time.Second

// pace is the time at which each input is applied: now, but not after the user's next input came. Who is behind would
// else come to decisions that are late by as much, before a cancel that was there in time.
func pace[I any](inputs []input[I], now time.Time) []time.Time {
	times := make([]time.Time, len(inputs))
	next := map[string]time.Time{}
	for i, in := range slices.Backward(inputs) {
		times[i] = now
		if at, ok := next[in.key]; ok && at.Before(now) {
			times[i] = at
		}
		next[in.key] = in.rec.Time
	}
	return times
}

// wake does what is due for users, and publishes the outboxes that an earlier owner left.
func (p *partition[S, I]) wake(keys []string, users map[string]*user[S], now time.Time, trace string) (*plan[S], error) {
	pl := p.planner(now, trace)
	for _, k := range keys {
		u := users[k]
		due := dueOf(p.stage.Due, u.state, now, false)
		isDue := due != 0 && due <= now.UnixMilli()
		if !isDue && len(u.outbox) == 0 { // only to be looked at: a write for each user would be one of everybody
			p.due.set(k, due)
			continue
		}
		pl.touch(u)
		if !isDue {
			continue
		}
		pl.plan.counts.late = append(pl.plan.counts.late, now.Sub(time.UnixMilli(due)))
		s, effects := p.stage.Wake(u.state, now)
		u.state, u.at = s, now.Truncate(time.Millisecond)
		pl.woken[k] = true
		if err := pl.effects(u, effects, p.cause(u), trace, now, false); err != nil {
			return nil, err
		}
	}
	return pl.finish()
}

// rewrite stores users as they are: with the outbox empty that Redis still has.
func (p *partition[S, I]) rewrite(keys []string, users map[string]*user[S], now time.Time) (*plan[S], error) {
	pl := p.planner(now, "")
	for _, k := range keys {
		pl.touch(users[k])
	}
	return pl.finish()
}

// touch makes the user part of the plan. What its outbox holds was stored by an earlier owner, and so was decided.
func (pl *planner[S, I]) touch(u *user[S]) {
	if pl.touched[u.key] != nil {
		return
	}
	pl.touched[u.key] = u
	pl.plan.users = append(pl.plan.users, u)
	if pl.p.rebuild != nil {
		return
	}
	for _, e := range u.outbox {
		pl.plan.publish = append(pl.plan.publish, pl.p.record(u.key, e, u.seq))
		pl.plan.counts.reissued++
	}
	u.outbox = nil
}

// effects sorts effects into those published before the store and the decisions, which go to the outbox.
func (pl *planner[S, I]) effects(u *user[S], effects []Effect, cause stream.Cause, trace string, at time.Time, silent bool) error {
	for _, e := range effects {
		switch {
		case e.Once && pl.p.rebuild != nil && pl.p.rebuild.decided(u.key, e.ID):
			continue
		case !e.Once && silent:
			continue
		}
		out, err := pl.p.pending(e, cause, trace, at)
		if err != nil {
			return err
		}
		if e.Once {
			u.outbox = append(u.outbox, out)
		} else {
			pl.plan.publish = append(pl.plan.publish, pl.p.record(u.key, out, 0))
			pl.plan.counts.effects++
		}
	}
	return nil
}

// finish packs the users into one write per bucket.
func (pl *planner[S, I]) finish() (*plan[S], error) {
	writes := map[int]*state.Write{}
	for _, u := range pl.plan.users {
		b := state.Bucket(u.key)
		w := writes[b]
		if w == nil {
			w = pl.p.write(b)
			writes[b] = w
		}
		u.seq = pl.p.seq(b)
		due := dueOf(pl.p.stage.Due, u.state, pl.now, pl.woken[u.key])
		packed, err := pl.p.pack(u, due)
		if err != nil {
			return nil, err
		}
		w.Users = append(w.Users, packed)
		pl.plan.due[u.key] = due
		if pl.p.rebuild == nil && len(u.outbox) > 0 {
			pl.plan.outbox = append(pl.plan.outbox, u.key)
			for _, e := range u.outbox {
				pl.plan.once = append(pl.plan.once, pl.p.record(u.key, e, u.seq))
			}
			pl.plan.counts.decisions += len(u.outbox)
		}
	}
	for _, b := range slices.Sorted(maps.Keys(writes)) {
		pl.plan.writes = append(pl.plan.writes, *writes[b])
	}
	return pl.plan, nil
}

// write begins a write of a bucket, with the marks that are news to it.
func (p *partition[S, I]) write(bucket int) *state.Write {
	f := p.fences[bucket]
	w := &state.Write{Bucket: bucket, Rebuild: p.rebuild != nil, Seq: p.seq(bucket), Marks: map[string]int64{}}
	for name, offset := range p.marks {
		if offset > f.Marks[name] {
			w.Marks[name] = offset
		}
	}
	return w
}

// seq is the number of the next write of a bucket. It begins with the owner's, which rises with time: a number that the last
// owner gave to a write that Redis has lost, and that the journal has, is not given again.
func (p *partition[S, I]) seq(bucket int) int64 {
	if p.rebuild != nil {
		return p.rebuild.seq[bucket]
	}
	return max(p.fences[bucket].Seq+1, p.fences[bucket].Owner)
}

// stored says that the writes of a plan are in Redis.
func (p *partition[S, I]) stored(pl *plan[S]) {
	for _, u := range pl.users {
		p.cache.put(u.key, u)
		p.dirty[u.key] = struct{}{}
		delete(p.published, u.key)
		if p.rebuild == nil {
			p.due.set(u.key, pl.due[u.key])
		}
	}
}

// spoken says that the decisions of a plan are in Kafka.
func (p *partition[S, I]) spoken(pl *plan[S]) {
	for _, k := range pl.outbox {
		p.published[k] = struct{}{}
	}
	for _, u := range pl.users {
		if p.rebuild == nil {
			u.outbox = nil
		}
	}
	for _, r := range pl.once {
		mark := state.Mark(r.Topic, p.id)
		if p.echoes(r.Topic) && r.Partition == p.id {
			p.marks[mark] = max(p.marks[mark], r.Offset+1)
		}
	}
}

func (p *partition[S, I]) echoes(name string) bool {
	return slices.ContainsFunc(p.stage.Echo, func(t topic.Topic) bool { return t.Name == name })
}
