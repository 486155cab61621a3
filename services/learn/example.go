package learn

import (
	"math"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
)

// task is what an example is about.
type task int

const (
	taskSeen task = iota // is the person there within five minutes?
	taskOpen             // is the push opened?
	numTasks
)

func (t task) String() string { return [numTasks]string{"seen", "open"}[t] }

// input is a feature that is not 0.
type input struct {
	feature score.Feature
	value   float64
}

// example is one labelled instant. Labels lie between 0 and 1.
type example struct {
	app    string
	task   task
	inputs []input
	// stranger says that the inputs are those of somebody of whom nothing is known but their cohort, at that hour. They follow
	// from the model's weeks: see as.
	stranger *stranger
	slots    []int   // of the hashed weights, of an answer
	offset   float64 // log-odds that the person's own answers add to those of an open
	label    float64
	// noticed says that the push was seen for sure, so that only p_open is in question.
	noticed bool
	// early says that it was opened within five minutes, and so was seen by then.
	early bool
	// held examples are never trained on: they judge, for a day. All of a person's are, or none.
	held   bool
	at     time.Time // when its label was known
	person uint64    // hash of whose it is
	// visited says that the label is what a visit is credited with in the category, which later visits change.
	visited  bool
	category int
}

// maxInput bounds what a row may claim: no feature of the score is ever larger.
const maxInput = 20

func bounded(v float64) float64 { return min(max(v, -maxInput), maxInput) }

// stranger is somebody of whom nothing is known.
type stranger struct {
	cohort string
	hour   int // of the week
}

var unobserved = score.Unobserved()

// as is the example as a model sees it.
func (e *example) as(m *score.Model) *example {
	if e.stranger == nil {
		return e
	}
	var x score.Vector
	unobserved.At(0, score.Logit(float64(m.Week(e.stranger.cohort)[e.stranger.hour])), &x)
	seen := *e
	seen.inputs = inputsOf(&x)
	return &seen
}

// inputs of a vector as timing would have it at that instant.
func inputsOf(x *score.Vector) []input {
	in := make([]input, 0, 16)
	for f, v := range x.All() {
		in = append(in, input{f, bounded(v)})
	}
	return in
}

// read the features of a row back, in the order of the score. What the score does not know is no input.
func readInputs(features event.Features) []input {
	in := make([]input, 0, len(features))
	for f := range score.Feature(score.NumFeatures) {
		if v := features[f.String()]; v != 0 {
			in = append(in, input{f, bounded(v)})
		}
	}
	return in
}

// offset sums what a row says that timing added, in log-odds.
func offset(features event.Features, names ...string) float64 {
	sum := 0.0
	for _, name := range names {
		sum += features[name]
	}
	return min(max(sum, -5), 5)
}

// messageSlots are the hashed weights of a message. Its channel is that of the release: the row of an answer names the
// device that answered, and so would tell the answer.
func messageSlots(o *event.Outcome, cohort string) []int {
	var slots []int
	add := func(kind, name string) {
		if name != "" {
			slots = append(slots, score.Slot(kind, name))
		}
	}
	add("category", o.Category)
	add("campaign", o.CampaignID)
	add("priority", o.Priority)
	add("cohort", cohort)
	for _, c := range [...]string{event.ChannelAPNs, event.ChannelFCM, event.ChannelWebPush} {
		if o.Features[score.ChannelPrefix+c] != 0 {
			add("channel", c)
		}
	}
	return slots
}

// predict is the chance of the label by a model, and the chance of an open once seen (taskOpen).
func (e *example) predict(seen, open func(*example) float64) (p, q float64) {
	if e.task == taskSeen {
		return sigmoid(seen(e)), 0
	}
	q = sigmoid(open(e))
	if e.noticed {
		return q, q
	}
	s := sigmoid(seen(e))
	return (s + (1-s)*score.FoundLater) * q, q
}

// gradient of the log-loss by the log-odds that are in question: p − y for a chance, and for a product p = m·q by the
// log-odds of q
//
//	−(y − p)·(1 − q) / (1 − p)
//
// which is the former when the push was noticed (m = 1).
func (e *example) gradient(p, q float64) float64 {
	if e.task == taskSeen || e.noticed {
		return p - e.label
	}
	return (p - e.label) * (1 - q) / (1 - p)
}

// seenGradient is that of an answer by the log-odds of s, the chance to be seen within five minutes: an open came early
// with the chance s·q, late with (1 − s)·l·q, and not at all with 1 − p, where p is the sum of the two and l score.FoundLater.
// It is all that is learned of p_seen where no phone tells of its use.
func (e *example) seenGradient(p, q, s float64) float64 {
	switch {
	case e.noticed:
		return 0
	case e.early:
		return s - 1
	default:
		return e.label*s + (1-e.label)*q*(1-score.FoundLater)*s*(1-s)/(1-p)
	}
}

// loss is the log-loss in nats.
func (e *example) loss(p float64) float64 {
	p = min(max(p, 1e-9), 1-1e-9)
	return -e.label*math.Log(p) - (1-e.label)*math.Log1p(-p)
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-min(max(z, -30), 30))) }

// logOdds of a model for one of the tasks.
func logOdds(w *score.Weights, table []float32, e *example, t task) float64 {
	sum := 0.0
	for _, in := range e.inputs {
		sum += w[in.feature] * in.value
	}
	if t == taskSeen {
		return sum
	}
	if len(table) > 0 {
		for _, slot := range e.slots {
			sum += float64(table[slot])
		}
	}
	return sum + e.offset
}

// chance of an example's label by a finished model.
func chance(m *score.Model, e *example) float64 {
	p, _ := e.as(m).predict(
		func(e *example) float64 { return logOdds(&m.Seen, m.Hashed, e, taskSeen) },
		func(e *example) float64 { return logOdds(&m.Open, m.Hashed, e, taskOpen) },
	)
	return p
}
