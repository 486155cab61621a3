package simulate

import (
	"container/heap"
	"time"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// course is what one policy did to one person, counted from the start of the measured time.
type course struct {
	messages, sends, reached, attended, opens, dismissals, optOuts float64
	waits                                                          []time.Duration // arrival to notice; -1 = never
	delays                                                         []time.Duration // arrival to send, of those sent
}

// seenWithin is the time after the send within which a notice counts: the push then is about now.
const seenWithin = 5 * time.Minute

// person is a person with all that does not depend on the policy.
type person struct {
	*population.Person
	messages []Message
	life     []report
}

// run plays one person's time under one policy. make gets the function that sends.
func run(params *population.Params, r Regime, p *person, seed uint64, from time.Duration, strategyOf func(send) strategy) *course {
	c := &course{}
	var (
		mood    population.Mood
		later   reports // what pushes caused, on its way
		muted   bool    // they opted out: nothing more can be sent
		phone   = newPhone(r, p.Person, seed+1)
		settled = map[int]bool{}
	)
	phone.next = 1 << 30 // ids apart from those of the undisturbed life
	tell := func(s sign, at time.Duration, message int) {
		for _, r := range phone.tell(nil, s, at, message) {
			heap.Push(&later, r)
		}
	}
	s := strategyOf(func(now time.Duration, m Message) {
		if muted || settled[m.Index] {
			return
		}
		settled[m.Index] = true
		fate := p.React(params, population.Push{Index: m.Index, Category: m.Category, At: now}, &mood)
		if fate.Pickup.End > 0 {
			for _, r := range phone.use(nil, fate.Pickup) {
				heap.Push(&later, r)
			}
		}
		if fate.OpenedAt > 0 {
			tell(opened, fate.OpenedAt, m.Index)
			tell(appOpened, fate.OpenedAt, 0)
		}
		if fate.DismissedAt > 0 {
			tell(dismissed, fate.DismissedAt, m.Index)
		}
		muted = fate.OptOut
		if m.At >= from {
			c.count(m, now, fate)
		}
	})
	life, messages := p.life, p.messages
	now := time.Duration(0)
	for {
		const never = time.Duration(1<<63 - 1)
		due, atReport, atMessage := never, never, never
		if t, ok := s.due(); ok {
			due = max(t, now) // what became due in hindsight is due now
		}
		own := len(life) > 0 && (len(later) == 0 || life[0].Arrives <= later[0].Arrives)
		if own {
			atReport = life[0].Arrives
		} else if len(later) > 0 {
			atReport = later[0].Arrives
		}
		if len(messages) > 0 {
			atMessage = messages[0].At
		}
		next := min(due, atReport, atMessage)
		now = max(now, next)
		switch {
		case next == never, len(messages) == 0 && len(settled) == len(p.messages), muted:
			c.finish(p.messages, settled, from)
			return c
		case next == due:
			s.wake(next)
		case next == atReport && own:
			s.observe(next, life[0])
			life = life[1:]
		case next == atReport:
			s.observe(next, heap.Pop(&later).(report)) //nolint:forcetypeassert // the heap holds nothing else
		default:
			s.offer(next, messages[0])
			messages = messages[1:]
		}
	}
}

// count adds a message that was sent.
func (c *course) count(m Message, now time.Duration, f population.Fate) {
	c.sends++
	c.delays = append(c.delays, now-m.At)
	if f.NoticedAt > 0 {
		c.waits = append(c.waits, f.NoticedAt-m.At)
		if f.NoticedAt-now <= seenWithin {
			c.reached++
			if f.Attended && !f.Broke {
				c.attended++
			}
		}
	} else {
		c.waits = append(c.waits, -1)
	}
	if f.OpenedAt > 0 {
		c.opens++
	}
	if f.DismissedAt > 0 {
		c.dismissals++
	}
	if f.OptOut {
		c.optOuts++
	}
}

// finish counts all messages, and those that were not sent as never noticed: whoever opted out is not reached.
func (c *course) finish(messages []Message, settled map[int]bool, from time.Duration) {
	for _, m := range messages {
		if m.At < from {
			continue
		}
		c.messages++
		if !settled[m.Index] {
			c.waits = append(c.waits, -1)
		}
	}
}

// reports is a heap by arrival.
type reports []report

func (r reports) Len() int { return len(r) }
func (r reports) Less(i, j int) bool {
	return r[i].Arrives < r[j].Arrives || r[i].Arrives == r[j].Arrives && r[i].ID < r[j].ID
}
func (r reports) Swap(i, j int) { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *reports) Push(x any) { *r = append(*r, x.(report)) } //nolint:forcetypeassert // the heap holds nothing else

// Pop is for container/heap.
func (r *reports) Pop() any {
	old := *r
	x := old[len(old)-1]
	*r = old[:len(old)-1]
	return x
}
