package fold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// broker is what an owner needs of Kafka beside its partition: package stream, or the log in memory of the model check.
type broker interface {
	Publish(ctx context.Context, recs []stream.Record) error
	Read(ctx context.Context, t topic.Topic, partition int, from, to int64, fn func([]stream.Record) error) error
	Offsets(ctx context.Context, t topic.Topic) ([]stream.Range, error)
}

// source is the partition of the input: stream.Partition, or that of the model check.
type source interface {
	Committed() int64
	SeekTo(offset int64)
	Fetch(ctx context.Context) ([]stream.Record, error)
	Commit(offset int64) error
}

// owner is one ownership of a partition: it carries out what partition says.
type owner[S, I any] struct {
	stage   *Stage[S, I]
	cfg     Config
	id      int
	in      source
	kafka   broker
	store   *state.Store
	clock   clock.Clock
	log     zerolog.Logger
	tracer  trace.Tracer
	metrics *metrics
	gate    func(open bool)
	wakes   func() int64 // how often everybody was to be woken; nil: never

	p            *partition[S, I]
	partitions   int
	journalAt    int64 // end of what is known of the journal
	committed    int64
	caughtUp     int64 // input offset from which wake-ups may run
	patience     time.Time
	appliedSince time.Time // input is stored and not committed; zero: none
	spokenSince  time.Time // decisions are published and still in Redis; zero: none
	checkedAt    time.Time // fences verified
	savedAt      time.Time // checkpoint
}

// errStalled says that a batch could not be done in time. The partition is given up, and with it the generation.
var errStalled = fmt.Errorf("fold: batch not finished in time: %w", stream.ErrGeneration)

// run owns the partition until ctx ends, the consumer stops, or something is wrong that another ownership may mend.
func (o *owner[S, I]) run(ctx context.Context) error {
	defer o.gate(false)
	if err := o.within(ctx, o.cfg.Rebuild, o.acquire); err != nil {
		return err
	}
	o.gate(true)
	woken := int64(0)
	for {
		now := o.clock.Now()
		if o.wakes != nil && o.wakes() != woken {
			woken = o.wakes()
			o.p.due.hasten(now, wakeSpread)
		}
		if o.mayWake(now) {
			if keys := o.p.takeDue(now, wakeBatch); len(keys) > 0 {
				if err := o.within(ctx, o.cfg.Batch, func(ctx context.Context) error { return o.wake(ctx, keys) }); err != nil {
					return err
				}
			}
		}
		if err := o.housekeep(ctx); err != nil {
			return err
		}
		recs, err := o.fetch(ctx, o.idle())
		switch {
		case errors.Is(err, stream.ErrStopping):
			return errors.Join(o.within(ctx, o.cfg.Batch, o.drain), err)
		case err != nil:
			return err
		case len(recs) > 0:
			if err := o.within(ctx, o.cfg.Batch, func(ctx context.Context) error { return o.batch(ctx, recs) }); err != nil {
				return err
			}
		}
	}
}

// within gives do a deadline and says so when it was missed.
func (o *owner[S, I]) within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := do(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		o.metrics.stalled.Inc()
		return fmt.Errorf("%w: %w after %v: %w", errStalled, context.DeadlineExceeded, limit, err)
	}
	return err
}

// wakeBatch bounds the users woken between two input batches, so that neither starves the other.
const wakeBatch = 256

// wakeSpread keeps a wake-up of everybody from being one burst.
const wakeSpread = time.Minute

// mayWake keeps wake-ups back until what was in the log at the assignment has been applied: a cancel that waited there
// comes first. It does not wait for ever, as the log may grow faster than it is read.
func (o *owner[S, I]) mayWake(now time.Time) bool {
	return o.p.next() >= o.caughtUp || now.After(o.patience)
}

// idle is how long there is nothing to do but to wait for input.
func (o *owner[S, I]) idle() time.Duration {
	now := o.clock.Now()
	until := o.checkedAt.Add(o.cfg.Verify)
	sooner := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	if !o.spokenSince.IsZero() {
		sooner(o.spokenSince.Add(emptyAfter))
	}
	if !o.appliedSince.IsZero() {
		sooner(o.appliedSince.Add(commitAfter))
	}
	if len(o.p.dirty) > 0 {
		sooner(o.savedAt.Add(o.cfg.Checkpoint))
	}
	if item, ok := o.p.due.next(); ok {
		at := time.UnixMilli(item.ms)
		if !o.mayWake(now) && at.Before(o.patience) {
			at = o.patience.Add(time.Millisecond)
		}
		sooner(at)
	}
	return until.Sub(now)
}

