package dispatch

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold/failpoint"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// live is a release that is being worked on.
type live struct {
	release event.Release
	trace   trace.SpanContext
	cause   stream.Cause
	part    *owned
	lane    Lane
	turn    turn
	bucket  int
	offset  int64
	parked  bool                 // the log need not wait for it; guarded by owned.mu
	untried int                  // tasks that have not been tried yet; guarded by owned.mu
	over    atomic.Pointer[Step] // of a release that is not to be tried again

	mu        sync.Mutex
	left      int // tasks that have not ended
	forgotten bool
	tally     Tally
}

// task is one push of a release.
type task struct {
	rel    *live
	target event.Target
	push   *push.Push
	record Record // as last seen in Redis
	by     uint64 // in the intents of this task
	asked  int    // the last attempt of it that the provider was asked in
	last   string // reason of the last attempt
	tried  bool
	at     time.Time
}

// Waits of a task that no provider's answer asks for.
const (
	routeWait = 15 * time.Second // for credentials, or for a circuit
	storeWait = time.Second      // for a Redis or Kafka that does not answer
	settling  = 5 * time.Second  // how long a result waits for Redis before it is published anyway
	margin    = 5 * time.Second  // of an intent, beyond the attempt's own time
)

// work serves the queue until ctx ends.
func (d *Dispatch) work(ctx context.Context, most Lane) {
	for {
		t, ok := d.queue.pop(ctx, most)
		if !ok {
			return
		}
		if t.rel.part.enter() {
			first := !t.tried
			t.tried = true               // before the attempt, which may hand t on
			d.attempt(t.rel.part.ctx, t) //nolint:contextcheck // a push ends with its partition, not with the worker
			if first {
				t.rel.part.tried(t.rel)
			}
			t.rel.part.leave()
		}
		d.queue.done(t, most)
	}
}

// attempt takes a task one step further.
func (d *Dispatch) attempt(ctx context.Context, t *task) {
	now := d.clock.Now()
	life := t.rel.part.life.Load() // before it is asked whether a rebuild is going on: begin notices one that starts later
	step := Before(t.target, t.push, *t.rel.over.Load(), t.last, now)
	switch {
	case t.record.Phase == Ended:
		d.say(ctx, t, t.record)
		return
	case t.rel.part.rebuilding.Load():
		d.later.add(t, now.Add(storeWait))
		return
	case step.Ended():
		d.close(ctx, t, step, now)
		return
	}
	c, why := d.routes.circuit(t.rel.release.AppID, t.target, &t.rel.release.Message)
	if c == nil {
		t.last = why
		d.wait(t, now.Add(t.spread(routeWait, now)))
		return
	}
	opens := Opens(&t.rel.release, t.last, now)
	t.last = cmp.Or(opens.Reason, t.last)
	next, claim, err := d.claim(ctx, t, now, now.Add(d.cfg.SendTimeout+margin), opens.RetryAt)
	if err != nil {
		d.stuck(ctx, t, err)
		return
	}
	switch claim {
	case Hold, Pause:
		d.wait(t, next.At)
	case Doubt:
		d.close(ctx, t, Step{}, now)
	case Done:
		d.say(ctx, t, next)
	case Go:
		if at := d.refrain(d.begin(ctx, t, next, life), t); !at.IsZero() {
			d.again(ctx, t, next, next.Back(at), t.last)
			return
		}
		d.ask(ctx, t, c, next)
	}
}

// refrain says when to look again at an attempt that must not be made although it is claimed: it could not be begun, or that
// took until the release was over or it closed. Zero if it is to be made.
func (d *Dispatch) refrain(begun error, t *task) time.Time {
	now := d.clock.Now()
	switch {
	case begun != nil:
		d.metrics.stuck.Inc()
		return now.Add(storeWait)
	case t.rel.over.Load().Ended(), now.Before(Opens(&t.rel.release, t.last, now).RetryAt):
		return now
	}
	return time.Time{}
}

// spread is d, half of it by chance: those who wait for one thing do not come back together.
func (t *task) spread(d time.Duration, now time.Time) time.Duration {
	return d/2 + time.Duration(jitter(t.push.ID, int(now.Unix()%1e9))*float64(d)/2)
}

