package replay

import (
	"container/heap"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/enrich"
	"github.com/kairos-push/kairos/services/timing"
)

// Core is the pure core of all services in one place and in virtual time: a fact goes through enrich, its enriched
// record through timing, a release through dispatch, and dispatch's answer back to enrich, as over the topics, but at
// once. What it does is a function of the calls alone. It is not safe for concurrent use.
type Core struct {
	enrich *fold.Local[*profile.Profile, *event.Fact]
	timing *fold.Local[*timing.Holds, *profile.Enriched]
	sink   Sink
	now    time.Time
	// What has been published and not been read yet.
	releases []*event.Release
	results  []*event.Fact
	flights  flights // attempts to come
	order    int
	claimed  map[string]bool // releases that dispatch has taken, by id
}

// Sink is where a Core's effects go. Any of its functions may be nil.
type Sink struct {
	Enriched func(*profile.Enriched) // before timing decides by it
	Outcome  func(*event.Outcome)
	Decision func(*event.Decision)
	// Deliver is the provider's verdict on one attempt (1 is the first). Without it, every push is taken.
	Deliver func(r *event.Release, p *push.Push, attempt int, now time.Time) push.Verdict
}

// NewCore is a core without users.
func NewCore(engine *timing.Engine, sink Sink) *Core {
	return &Core{
		enrich: fold.NewLocal(enrich.Stage()), timing: fold.NewLocal(timing.Stage(engine)), sink: sink,
		claimed: map[string]bool{},
	}
}

// Decide lets another engine decide from now on.
func (c *Core) Decide(engine *timing.Engine) { c.timing.Restage(timing.Stage(engine)) }

// Now is the virtual time.
func (c *Core) Now() time.Time { return c.now }

// Feed takes in a fact at a time that is not before the last one. What is due until then, or just then, happens first.
func (c *Core) Feed(f *event.Fact, now time.Time) {
	c.RunTo(now)
	c.fold(f)
	c.settle()
}

// NextDue is when something happens next if no fact comes.
func (c *Core) NextDue() (time.Time, bool) {
	_, at, ok := c.timing.NextDue()
	if len(c.flights) > 0 && (!ok || c.flights[0].at.Before(at)) {
		return c.flights[0].at, true
	}
	return at, ok
}

// RunTo lets time run to t: wake-ups and attempts happen at their own times, in order, attempts first.
func (c *Core) RunTo(t time.Time) {
	for {
		at, ok := c.NextDue()
		if !ok || at.After(t) {
			break
		}
		if at.After(c.now) {
			c.now = at
		}
		if len(c.flights) > 0 && !c.flights[0].at.After(at) {
			c.attempt(heap.Pop(&c.flights).(*flight)) //nolint:forcetypeassert // the heap holds nothing else
		} else {
			key, _, _ := c.timing.NextDue()
			c.publish(c.timing.WakeAt(key, c.now))
		}
		c.settle()
	}
	if t.After(c.now) {
		c.now = t
	}
}

// settle lets releases and results go round until none is left.
func (c *Core) settle() {
	for {
		switch {
		case len(c.releases) > 0:
			r := c.releases[0]
			c.releases = c.releases[1:]
			c.dispatch(r)
		case len(c.results) > 0:
			f := c.results[0]
			c.results = c.results[1:]
			c.fold(f)
		default:
			return
		}
	}
}

func (c *Core) fold(f *event.Fact) { c.publish(c.enrich.Apply(f.Key(), f, c.now)) }

// publish hands effects to whoever reads their topic.
func (c *Core) publish(effects []fold.Effect) {
	for i := range effects {
		switch v := effects[i].Value.(type) {
		case *profile.Enriched:
			if c.sink.Enriched != nil {
				c.sink.Enriched(v)
			}
			c.publish(c.timing.Apply(v.Fact.Key(), v, c.now))
		case event.Release:
			c.releases = append(c.releases, &v)
		case event.Outcome:
			c.say(&v)
		case event.Decision:
			if c.sink.Decision != nil {
				c.sink.Decision(&v)
			}
		}
	}
}

func (c *Core) say(o *event.Outcome) {
	if c.sink.Outcome != nil {
		c.sink.Outcome(o)
	}
}
