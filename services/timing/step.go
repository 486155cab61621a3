package timing

import (
	"strings"
	"sync"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Engine is the policy and the models that decide, with the scratch memory to do it. It is safe for concurrent use, and
// what it returns depends on the arguments and the app's model alone.
type Engine struct {
	policy  policy.Policy
	since   time.Time // when the policy came into force
	builtin *loaded
	models  sync.Map // app → *loaded; "" is for every app without its own
	scratch sync.Pool
}

// NewEngine decides by the policy, with the built-in model until SetModel.
func NewEngine(p policy.Policy) *Engine {
	long := time.Unix(1, 0) // what is held by another policy or model is due at once
	e := &Engine{policy: p, since: long, builtin: load(score.Default(), long)}
	e.scratch.New = func() any { return new(workspace) }
	return e
}

// loaded is a model, since when it is there, and the moments that follow from it.
type loaded struct {
	*score.Model
	since   time.Time
	lengths [score.Bins]float64 // of sittings
	app     score.Moments
}

func load(m *score.Model, since time.Time) *loaded {
	return &loaded{m, since, m.SittingLengths(), m.AppMoments()}
}

// SetModel replaces the model of an app from the next evaluation on; that of all apps without their own if app is "".
// nil takes it away. It says whether that was a change. From since on, whoever has a message held is due (see Stage).
func (e *Engine) SetModel(app string, m *score.Model, since time.Time) bool {
	if m == nil {
		_, was := e.models.LoadAndDelete(app)
		return was
	}
	if was, ok := e.models.Load(app); ok && was.(*loaded).Version == m.Version {
		return false
	}
	e.models.Store(app, load(m, since))
	return true
}

// model of an app: its own, that of all apps, or the built-in one.
func (e *Engine) model(app string) *loaded {
	for _, key := range [2]string{app, ""} {
		if m, ok := e.models.Load(key); ok {
			return m.(*loaded)
		}
	}
	return e.builtin
}

// due is when a person is to be looked at again: as the plans say, or at once if they were made by what is no longer in
// force.
func (e *Engine) due(h *Holds) time.Time {
	due := h.Due()
	if trigger, since := e.changed(h); trigger != "" && since.Before(due) {
		return since
	}
	return due
}

// changed says which of the things that plans are made by is another one by now, and since when; "" if none is.
func (e *Engine) changed(h *Holds) (trigger string, since time.Time) {
	if len(h.Held) == 0 {
		return "", since
	}
	if h.Policy != e.policy.Version() {
		return triggerPolicy, e.since
	}
	if m := e.model(h.App); h.Model != m.Version {
		return triggerModel, m.since
	}
	return "", since
}

// Policy is the policy that the engine follows.
func (e *Engine) Policy() policy.Policy { return e.policy }

// What made an evaluation happen.
const (
	triggerArrival = "arrival"
	triggerSignal  = "signal"
	triggerEvent   = "event" // also a change of the user's or a device's record
	triggerWake    = "wake"
	triggerReceipt = "receipt" // also the answer of a provider
	triggerModel   = "model"   // another one than the plans were made by
	triggerPolicy  = "policy"  // likewise
)

// turn is one step or wake-up in progress.
type turn struct {
	*Engine
	h       *Holds
	p       *profile.Profile
	loc     *time.Location
	now     time.Time
	model   *loaded
	effects []fold.Effect
	ws      *workspace // of the evaluation under way
}

func (e *Engine) turn(h *Holds, p *profile.Profile, now time.Time) *turn {
	if p == nil {
		p = &profile.Profile{}
		if n := len(h.Out); n > 0 {
			p.TimeZone = h.Out[n-1].TimeZone
		}
	}
	return &turn{Engine: e, h: h, p: p, loc: p.Location(), now: now.UTC(), model: e.model(h.App)}
}

// Step folds one record of the person's log into the holds.
func (e *Engine) Step(h *Holds, in *profile.Enriched, now time.Time) (*Holds, []fold.Effect) {
	f := &in.Fact
	if f.User != nil && f.User.Erase {
		return e.erase(h, in, now)
	}
	t := e.turn(h, &in.Profile, now)
	t.unlearn()
	t.observe()
	h.Profile = &in.Profile
	switch f.Kind {
	case event.KindMessage:
		t.accept(f.Message, f.ReceivedAt)
		t.evaluate(triggerArrival)
	case event.KindCancel:
		t.cancel(f.Cancel)
		t.evaluate(triggerEvent)
	case event.KindEvent:
		t.cancelOn(f.Event.Name)
		t.visit(f.Event)
		t.evaluate(triggerEvent)
	case event.KindSignal:
		t.evaluate(triggerSignal)
	case event.KindResult:
		t.result(f.Result)
		t.evaluate(triggerReceipt)
	case event.KindReceipt:
		t.receipt(f.Receipt)
		t.evaluate(triggerReceipt)
	default: // the profile has taken in what a user or device record says
		t.evaluate(triggerEvent)
	}
	return t.done()
}

// Wake does what has become due.
func (e *Engine) Wake(h *Holds, now time.Time) (*Holds, []fold.Effect) {
	t := e.turn(h, h.Profile, now)
	t.observe()
	t.overdue()
	trigger := triggerWake
	if changed, _ := e.changed(h); changed != "" && h.Due().After(now) {
		trigger = changed
	}
	t.evaluate(trigger)
	return t.done()
}

func (t *turn) done() (*Holds, []fold.Effect) {
	t.h.trim(t.now, t.spacing())
	return t.h, t.effects
}

// erase ends everything held, withdraws what dispatch has not answered, and forgets the person. Of the latter it keeps the ids
// until the answer comes: each message accepted is owed a last row.
func (e *Engine) erase(h *Holds, in *profile.Enriched, now time.Time) (*Holds, []fold.Effect) {
	t := e.turn(h, &in.Profile, now)
	for len(h.Held) > 0 {
		t.end(0, event.OutcomeCancelled, reasonErased)
	}
	left := &Holds{App: h.App, User: h.User}
	for _, o := range h.Out {
		if o.Release == nil {
			continue
		}
		r := withdrawn(o.Release, reasonErased)
		r.TimeZone, r.Score = "", 0
		t.publish(*r)
		left.Out = append(left.Out, Out{
			Message: o.Message, Release: r, AcceptedAt: o.AcceptedAt, ReleasedAt: o.ReleasedAt, DecisionID: o.DecisionID,
			Draw: o.Draw, Policy: o.Policy, Version: o.Version, Model: o.Model, RetryAt: t.answerBy(), Erased: true,
		})
	}
	return left, t.effects
}

// NewHolds is the state of a person never seen, by the key "app|user".
func NewHolds(key string) *Holds {
	app, user, _ := strings.Cut(key, "|")
	return &Holds{App: app, User: user}
}

// Stage is the engine as a fold over the enriched topic.
func Stage(e *Engine) fold.Stage[*Holds, *profile.Enriched] {
	return fold.Stage[*Holds, *profile.Enriched]{
		Name:    "timing",
		Input:   topic.Enriched,
		Source:  topic.Facts,
		Journal: topic.Holds,
		Acts:    topic.Releases,
		Echo:    []topic.Topic{topic.Releases, topic.Outcomes},
		New:     NewHolds,
		Decode: func(value []byte) (*profile.Enriched, error) {
			in := &profile.Enriched{}
			if err := event.Decode(value, in); err != nil {
				return nil, err
			}
			return in, complete(&in.Fact)
		},
		EncodeState: EncodeHolds,
		DecodeState: DecodeHolds,
		Step:        e.Step,
		Wake:        e.Wake,
		Due:         e.due,
		Reconcile:   e.Reconcile,
	}
}

// complete says whether the fact carries what its kind promises, so that Step need not ask.
func complete(f *event.Fact) error {
	ok := map[string]bool{
		event.KindMessage: f.Message != nil,
		event.KindCancel:  f.Cancel != nil,
		event.KindEvent:   f.Event != nil,
		event.KindSignal:  f.Signal != nil,
		event.KindReceipt: f.Receipt != nil,
		event.KindDevice:  f.Device != nil,
		event.KindUser:    f.User != nil,
		event.KindResult:  f.Result != nil,
	}
	if present, known := ok[f.Kind]; !known || !present {
		return &event.Invalid{Field: "fact.kind", Rule: "must name the member that is set", Value: f.Kind}
	}
	return nil
}