// claim writes the intent, or that the push waits until it opens, deciding again for as long as somebody else has written in between.
func (d *Dispatch) claim(ctx context.Context, t *task, now, until, opens time.Time) (Record, Claim, error) {
	if err := failpoint.Hit(ctx, failpoint.BeforeIntent); err != nil {
		return t.record, Hold, err
	}
	if failpoint.Off(failpoint.Claim) && !now.Before(opens) {
		return Record{Phase: Intent, Attempt: t.record.Attempt + 1, At: until}, Go, nil
	}
	for {
		next, claim := t.standing(now).Take(now, until, opens, t.push.Message.OnAmbiguous == ambiguousResend)
		switch claim {
		case Go:
			next.By = t.by
		case Pause:
		case Hold, Doubt, Done:
			return next, claim, nil
		}
		is, ok, err := d.store.swap(ctx, d.place(t), t.record, next, t.rel.part.written())
		if err != nil {
			return is, Hold, err
		}
		if t.record = is; ok {
			return is, claim, nil
		}
	}
}

// standing is the record, or, if that is an intent of this task's own that nobody was asked under, what it stands for: Redis
// did not confirm it or the journal was not to be written, and a rebuild may have written it back since.
func (t *task) standing(now time.Time) Record {
	if t.record.Phase == Intent && t.record.By == t.by && t.record.Attempt > t.asked {
		return t.record.Back(now)
	}
	return t.record
}

// ask makes one attempt at the provider and acts on its answer.
func (d *Dispatch) ask(ctx context.Context, t *task, c *circuit, rec Record) {
	begun := d.clock.Now()
	t.asked = rec.Attempt
	// The attempt ends before its intent does, also if this process was frozen since. A revoked partition does not
	// take it back: an answer thrown away would be a doubt.
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(d.cfg.SendTimeout, t.push.Expires.Sub(begun), rec.At.Sub(begun)))
	sctx, span := d.tracer.Start(trace.ContextWithRemoteSpanContext(sctx, t.rel.trace), "push "+t.target.Channel, trace.WithAttributes(
		attribute.String("app_id", t.rel.release.AppID), attribute.Int("attempt", rec.Attempt)))
	v, sent := c.send(func(s push.Sender) push.Verdict { return s.Send(sctx, t.push, begun) })
	cancel()
	_ = failpoint.Hit(ctx, failpoint.AfterSend) // an answer cannot fail any more
	now := d.clock.Now()
	if !sent {
		// The circuit opened, or is being probed by others, since it was looked at: nothing was asked.
		span.End()
		d.retry(ctx, t, rec, Step{RetryAt: now.Add(t.spread(routeWait, now)), Reason: "circuit open: " + c.reason()})
		return
	}
	span.SetAttributes(attribute.String("class", v.Class.String()), attribute.String("reason", v.Reason), attribute.Int("status", v.Status))
	span.End()
	d.metrics.answered(t.rel.release.AppID, t.target.Channel, v, now.Sub(begun))
	step := After(v, t.push, rec.Attempt, now)
	if step.Ended() {
		d.end(ctx, t, rec, step, v.ProviderID, now)
		return
	}
	d.retry(ctx, t, rec, step)
}

// retry writes down that the answer to an attempt asks for another one, and waits for it.
func (d *Dispatch) retry(ctx context.Context, t *task, rec Record, s Step) {
	if t.push.Expires.Before(s.RetryAt) {
		s.RetryAt = t.push.Expires // where it ends
	}
	next := rec.Wait(s.RetryAt)
	next.Doubt = rec.Doubt || s.Doubt
	if err := d.note(ctx, t, next); err != nil {
		d.metrics.stuck.Inc() // should Redis be lost by then, the attempt is in doubt
	}
	d.again(ctx, t, rec, next, s.Reason)
}

// again replaces an intent by a wait.
func (d *Dispatch) again(ctx context.Context, t *task, rec, next Record, why string) {
	t.record, t.last = rec, why
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	is, _, err := d.store.swap(ctx, d.place(t), rec, next, -1)
	if err != nil {
		// The intent stays. Once its time is over it is in doubt, as it is for anybody who does not know the answer.
		d.metrics.stuck.Inc()
	} else {
		t.record = is
	}
	d.wait(t, next.At)
}

