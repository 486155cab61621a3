package replay

import (
	"container/heap"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// shipment is one release on its way.
type shipment struct {
	release *event.Release
	tally   dispatch.Tally
	left    int           // pushes that have not ended
	over    dispatch.Step // of a release that is not to be tried again
}

// flight is one push on its way to a device: its next attempt.
type flight struct {
	*shipment
	at      time.Time
	order   int // among equal times
	target  event.Target
	push    *push.Push
	attempt int
	last    string // reason of the attempt before
	doubt   bool   // an attempt before may have been taken
}

// dispatch starts the pushes of a release. One that is said again, because its answer is late or it is withdrawn, is on its way
// already.
func (c *Core) dispatch(r *event.Release) {
	if c.claimed[r.ReleaseID] {
		for _, f := range c.flights {
			if f.release.ReleaseID == r.ReleaseID && r.Withdrawn != "" {
				f.over = dispatch.Withdrawn(r.Withdrawn)
			}
		}
		return
	}
	c.claimed[r.ReleaseID] = true
	if len(r.Targets) == 0 {
		r.Targets = []event.Target{{}} // ends as a failure for want of a device
	}
	s := &shipment{release: r, left: len(r.Targets)}
	for _, f := range c.flights {
		if over := dispatch.Replaced(f.release, r); over.Ended() {
			f.over = over
		}
	}
	for i, p := range dispatch.Plan(r, nil) {
		c.order++
		c.attempt(&flight{shipment: s, at: c.now, order: c.order, target: r.Targets[i], push: p, attempt: 1})
	}
}

// attempt asks the provider once and does what follows from its verdict.
func (c *Core) attempt(f *flight) {
	verdict, tried := push.Verdict{Class: push.Sent}, f.attempt-1
	step := dispatch.Before(f.target, f.push, f.over, f.last, c.now)
	if !step.Ended() {
		if opens := dispatch.Opens(f.release, f.last, c.now); c.now.Before(opens.RetryAt) {
			f.at, f.last = opens.RetryAt, opens.Reason
			heap.Push(&c.flights, f)
			return
		}
		tried++
		if c.sink.Deliver != nil {
			verdict = c.sink.Deliver(f.release, f.push, f.attempt, c.now)
		}
		step = dispatch.After(verdict, f.push, f.attempt, c.now)
	}
	if !step.Ended() {
		f.at, f.last, f.attempt, f.doubt = step.RetryAt, step.Reason, tried+1, f.doubt || step.Doubt
		heap.Push(&c.flights, f)
		return
	}
	f.left--
	record := dispatch.Record{Attempt: tried, Doubt: f.doubt}.Finish(dispatch.End{
		Type: step.Type, Status: step.Status, Reason: step.Reason, ProviderID: verdict.ProviderID, Prune: step.Prune, At: c.now,
	})
	fact, rows := f.tally.Say(f.release, f.target, record, f.left == 0)
	for _, o := range rows {
		c.say(o)
	}
	c.results = append(c.results, fact)
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
