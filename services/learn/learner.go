package learn

import (
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// Learner turns rows into models. It is a fold over the log: no I/O, no clock. It is not safe for concurrent use.
type Learner struct {
	limits Limits
	global *trainer
	apps   map[string]*trainer
	people map[string]*person
	// level says that one person in 2^level is learned from. It rises when there are too many, and never falls.
	level   uint8
	through time.Time
	warming bool                   // rows rebuild what is known of people, and what is held back; the rest is in the weights already
	judges  func(hash uint64) bool // whose examples are held back: those of a person in ten
	now     time.Time
	Counts  Counts
	// LeftOut are the features, by app, that Load found in a record and the score does not know.
	LeftOut map[string][]string
}

// Limits bound the memory of a Learner.
type Limits struct {
	People int // kept at once, about 2 kB each; beyond it half of them are let go, by hash
	Hashed int // hashed weights of a model; the least used give way
	Held   int // held-back examples of an app and task, of the last day, about 600 B each
}

// DefaultLimits are for about 200 MB.
func DefaultLimits() Limits { return Limits{People: 50_000, Hashed: 16_384, Held: 4096} }

// Counts say what became of rows.
type Counts struct {
	Examples   [numTasks]int
	Duplicates int // dropped by id or cause
	Late       int // answers to what is no longer known
}

// NewLearner begins with the built-in model.
func NewLearner(limits Limits) *Learner {
	return &Learner{
		limits: limits, global: newTrainer("", score.Default()), apps: map[string]*trainer{}, people: map[string]*person{},
		LeftOut: map[string][]string{},
		judges:  func(hash uint64) bool { return hash>>32%10 == 0 },
	}
}

// Through is the end of the last round.
func (l *Learner) Through() time.Time { return l.through }

// Model is the model of an app as it stood at the end of the last round; that of all apps if the app is not known.
func (l *Learner) Model(app string) *score.Model {
	if t := l.apps[app]; t != nil {
		return t.good
	}
	return l.global.good
}

// Wants says whether the person of a key is learned from: the others' rows need not be decoded.
func (l *Learner) Wants(key string) bool { return hash(key)&(1<<l.level-1) == 0 }

// Enriched takes in a record of the enriched topic, with the offset of the fact that caused it.
func (l *Learner) Enriched(in *profile.Enriched, cause int64) {
	f := &in.Fact
	key := f.Key()
	if !l.Wants(key) {
		return
	}
	if f.User != nil && f.User.Erase {
		l.erase(f.AppID, key)
		return
	}
	l.now = later(f.ReceivedAt, l.now)
	p := l.person(f.AppID, key)
	if cause <= p.cause {
		l.Counts.Duplicates++
		return
	}
	p.cause = cause
	now := later(f.ReceivedAt, p.at)
	if in.Profile.AllowsDeviceData() { // it has been withdrawn for what is in question, too
		p.ask(now)
		p.decide(signOf(in, now), now, func(q *pending, label float64) {
			l.learn(p, &example{app: p.app, task: taskSeen, inputs: inputsOf(&q.x), stranger: q.aside, label: label})
		})
	}
	p.hours(&in.Profile, now, func(hourOfWeek int, seen bool) { l.tell(p, hourOfWeek, seen) })
	p.follow(&in.Profile, now)
}

// tell gives an hour of a person to the weeks of their cohort and of everybody.
func (l *Learner) tell(p *person, hourOfWeek int, seen bool) {
	if l.warming || l.judges(p.hash) {
		return
	}
	for _, t := range [2]*trainer{l.trainer(p.app), l.global} {
		if !t.Through.After(l.through) {
			t.tell(p.cohort, hourOfWeek, seen)
		}
	}
}

// erase forgets a person, and what is held back of them.
func (l *Learner) erase(app, key string) {
	delete(l.people, key)
	whose := hash(key)
	if !l.judges(whose) {
		return
	}
	theirs := func(e *example) bool { return e.person == whose }
	l.global.recall(theirs)
	if t := l.apps[app]; t != nil {
		t.recall(theirs)
	}
}

func (l *Learner) person(app, key string) *person {
	p := l.people[key]
	if p != nil {
		p.kept = l.now
	} else {
		p = &person{hash: hash(key), app: app, kept: l.now, cause: -1, answers: true}
		l.people[key] = p
		if len(l.people) > l.limits.People {
			l.level++
			maps.DeleteFunc(l.people, func(key string, _ *person) bool { return !l.Wants(key) })
		}
	}
	return p
}

// Outcome takes in a row of the outcomes topic. Those that close a message carry what an example needs.
func (l *Learner) Outcome(o *event.Outcome) {
	if len(o.Features) == 0 && o.Type != event.OutcomeVisited {
		return
	}
	key := event.Key(o.AppID, o.UserID)
	if !l.Wants(key) {
		return
	}
	if l.now.Sub(o.OccurredAt) > memory {
		l.Counts.Late++
		return
	}
	p := l.person(o.AppID, key)
	if !p.answers {
		return
	}
	message := hash(o.MessageID)
	if o.Type == event.OutcomeVisited {
		if p.visited(message) {
			l.count(o, func(v *visits) { v.Control.Came++ })
		}
		return
	}
	if !p.close(message) {
		l.Counts.Duplicates++
		return
	}
	e := &example{
		app: o.AppID, task: taskOpen, inputs: readInputs(o.Features), slots: messageSlots(o, p.cohort),
		offset: offset(o.Features, "opens_user", "opens_daypart", "opens_category"),
	}
	switch o.Type {
	case event.OutcomeControl:
		p.watch(message, o.OccurredAt)
		l.count(o, func(v *visits) { v.Control.N++ })
		return
	case event.OutcomeOpened:
		e.label, e.early = 1, time.Duration(o.AfterMS)*time.Millisecond <= within
	case event.OutcomeDismissed:
		e.noticed = true
	case event.OutcomeIgnored:
		if !couldBeHeldOut(o) {
			break
		}
		if e.visited, e.category = o.Reason == event.OutcomeVisited, categoryOf(o); e.visited { // it names what came before
			e.label = l.trainer(o.AppID).credit(e.category)
		}
		l.count(o, func(v *visits) { v.Ignored.count(e.visited) })
	default:
		return
	}
	l.learn(p, e)
}

// count visits of a category, unless they have been counted.
func (l *Learner) count(o *event.Outcome, change func(*visits)) {
	if t := l.trainer(o.AppID); !l.warming && !t.Through.After(l.through) {
		v := t.visits[categoryOf(o)]
		change(&v)
		t.visits[categoryOf(o)] = v
	}
}

func (l *Learner) trainer(app string) *trainer {
	t := l.apps[app]
	if t == nil {
		t = newTrainer(app, l.global.good)
		l.apps[app] = t
	}
	return t
}

// learn gives an example to the app and to all apps.
func (l *Learner) learn(p *person, e *example) {
	e.held, e.at, e.person = l.judges(p.hash), l.now, p.hash
	if !l.warming {
		l.Counts.Examples[e.task]++
	}
	for _, t := range [2]*trainer{l.trainer(e.app), l.global} {
		switch {
		case e.held:
			t.hold(e, l.limits)
		case !l.warming && !t.Through.After(l.through):
			t.train(e)
		}
	}
}

// recall lets the held-back examples go that are older than a day at an instant, or of people who are no longer learned
// from, and credits visits as is known by now: all that depends on the log alone.
func (l *Learner) recall(now time.Time) {
	over := func(e *example) bool {
		if e.visited {
			e.label = l.trainer(e.app).credit(e.category)
		}
		return now.Sub(e.at) >= testimony || e.person&(1<<l.level-1) != 0
	}
	l.global.recall(over)
	for _, t := range l.apps {
		t.recall(over)
	}
}

// sweep forgets what is too old.
func (l *Learner) sweep() {
	for key, p := range l.people { // deletions: the order does not matter
		p.watches = slices.DeleteFunc(p.watches, func(w watch) bool { return l.now.Sub(w.at) > memory })
		if l.now.Sub(p.kept) > memory {
			delete(l.people, key)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