// wait has a task tried again at a time. What waits long lets the log go on: its record is in Redis, and timing repeats
// a release until it hears a final result. So it may even be forgotten here when too many wait.
func (d *Dispatch) wait(t *task, at time.Time) {
	if at.Sub(d.clock.Now()) > d.cfg.ParkAfter && !t.rel.part.park(t.rel) {
		d.forget(t)
		return
	}
	d.later.add(t, at)
}

// stuck waits for Redis, or has what it forgot rebuilt.
func (d *Dispatch) stuck(ctx context.Context, t *task, err error) {
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errLost) {
		t.rel.part.lose()
	} else {
		d.metrics.stuck.Inc()
	}
	d.later.add(t, d.clock.Now().Add(storeWait))
}

// close ends a push without asking anybody, as s says, or as unknown if an attempt was begun whose answer nobody knows.
// With an empty step it ends only what is in doubt.
func (d *Dispatch) close(ctx context.Context, t *task, s Step, now time.Time) {
	for {
		rec, step := t.standing(now), s
		switch {
		case rec.Phase == Ended:
			d.say(ctx, t, rec)
			return
		case rec.Phase == Intent && now.Before(rec.At):
			d.wait(t, rec.At)
			return
		case rec.Phase == Intent:
			step = Step{Type: event.OutcomeUnknown, Status: event.ResultUnknown, Reason: push.ReasonNoAnswer}
		case !s.Ended():
			d.wait(t, now) // another owner has settled what seemed in doubt
			return
		}
		next := rec.Finish(End{Type: step.Type, Status: step.Status, Reason: step.Reason, At: now})
		is, ok, err := d.store.swap(ctx, d.place(t), t.record, next, t.rel.part.written())
		if err != nil {
			d.stuck(ctx, t, err)
			return
		}
		if t.record = is; ok {
			d.say(ctx, t, is)
			return
		}
	}
}

// end writes down what a provider's answer comes to, then says it.
func (d *Dispatch) end(ctx context.Context, t *task, rec Record, s Step, providerID string, now time.Time) {
	next := rec.Finish(End{Type: s.Type, Status: s.Status, Reason: s.Reason, ProviderID: providerID, Prune: s.Prune, At: now})
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	for {
		is, ok, err := d.store.swap(sctx, d.place(t), rec, next, -1)
		switch {
		case err == nil && ok:
		case err == nil && is.Phase == Ended:
			next = is // another owner has ended it, not knowing the answer: what was said stands
		case err == nil && is.Attempt <= rec.Attempt:
			rec = is // forgotten, or still the same attempt
			continue
		case err == nil:
			d.forget(t) // another owner is at a later attempt, and will say how it ends
			return
		case d.clock.Sleep(sctx, storeWait/4) == nil:
			continue
		default:
			d.metrics.stuck.Inc() // said all the same: Redis is a view
		}
		d.say(ctx, t, next)
		return
	}
}

// say publishes the end of a push. The ids are the same each time, so it may be said again.
func (d *Dispatch) say(ctx context.Context, t *task, rec Record) {
	l := t.rel
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.left == 1 && !l.forgotten
	ctx = trace.ContextWithRemoteSpanContext(ctx, l.trace)
	recs, err := l.records(ctx, t, rec, last)
	if err == nil {
		err = d.tell(ctx, recs)
	}
	if err != nil {
		d.metrics.stuck.Inc()
		t.record = rec
		d.later.add(t, d.clock.Now().Add(storeWait)) // Redis knows the end; only the saying is repeated
		return
	}
	d.metrics.ended.WithLabelValues(l.release.AppID, t.target.Channel, rec.End.Type).Inc()
	if l.left--; l.left == 0 {
		l.part.finish(l)
	}
}

// forget gives up a task whose end will be said by another owner, or after timing has repeated the release.
func (d *Dispatch) forget(t *task) {
	l := t.rel
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgotten = true
	if l.left--; l.left == 0 {
		l.part.finish(l)
	}
}

func (d *Dispatch) place(t *task) place {
	return place{
		bucket: t.rel.bucket, release: t.rel.release.ReleaseID, device: t.target.DeviceID,
		lifetime: max(t.rel.release.Deadline.Sub(d.clock.Now()), 0) + d.cfg.Window,
	}
}
