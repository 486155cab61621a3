package dispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kairos-push/kairos/pkg/clock"
)

// queue holds what is ready to be sent: a lane for the urgent and one for bulk, and within a lane one line per app,
// served in turn. An app over its rate is passed over until its time comes.
type queue struct {
	clock   clock.Clock
	limiter func(app string) *rate.Limiter

	mu       sync.Mutex
	lanes    [lanes]lane
	waiters  []*waiter
	keeperAt time.Time // when the waiter that keeps the time wakes; zero if none does
}

// waiter is a worker with nothing to do.
type waiter struct {
	wake chan struct{}
	most Lane
}

// lane is the apps that have something waiting, in turn.
type lane struct {
	apps  map[string][]*task
	turn  []string
	next  int
	count int
}

func newQueue(clk clock.Clock, limiter func(app string) *rate.Limiter) *queue {
	q := &queue{clock: clk, limiter: limiter}
	for i := range q.lanes {
		q.lanes[i].apps = map[string][]*task{}
	}
	return q
}

// push puts a task at the end of its app's line.
func (q *queue) push(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.lanes[t.rel.lane]
	app := t.rel.release.AppID
	if len(l.apps[app]) == 0 {
		l.turn = append(l.turn, app)
	}
	l.apps[app] = append(l.apps[app], t)
	l.count++
	q.wakeOne()
}

// pop takes the next task: of the urgent lane, or, if bulk may be taken too, of that one when nothing urgent can go.
// It waits until there is one or ctx ends.
func (q *queue) pop(ctx context.Context, most Lane) (*task, bool) {
	w := &waiter{wake: make(chan struct{}, 1), most: most}
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		t, at := q.tryPop(most)
		if t != nil {
			q.wakeOne() // one who finds that there is more, or when there will be
			return t, true
		}
		q.waiters = append(q.waiters, w)
		if !q.sleep(ctx, w, at) {
			q.wakeOne() // this one may have been woken for a task
			return nil, false
		}
	}
}

// sleep waits to be woken, q.mu released. Of those who wait for an app's rate, one keeps the time for all.
func (q *queue) sleep(ctx context.Context, w *waiter, at time.Time) bool {
	var timer <-chan time.Time
	keeper := !at.IsZero() && (q.keeperAt.IsZero() || at.Before(q.keeperAt))
	if keeper {
		q.keeperAt = at
		t := q.clock.Timer(at.Sub(q.clock.Now()))
		defer t.Stop()
		timer = t.C
	}
	q.mu.Unlock()
	ok := true
	select {
	case <-ctx.Done():
		ok = false
	case <-w.wake:
	case <-timer:
	}
	q.mu.Lock()
	if keeper && q.keeperAt.Equal(at) {
		q.keeperAt = time.Time{}
	}
	q.waiters = slices.DeleteFunc(q.waiters, func(x *waiter) bool { return x == w })
	return ok
}

// wakeOne wakes a worker that may take what is there; those for urgent tasks only come first.
func (q *queue) wakeOne() {
	best := -1
	for i, w := range slices.Backward(q.waiters) {
		switch {
		case w.most == Urgent && q.lanes[Urgent].count > 0:
			best = i
		case w.most == Bulk && best < 0 && q.lanes[Urgent].count+q.lanes[Bulk].count > 0:
			best = i
			if q.lanes[Urgent].count > 0 {
				continue
			}
		default:
			continue
		}
		break
	}
	if best < 0 {
		return
	}
	select {
	case q.waiters[best].wake <- struct{}{}:
	default:
	}
	q.waiters = slices.Delete(q.waiters, best, best+1)
}

// tryPop looks at the lanes in order.
func (q *queue) tryPop(most Lane) (*task, time.Time) {
	now := q.clock.Now()
	var first time.Time
	for i := range most + 1 {
		t, at := q.take(&q.lanes[i], now)
		if t != nil {
			return t, time.Time{}
		}
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return nil, first
}

// take serves the app whose turn it is; if all are over their rates, it says when the first may go again.
func (q *queue) take(l *lane, now time.Time) (*task, time.Time) {
	var first time.Time
	for range len(l.turn) {
		l.next %= len(l.turn)
		app := l.turn[l.next]
		if at := q.allowed(app, now); at.After(now) {
			if first.IsZero() || at.Before(first) {
				first = at
			}
			l.next++
			continue
		}
		line := l.apps[app]
		t := line[0]
		line[0] = nil
		if line = line[1:]; len(line) == 0 {
			delete(l.apps, app)
			l.turn = append(l.turn[:l.next], l.turn[l.next+1:]...)
		} else {
			l.apps[app] = line
			l.next++
		}
		l.count--
		return t, time.Time{}
	}
	return nil, first
}

// allowed takes a token of the app, or says when there will be one.
func (q *queue) allowed(app string, now time.Time) time.Time {
	lim := q.limiter(app)
	if lim == nil {
		return now
	}
	r := lim.ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d > 0 {
		r.CancelAt(now)
	}
	return now.Add(d)
}

// depth is how many wait in a lane.
func (q *queue) depth(l Lane) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lanes[l].count
}
