package replay

import (
	"container/heap"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// flight is one push on its way to a device: its next attempt.
type flight struct {
	at      time.Time
	order   int // among equal times
	attempt int
	release *event.Release
	target  event.Target
	push    *push.Push
	left    *int // pushes of the release that have not ended
}

// dispatch starts the pushes of a release. One that is said again, because its answer is late, is on its way already.
func (c *Core) dispatch(r *event.Release) {
	if c.claimed[r.ReleaseID] {
		return
	}
	c.claimed[r.ReleaseID] = true
	left := len(r.Targets)
	for i, p := range dispatch.Plan(r, nil) {
		c.order++
		c.attempt(&flight{at: c.now, order: c.order, attempt: 1, release: r, target: r.Targets[i], push: p, left: &left})
	}
}

// attempt asks the provider once and does what follows from its verdict.
func (c *Core) attempt(f *flight) {
	verdict := push.Verdict{Class: push.Sent}
	if c.sink.Deliver != nil {
		verdict = c.sink.Deliver(f.release, f.push, f.attempt, c.now)
	}
	step := dispatch.After(verdict, f.push, f.attempt, c.now)
	if !step.Ended() {
		f.at, f.attempt = step.RetryAt, f.attempt+1
		heap.Push(&c.flights, f)
		return
	}
	*f.left--
	c.finish(f, verdict, step)
}

// flights is a heap by time.
type flights []*flight

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].order < f[j].order
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

// Push is for container/heap.
func (f *flights) Push(x any) { *f = append(*f, x.(*flight)) } //nolint:forcetypeassert // the heap holds nothing else

// Pop is for container/heap.
func (f *flights) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}
