package learn

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/score"
)

// trainer trains the model of one app, or of all of them: a prior, and what is learned beyond it.
type trainer struct {
	app     string
	prior   *score.Model
	good    *score.Model   // the last one that was believed
	visits  map[int]visits // by category
	weeks   map[string]*tally
	Through time.Time

	weights  weights
	believed weights // those of good
	// held are the examples of the last day to judge by, oldest first but for the ring that it is when full.
	held   [numTasks][]*example
	oldest [numTasks]int
}

// weights in training, beyond the prior's.
type weights struct {
	Seen, Open [score.NumFeatures]coord
	Hashed     map[int]coord
}

func (w *weights) clone() weights {
	out := *w
	out.Hashed = maps.Clone(w.Hashed)
	return out
}

func newTrainer(app string, prior *score.Model) *trainer {
	t := &trainer{app: app, prior: prior, good: prior, visits: map[int]visits{}, weeks: map[string]*tally{}}
	t.weights.Hashed = map[int]coord{}
	t.believed = t.weights.clone()
	return t
}

// hold keeps an example to judge by.
func (t *trainer) hold(e *example, limits Limits) {
	ring := t.held[e.task]
	if len(ring) < limits.Held {
		t.held[e.task] = append(ring, e)
		return
	}
	ring[t.oldest[e.task]] = e
	t.oldest[e.task] = (t.oldest[e.task] + 1) % limits.Held
}

// recall goes over what is held back, oldest first, and lets go what is over.
func (t *trainer) recall(over func(*example) bool) {
	for task, ring := range t.held {
		ring = slices.Concat(ring[t.oldest[task]:], ring[:t.oldest[task]])
		t.held[task], t.oldest[task] = slices.DeleteFunc(ring, over), 0
	}
}

// train learns from an example.
func (t *trainer) train(e *example) {
	e = e.as(t.good)
	p, q := e.predict(t.seen, t.open)
	g := e.gradient(p, q)
	w := &t.weights.Seen
	if e.task == taskOpen {
		w = &t.weights.Open
	}
	update := func(w *[score.NumFeatures]coord, g float64) {
		for _, in := range e.inputs {
			if w == &t.weights.Open || in.feature.OfMoment() {
				c := &w[in.feature]
				dense.update(c, g*in.value, dense.weight(*c))
			}
		}
	}
	if e.task == taskOpen {
		update(&t.weights.Seen, e.seenGradient(p, q, sigmoid(t.seen(e))))
	}
	update(w, g)
	for _, slot := range e.slots {
		c := t.weights.Hashed[slot]
		hashed.update(&c, g, hashed.weight(c))
		t.weights.Hashed[slot] = c
	}
}

func (t *trainer) seen(e *example) float64 {
	z := logOdds(&t.prior.Seen, t.prior.Hashed, e, taskSeen)
	return z + t.learned(&t.weights.Seen, e, nil)
}

func (t *trainer) open(e *example) float64 {
	z := logOdds(&t.prior.Open, t.prior.Hashed, e, taskOpen)
	return z + t.learned(&t.weights.Open, e, e.slots)
}

func (t *trainer) learned(w *[score.NumFeatures]coord, e *example, slots []int) float64 {
	sum := 0.0
	for _, in := range e.inputs {
		sum += dense.weight(w[in.feature]) * in.value
	}
	for _, slot := range slots {
		sum += hashed.weight(t.weights.Hashed[slot])
	}
	return sum
}

// rebase moves to another prior.
func (t *trainer) rebase(prior *score.Model) {
	for f := range score.NumFeatures {
		dense.rebase(&t.weights.Seen[f], prior.Seen[f]-t.prior.Seen[f])
		dense.rebase(&t.weights.Open[f], prior.Open[f]-t.prior.Open[f])
	}
	for slot, c := range t.weights.Hashed {
		hashed.rebase(&c, at(prior.Hashed, slot)-at(t.prior.Hashed, slot))
		t.weights.Hashed[slot] = c
	}
	t.prior = prior
}

func at(table []float32, slot int) float64 {
	if len(table) == 0 {
		return 0
	}
	return float64(table[slot])
}

