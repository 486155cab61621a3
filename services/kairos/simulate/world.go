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

// newLife is a person with the messages that they are to get and what their phone reports.
func newLife(cfg Config, r Regime, p *population.Person, length time.Duration) *person {
	return &person{Person: p, messages: messagesOf(r, p, cfg.Seed, length), life: newPhone(r, p, cfg.Seed).life(&cfg.Params)}
}

// journey is one person's time under one policy.
type journey struct {
	*course
	params   *population.Params
	person   *person
	phone    *phone
	from     time.Duration // what comes from then on is counted
	strategy strategy
	now      time.Duration
	life     []report // still to come
	messages []Message
	later    reports // what pushes caused, on its way
	mood     population.Mood
	muted    bool // they opted out: nothing more can be sent
	settled  map[int]bool
	cap      int             // most sends in 24 hours; 0: no cap
	sent     []time.Duration // when, under a cap
}

// depart begins a journey. strategyOf gets the function that sends.
func depart(params *population.Params, r Regime, p *person, seed uint64, from time.Duration, strategyOf func(send) strategy) *journey {
	j := &journey{
		course: &course{}, params: params, person: p, phone: newPhone(r, p.Person, seed+1), from: from,
		life: p.life, messages: p.messages, settled: map[int]bool{}, cap: r.Cap,
	}
	j.phone.next = 1 << 30 // ids apart from those of the undisturbed life
	j.strategy = strategyOf(j.send)
	return j
}

// send is what happens when the policy sends.
func (j *journey) send(now time.Duration, m Message) {
	if j.muted || j.settled[m.Index] {
		return
	}
	j.settled[m.Index] = true
	if j.full(now) {
		if m.At >= j.from {
			j.waits = append(j.waits, -1)
		}
		return
	}
	fate := j.person.React(j.params, population.Push{Index: m.Index, Category: m.Category, At: now}, &j.mood)
	if fate.Pickup.End > 0 {
		j.expect(j.phone.use(nil, fate.Pickup))
	}
	if fate.OpenedAt > 0 {
		j.expect(j.phone.tell(nil, report{Sign: opened, At: fate.OpenedAt, Message: m.Index}))
		j.expect(j.phone.tell(nil, report{Sign: appOpened, At: fate.OpenedAt}))
	}
	if fate.DismissedAt > 0 {
		j.expect(j.phone.tell(nil, report{Sign: dismissed, At: fate.DismissedAt, Message: m.Index}))
	}
	j.muted = fate.OptOut
	if m.At >= j.from {
		j.count(m, now, fate)
	}
}

// full says that the cap lets nothing more go now. Whoever plans under it, as production does, never comes to that.
func (j *journey) full(now time.Duration) bool {
	if j.cap == 0 {
		return false
	}
	now = now.Truncate(time.Millisecond) // as production counts
	if n := len(j.sent) - j.cap; n >= 0 && now-j.sent[n] < day {
		return true
	}
	j.sent = append(j.sent, now)
	return false
}

func (j *journey) expect(reports []report) {
	for _, r := range reports {
		heap.Push(&j.later, r)
	}
}

// until lets everything happen that happens before t.
func (j *journey) until(t time.Duration) {
	for !j.muted && (len(j.messages) > 0 || len(j.settled) < len(j.person.messages)) {
		due, atReport, atMessage := never, never, never
		if at, ok := j.strategy.due(); ok {
			due = max(at, j.now) // what became due in hindsight is due now
		}
		own := len(j.life) > 0 && (len(j.later) == 0 || j.life[0].Arrives <= j.later[0].Arrives)
		if own {
			atReport = j.life[0].Arrives
		} else if len(j.later) > 0 {
			atReport = j.later[0].Arrives
		}
		if len(j.messages) > 0 {
			atMessage = j.messages[0].At
		}
		next := min(due, atReport, atMessage)
		if next >= t {
			return
		}
		j.now = max(j.now, next)
		switch {
		case next == due:
			j.strategy.wake(next)
		case next == atReport && own:
			j.strategy.observe(next, j.life[0])
			j.life = j.life[1:]
		case next == atReport:
			j.strategy.observe(next, heap.Pop(&j.later).(report)) //nolint:forcetypeassert // the heap holds nothing else
		default:
			j.strategy.offer(next, j.messages[0])
			j.messages = j.messages[1:]
		}
	}
}

const never = time.Duration(1<<63 - 1)

// arrive ends the journey.
func (j *journey) arrive() *course {
	j.until(never)
	j.finish(j.person.messages, j.settled, j.from)
	return j.course
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