// fetch waits for input, but not longer than d.
func (o *owner[S, I]) fetch(ctx context.Context, d time.Duration) ([]stream.Record, error) {
	bounded, cancel := context.WithTimeout(ctx, max(d, 100*time.Microsecond))
	defer cancel()
	recs, err := o.in.Fetch(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil && !errors.Is(err, stream.ErrStopping) {
		return nil, nil
	}
	return recs, err
}

// batch applies input.
func (o *owner[S, I]) batch(ctx context.Context, recs []stream.Record) error {
	ctx, span := o.tracer.Start(ctx, "fold.batch", o.spanAttributes(len(recs)))
	defer span.End()
	if failpoint.Off(failpoint.Commit) {
		if err := o.in.Commit(recs[len(recs)-1].Offset + 1); err != nil {
			return err
		}
	}
	b := o.p.read(recs)
	users, err := o.load(ctx, b.keys())
	if err != nil {
		return err
	}
	pl, err := o.p.apply(b, users, o.clock.Now(), traceOf(ctx))
	if err != nil {
		return err
	}
	if err := failpoint.Hit(ctx, failpoint.BeforePublish); err != nil {
		return err
	}
	return o.do(ctx, pl)
}

// wake does what is due.
func (o *owner[S, I]) wake(ctx context.Context, keys []string) error {
	ctx, span := o.tracer.Start(ctx, "fold.wake", o.spanAttributes(len(keys)))
	defer span.End()
	users, err := o.load(ctx, keys)
	if err != nil {
		return err
	}
	pl, err := o.p.wake(keys, users, o.clock.Now(), traceOf(ctx))
	if err != nil {
		return err
	}
	if len(pl.once) > 0 {
		if err := failpoint.Hit(ctx, failpoint.Woken); err != nil {
			return err
		}
	}
	return o.do(ctx, pl)
}

func (o *owner[S, I]) spanAttributes(n int) trace.SpanStartOption {
	return trace.WithAttributes(attribute.String("stage", o.stage.Name), attribute.Int("partition", o.id), attribute.Int("records", n))
}

func (o *owner[S, I]) load(ctx context.Context, keys []string) (map[string]*user[S], error) {
	users, missing := o.p.cached(keys)
	if len(missing) == 0 {
		return users, nil
	}
	var blobs map[string][]byte
	err := o.redis(ctx, "load", func(ctx context.Context) (err error) {
		blobs, err = o.store.Load(ctx, o.p.fences, missing)
		return err
	})
	if err != nil {
		return nil, err
	}
	return users, o.p.admit(users, missing, blobs)
}

// do carries a plan out, in the order on which all promises rest.
func (o *owner[S, I]) do(ctx context.Context, pl *plan[S]) error {
	if failpoint.Off(failpoint.Session) {
		ctx = context.WithoutCancel(ctx)
	}
	if err := o.say(ctx, pl.publish); err != nil {
		return err
	}
	if err := failpoint.Hit(ctx, failpoint.AfterPublish); err != nil {
		return err
	}
	if err := o.write(ctx, pl.writes); err != nil {
		return err
	}
	o.p.stored(pl)
	if err := failpoint.Hit(ctx, failpoint.AfterStore); err != nil {
		return err
	}
	if o.p.rebuild == nil {
		if err := o.say(ctx, pl.once); err != nil {
			return err
		}
		o.p.spoken(pl)
	}
	if o.spokenSince.IsZero() && len(pl.outbox) > 0 {
		o.spokenSince = o.clock.Now()
	}
	if o.appliedSince.IsZero() && o.p.next() > o.committed {
		o.appliedSince = o.clock.Now()
	}
	o.metrics.observe(pl.counts, o.p.cache.len())
	return nil
}

// say publishes effects: what others act on when all else is in the log. It puts them into that order in place, as their
// offsets are written into them.
func (o *owner[S, I]) say(ctx context.Context, recs []stream.Record) error {
	acts := func(r stream.Record) int {
		if r.Topic == o.stage.Acts.Name {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(recs, func(a, b stream.Record) int { return acts(a) - acts(b) })
	rest := slices.IndexFunc(recs, func(r stream.Record) bool { return acts(r) == 1 })
	if rest < 0 {
		rest = len(recs)
	}
	if err := o.publish(ctx, recs[:rest]); err != nil {
		return err
	}
	return o.publish(ctx, recs[rest:])
}

func (o *owner[S, I]) publish(ctx context.Context, recs []stream.Record) error {
	if len(recs) == 0 {
		return nil
	}
	start := o.clock.Now()
	if err := o.kafka.Publish(ctx, recs); err != nil {
		return fmt.Errorf("fold: %s/%d: publish %d records: %w", o.stage.Name, o.id, len(recs), err)
	}
	o.metrics.publish.Observe(o.clock.Since(start).Seconds())
	return nil
}

func (o *owner[S, I]) write(ctx context.Context, writes []state.Write) error {
	if len(writes) == 0 {
		return nil
	}
	start := o.clock.Now()
	err := o.redis(ctx, "store", func(ctx context.Context) error {
		return o.store.Store(ctx, o.p.fences, writes)
	})
	if err == nil {
		o.metrics.store.Observe(o.clock.Since(start).Seconds())
	}
	return err
}

// redis repeats a call until it succeeds, ctx ends, or Redis says that the bucket is not this owner's or not what it
// left. Every call bears being repeated.
func (o *owner[S, I]) redis(ctx context.Context, what string, call func(context.Context) error) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := call(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, state.ErrRefused), errors.Is(err, state.ErrLost), ctx.Err() != nil:
			return fmt.Errorf("fold: %s/%d: %s: %w", o.stage.Name, o.id, what, err)
		}
		o.metrics.redisErrors.Inc()
		if wait == 20*time.Millisecond {
			o.log.Warn().Err(err).Str("call", what).Msg("redis_call_retried")
		}
		if o.clock.Sleep(ctx, o.jitter(wait)) != nil {
			return fmt.Errorf("fold: %s/%d: %s: %w", o.stage.Name, o.id, what, err)
		}
	}
}

// jitter is about d, so that partitions do not call in step. It comes of the clock and not of chance: in virtual time a
// run can be repeated.
func (o *owner[S, I]) jitter(d time.Duration) time.Duration {
	mixed := uint64(o.clock.Now().UnixNano()+int64(o.id)) * 0x9e3779b97f4a7c15
	return d/2 + time.Duration(mixed>>32%uint64(d))
}
