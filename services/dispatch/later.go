package dispatch

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
)

// later hands tasks out at their time.
type later struct {
	clock clock.Clock
	due   func(*task)

	mu   sync.Mutex
	heap tasks
	wake chan struct{}
}

func newLater(clk clock.Clock, due func(*task)) *later {
	return &later{clock: clk, due: due, wake: make(chan struct{}, 1)}
}

// add hands t to due at a time, unless its partition is given up.
func (l *later) add(t *task, at time.Time) {
	t.at = at
	l.mu.Lock()
	if t.rel.part.stopped.Load() {
		l.mu.Unlock()
		return
	}
	heap.Push(&l.heap, t)
	first := l.heap[0] == t
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// run works until ctx ends.
func (l *later) run(ctx context.Context) {
	for {
		l.mu.Lock()
		now := l.clock.Now()
		var ready []*task
		for len(l.heap) > 0 && !l.heap[0].at.After(now) {
			ready = append(ready, heap.Pop(&l.heap).(*task))
		}
		wait := time.Hour
		if len(l.heap) > 0 {
			wait = l.heap[0].at.Sub(now)
		}
		l.mu.Unlock()
		for _, t := range ready {
			l.due(t)
		}
		timer := l.clock.Timer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// forget takes out the tasks of a partition that is given up, whose flag says so by now: no more come in.
func (l *later) forget(p *owned) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.heap[:0]
	for _, t := range l.heap {
		if t.rel.part != p {
			kept = append(kept, t)
		}
	}
	clear(l.heap[len(kept):])
	l.heap = kept
	heap.Init(&l.heap)
}

func (l *later) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heap)
}

// tasks is a min-heap by time.
type tasks []*task

func (h tasks) Len() int           { return len(h) }
func (h tasks) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h tasks) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *tasks) Push(x any) { *h = append(*h, x.(*task)) }

// Pop implements heap.Interface.
func (h *tasks) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return x
}