// model is the prior with what was learned; without a version. Pushes that have gone out are never an argument for another:
// where the people who open most are sent most, the weight of the pressure would say so.
func (t *trainer) model() *score.Model {
	m := *t.prior
	m.Version = ""
	for f := range score.NumFeatures {
		m.Seen[f] += dense.weight(t.weights.Seen[f])
		m.Open[f] += dense.weight(t.weights.Open[f])
		if !score.Feature(f).OfMoment() {
			m.Open[f] = min(m.Open[f], 0)
		}
	}
	if len(t.weeks) > 0 {
		m.Weeks = t.weekly(t.prior.Week(""))
	}
	if len(m.Hashed) == 0 && len(t.weights.Hashed) == 0 {
		return &m
	}
	m.Hashed = make([]float32, 1<<score.HashBits)
	copy(m.Hashed, t.prior.Hashed)
	for slot, c := range t.weights.Hashed {
		m.Hashed[slot] += float32(hashed.weight(c))
	}
	return &m
}

// credit of a visit after a push of a category.
func (t *trainer) credit(category int) float64 { return t.visits[category].credit() }

// shrink lets the least used entries of a table go that exceeds a limit, a quarter of them at once.
func shrink[V any](table map[int]V, limit int, used func(V) float64) {
	if len(table) <= limit {
		return
	}
	slots := slices.SortedFunc(maps.Keys(table), func(a, b int) int {
		return cmp.Or(cmp.Compare(used(table[a]), used(table[b])), cmp.Compare(a, b))
	})
	for _, slot := range slots[:len(slots)-limit*3/4] {
		delete(table, slot)
	}
}

// margin in nats by which a model may be worse than the one before it; fewer than minHeld examples prove nothing.
const (
	margin  = 0.005
	minHeld = 50
)

// verdict compares a candidate with the model before it on the examples held back.
type verdict struct {
	n             [numTasks]int
	before, after [numTasks]float64 // mean log-loss
	reason        string            // why the candidate is refused; "" if it is not
}

// Reasons to refuse a model.
const (
	refusedWeights = "weights" // not a number, or exploding
	refusedWorse   = "worse"   // on what was held back
)

// judge a candidate. The difference has to exceed twice its standard error, too.
func (t *trainer) judge(candidate *score.Model) verdict {
	var v verdict
	for task := range numTasks {
		var sum, squares float64
		for _, e := range t.held[task] {
			before, after := e.loss(chance(t.good, e)), e.loss(chance(candidate, e))
			v.before[task] += before
			v.after[task] += after
			sum += after - before
			squares += (after - before) * (after - before)
		}
		n := float64(len(t.held[task]))
		if n == 0 {
			continue
		}
		v.n[task] = len(t.held[task])
		v.before[task] /= n
		v.after[task] /= n
		mean := sum / n
		deviation := math.Sqrt(max(squares/n-mean*mean, 0) / n)
		if n >= minHeld && mean > margin && mean > 2*deviation {
			v.reason = refusedWorse
		}
	}
	if candidate.Check() != nil {
		v.reason = refusedWeights
	}
	return v
}

// settle ends a round: the candidate becomes the good model, or the weights go back to those of the last good one.
func (t *trainer) settle(limits Limits) verdict {
	shrink(t.weights.Hashed, limits.Hashed, func(c coord) float64 { return c.N })
	shrink(t.visits, maxCategories, func(v visits) float64 { return v.Ignored.N })
	candidate := t.model()
	v := t.judge(candidate)
	if v.reason == "" {
		t.good, t.believed = candidate, t.weights.clone()
	} else {
		t.restore()
	}
	return v
}

// restore goes back to the last good model, whatever the prior is by now: what was learned since is dropped.
func (t *trainer) restore() {
	t.weights = t.believed.clone()
	for f := range score.NumFeatures {
		dense.set(&t.weights.Seen[f], t.good.Seen[f]-t.prior.Seen[f])
		dense.set(&t.weights.Open[f], t.good.Open[f]-t.prior.Open[f])
	}
	for slot := range max(len(t.good.Hashed), len(t.prior.Hashed)) {
		c, known := t.weights.Hashed[slot]
		w := at(t.good.Hashed, slot) - at(t.prior.Hashed, slot)
		if known || w != 0 {
			hashed.set(&c, w)
			t.weights.Hashed[slot] = c
		}
	}
	t.believed = t.weights.clone()
}
