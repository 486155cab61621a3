package dispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kairos-push/kairos/pkg/clock"
)

// queue holds what is ready to be sent: a lane for the urgent and one for bulk, within a lane one line per app, served in
// turn, and within a line one per channel, served in turn. An app over its rate is passed over until its time comes; an
// app whose attempts on a channel take more workers than are free is passed over until some come back. So a provider
// that never answers holds up nobody but itself.
type queue struct {
	clock   clock.Clock
	limiter func(app string) *rate.Limiter

	mu       sync.Mutex
	lanes    [lanes]lane
	idle     [lanes]int // workers, by the most that they take; those for bulk take what is urgent, too
	waiters  []*waiter
	keeperAt time.Time // when the waiter that keeps the time wakes; zero if none does
}

// waiter is a worker with nothing to do.
type waiter struct {
	wake chan struct{}
	most Lane
}

// lane is the apps that have something waiting, in turn, and how many workers are at what.
type lane struct {
	turns
	apps  map[string]*line
	count int
	at    map[way]int
}

// line is what waits of one app, by channel.
type line struct {
	turns
	tasks map[string][]*task
}

// way out of an app.
type way struct{ app, channel string }

// turns are taken by keys.
type turns struct {
	keys []string
	next int
}

func (t *turns) key() string {
	t.next %= len(t.keys)
	return t.keys[t.next]
}

// leave takes the key whose turn it is out.
func (t *turns) leave() { t.keys = slices.Delete(t.keys, t.next, t.next+1) }

// drop takes a key out, whosever turn it is.
func (t *turns) drop(key string) {
	i := slices.Index(t.keys, key)
	t.keys = slices.Delete(t.keys, i, i+1)
	if i < t.next {
		t.next--
	}
}

func newQueue(clk clock.Clock, limiter func(app string) *rate.Limiter, workers [lanes]int) *queue {
	q := &queue{clock: clk, limiter: limiter, idle: workers}
	for i := range q.lanes {
		q.lanes[i] = lane{apps: map[string]*line{}, at: map[way]int{}}
	}
	return q
}

func wayOf(t *task) way { return way{t.rel.release.AppID, t.target.Channel} }

// push puts a task at the end of its line, unless its partition is given up.
func (q *queue) push(t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.rel.part.stopped.Load() {
		return
	}
	l, w := &q.lanes[t.rel.lane], wayOf(t)
	of := l.apps[w.app]
	if of == nil {
		of = &line{tasks: map[string][]*task{}}
		l.apps[w.app] = of
		l.keys = append(l.keys, w.app)
	}
	if len(of.tasks[w.channel]) == 0 {
		of.keys = append(of.keys, w.channel)
	}
	of.tasks[w.channel] = append(of.tasks[w.channel], t)
	l.count++
	q.wakeOne()
}

// done ends a worker's time with the task that pop gave it.
func (q *queue) done(t *task, most Lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, w := &q.lanes[t.rel.lane], wayOf(t)
	q.idle[most]++
	if l.at[w]--; l.at[w] == 0 {
		delete(l.at, w)
	}
}

// forget takes out the tasks of a partition that is given up: nobody would try them, and yet they would use up the rates of
// their apps.
func (q *queue) forget(p *owned) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.lanes {
		l := &q.lanes[i]
		for app, of := range l.apps {
			for channel, tasks := range of.tasks {
				kept := slices.DeleteFunc(tasks, func(t *task) bool { return t.rel.part == p })
				l.count -= len(tasks) - len(kept)
				if of.tasks[channel] = kept; len(kept) == 0 {
					delete(of.tasks, channel)
					of.drop(channel)
				}
			}
			if len(of.keys) == 0 {
				delete(l.apps, app)
				l.drop(app)
			}
		}
	}
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
			q.idle[most]--
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
		t, at := q.take(i, now)
		if t != nil {
			return t, time.Time{}
		}
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return nil, first
}

// take serves the app whose turn it is, and of that the channel whose turn it is; if all are over their rates, it says
// when the first may go again.
func (q *queue) take(i Lane, now time.Time) (*task, time.Time) {
	l := &q.lanes[i]
	idle := q.idle[Bulk]
	if i == Urgent {
		idle += q.idle[Urgent]
	}
	var first time.Time
	for range len(l.keys) {
		app := l.key()
		of := l.apps[app]
		if !l.room(app, of, idle) {
			l.next++
			continue
		}
		if at := q.allowed(app, now); at.After(now) {
			if first.IsZero() || at.Before(first) {
				first = at
			}
			l.next++
			continue
		}
		t := of.take()
		if len(of.keys) > 0 {
			l.next++
		} else {
			delete(l.apps, app)
			l.leave()
		}
		l.count--
		l.at[wayOf(t)]++
		return t, time.Time{}
	}
	return nil, first
}

// room finds a channel of an app that has fewer workers than are idle (a dynamic threshold, as in window), and makes it
// its turn: one provider gets half of the workers, and there are always some left for the next one.
func (l *lane) room(app string, of *line, idle int) bool {
	for range len(of.keys) {
		if l.at[way{app, of.key()}] < idle {
			return true
		}
		of.next++
	}
	return false
}

// take serves the channel whose turn it is.
func (l *line) take() *task {
	channel := l.key()
	tasks := l.tasks[channel]
	t := tasks[0]
	tasks[0] = nil
	if tasks = tasks[1:]; len(tasks) > 0 {
		l.tasks[channel] = tasks
		l.next++
	} else {
		delete(l.tasks, channel)
		l.leave()
	}
	return t
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
