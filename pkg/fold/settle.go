package fold

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
)

const (
	// emptyAfter is how long a decision that is published may stay in the outbox in Redis. Until then a new owner says
	// it again, with the same id.
	emptyAfter = time.Second
	// commitAfter is how long a commit may lag behind the store: as long as Kafka's own consumers let it by default. Until
	// then a new owner reads again what its fence drops. A commit moves the marks of all buckets, however few of them had
	// something to do, so it is what an idle system would spend its time with.
	commitAfter = 5 * time.Second
)

// dirtyMost bounds what a checkpoint, and a new owner that takes its list over, have to carry.
const dirtyMost = 20_000

// housekeep does what is due beside inputs and wake-ups.
func (o *owner[S, I]) housekeep(ctx context.Context) error {
	now := o.clock.Now()
	if now.Sub(o.checkedAt) >= o.cfg.Verify {
		if err := o.within(ctx, o.cfg.Batch, o.verify); err != nil {
			return err
		}
	}
	if !o.spokenSince.IsZero() && now.Sub(o.spokenSince) >= emptyAfter {
		if err := o.within(ctx, o.cfg.Batch, o.empty); err != nil {
			return err
		}
	}
	if !o.appliedSince.IsZero() && now.Sub(o.appliedSince) >= commitAfter {
		if err := o.within(ctx, o.cfg.Batch, o.settle); err != nil {
			return err
		}
	}
	if len(o.p.dirty) >= dirtyMost || len(o.p.dirty) > 0 && now.Sub(o.savedAt) >= o.cfg.Checkpoint {
		return o.within(ctx, o.cfg.Batch, o.checkpoint)
	}
	return nil
}

// verify notices the loss of Redis while there is nothing to load or store, so that the rebuild is done before the next
// wake-up is due.
func (o *owner[S, I]) verify(ctx context.Context) error {
	o.checkedAt = o.clock.Now()
	return o.redis(ctx, "verify", func(ctx context.Context) error { return o.store.Verify(ctx, o.p.fences) })
}

// empty takes the decisions that are published out of Redis.
func (o *owner[S, I]) empty(ctx context.Context) error {
	keys := slices.Sorted(maps.Keys(o.p.published))
	for chunk := range slices.Chunk(keys, 1000) {
		users, err := o.load(ctx, chunk)
		if err != nil {
			return err
		}
		pl, err := o.p.rewrite(chunk, users, o.clock.Now())
		if err != nil {
			return err
		}
		if err := o.do(ctx, pl); err != nil {
			return err
		}
	}
	o.spokenSince = time.Time{}
	return nil
}

// settle leaves nothing in Redis that is published, and commits.
func (o *owner[S, I]) settle(ctx context.Context) error {
	if err := o.empty(ctx); err != nil {
		return err
	}
	return o.commit(ctx, o.p.touches(false, nil))
}

// commit moves the marks of every bucket to where the partition is, and only then commits: so a fence below the commit
// tells that Redis went back.
func (o *owner[S, I]) commit(ctx context.Context, touches []state.Write) error {
	if err := o.write(ctx, touches); err != nil {
		return err
	}
	if err := failpoint.Hit(ctx, failpoint.BeforeCommit); err != nil {
		return err
	}
	if next := o.p.next(); next > o.committed {
		if err := o.in.Commit(next); err != nil {
			return err
		}
		o.committed = next
	}
	o.appliedSince = time.Time{}
	return nil
}

// drain leaves as little as possible to the next owner.
func (o *owner[S, I]) drain(ctx context.Context) error {
	if err := o.settle(ctx); err != nil {
		return err
	}
	return o.checkpoint(ctx)
}

// touches are writes that move the marks of the buckets that are behind, or of all; change may say more.
func (p *partition[S, I]) touches(all bool, change func(*state.Write)) []state.Write {
	var out []state.Write
	for _, b := range slices.Sorted(maps.Keys(p.fences)) {
		w := p.write(b)
		if len(w.Marks) == 0 && !all {
			continue
		}
		if change != nil {
			change(w)
		}
		out = append(out, *w)
	}
	return out
}
