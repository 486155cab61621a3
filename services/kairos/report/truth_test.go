package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/report/stats"
	"github.com/kairos-push/kairos/services/timing/policy"
)

const policy08 = "policy_0.8"

// kind of messages: of one category and priority, decided under one version of the policy with its own shares of arms.
type kind struct {
	category, priority, version string
	mix                         policy.Exploration
	appeal, anyway              float64 // how often the person opens what comes at the best moment, and comes without a push
}

// world makes logs whose truth is known: people open more or less than others, and more of one kind than of the other; an
// arm multiplies that.
type world struct {
	rng    *rand.Rand
	kinds  []kind
	effect map[string]float64
	late   bool                                // opens come too late to count as coming to the app
	said   func(arm string, p float64) float64 // the propensity that the row claims; nil: the true one
}

var effect = map[string]float64{policy.ArmImmediate: 0.5, policy.ArmUniform: 0.25, policy.ArmControl: 0, mainArm: 1}

// two kinds, whose arms are drawn with the same shares.
func two(mix policy.Exploration) []kind {
	return []kind{
		{"chat", event.Promotional, "", mix, 0.4, 0.1},
		{"news", event.Promotional, "", mix, 0.1, 0.1},
	}
}

// truth is the open rate under a candidate.
func (w *world) truth(c policy.Policy) float64 {
	sum := 0.0
	for _, k := range w.kinds {
		for arm, share := range policy.Shares(c.For(k.category).Exploration, k.priority) {
			sum += share * w.effect[arm] * k.appeal / float64(len(w.kinds))
		}
	}
	return sum
}

// log of so many people with eight messages each.
func (w *world) log(people int) *Log {
	l := NewLog()
	for i := range people {
		user := fmt.Sprintf("u%d", i)
		taste := 0.5 + w.rng.Float64() // of mean 1
		for k := range 8 {
			is := w.kinds[(8*i+k)%len(w.kinds)]
			m := &event.Message{MessageID: fmt.Sprintf("%d-%d", k, w.rng.Int64()), UserID: user, Priority: is.priority, Category: is.category}
			draw := policy.Explore(is.mix, 0, "a", user, m)
			row := func(typ string, after time.Duration) {
				o := &event.Outcome{
					AppID: "a", UserID: user, MessageID: m.MessageID, Category: m.Category, Priority: m.Priority, Type: typ, PolicyVersion: is.version,
					OccurredAt: start.Add(after), Arm: draw.Arm, Propensity: draw.Propensity, AfterMS: after.Milliseconds(),
				}
				if w.said != nil {
					o.Propensity = w.said(draw.Arm, draw.Propensity)
				}
				l.Outcome(o)
			}
			row(event.OutcomeAccepted, 0)
			came := w.rng.Float64() < is.anyway
			if draw.Arm != policy.ArmControl {
				row(event.OutcomeSent, 0)
			}
			if w.rng.Float64() < taste*is.appeal*w.effect[draw.Arm] {
				after := time.Minute
				if w.late {
					after = 2 * time.Hour
				}
				row(event.OutcomeOpened, after)
			}
			if came {
				row(event.OutcomeVisited, time.Minute)
			}
		}
	}
	return l
}

// explored mixes arms evenly; the candidate sends nearly all by the policy.
var (
	evenly    = policy.Exploration{Immediate: 0.3, Uniform: 0.3, Control: 0.1}
	candidate = policy.Exploration{Immediate: 0.1, Control: 0.05}
)

func candidatePolicy() policy.Policy {
	p := policy.Default()
	p.Defaults.Exploration = candidate
	return p
}

// mixed kinds, each of which explores in a way of its own: controls are never drawn of what is transactional, and not of news.
var mixed = []kind{
	{"shop", event.Transactional, "1", policy.Exploration{Immediate: 0.4, Uniform: 0.1, Control: 0.1, Thresholds: []float64{0.8, 1}}, 0.5, 0.4},
	{"news", event.Promotional, "1", policy.Exploration{Immediate: 0.3, Uniform: 0.2, Thresholds: []float64{0.8, 1}}, 0.3, 0.2},
	{"shop", event.Promotional, "1", policy.Exploration{Immediate: 0.1, Uniform: 0.2, Control: 0.2, Thresholds: []float64{0.8, 1}}, 0.1, 0.1},
	{"shop", event.Promotional, "2", policy.Exploration{Immediate: 0.2, Uniform: 0.3, Control: 0.1}, 0.2, 0.3},
}

// Of 60 logs of one world, about 57 intervals hold the truth.
func TestIntervalsOfAReportHoldTheTruth(t *testing.T) {
	t.Parallel()
	const trials = 60
	plain := policy.Default()
	plain.Defaults.Exploration = policy.Exploration{Immediate: 0.1}
	for _, tc := range []struct {
		name      string
		world     world
		candidate policy.Policy
		// The truth by arm, in shares of messages: opens as they are, and gains over the messages for which both arms may be drawn.
		opens, overImmediate, overControl map[string]float64
	}{
		{
			"alike",
			world{kinds: two(evenly), effect: effect},
			candidatePolicy(),
			map[string]float64{mainArm: 0.25},
			map[string]float64{mainArm: 0.125},
			map[string]float64{mainArm: 0.25 * 0.9}, // of those who open, a tenth would have come anyway
		},
		{
			"mixed, and no arm does anything",
			world{kinds: mixed, effect: map[string]float64{policy.ArmImmediate: 1, policy.ArmUniform: 1, policy08: 1, mainArm: 1}, late: true},
			plain,
			nil,
			map[string]float64{mainArm: 0, policy08: 0, policy.ArmUniform: 0},
			map[string]float64{mainArm: 0, policy08: 0},
		},
		{
			"mixed",
			world{kinds: mixed, effect: map[string]float64{policy.ArmImmediate: 0.5, policy.ArmUniform: 0.25, policy08: 0.8, mainArm: 1}},
			plain,
			nil,
			map[string]float64{mainArm: (0.5 + 0.3 + 0.1 + 0.2) / 4 * 0.5, policy08: (0.5 + 0.3 + 0.1) / 3 * 0.3, policy.ArmUniform: (0.5 + 0.3 + 0.1 + 0.2) / 4 * -0.25},
			map[string]float64{mainArm: (0.1*0.9 + 0.2*0.7) / 2, policy08: 0.8 * 0.1 * 0.9},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			held, want := map[string]int{}, 2
			within := func(what string, iv stats.Interval, truth float64) {
				if iv.Low <= truth && truth <= iv.High {
					held[what]++
				}
			}
			tc.world.rng = rand.New(rand.NewPCG(4, 2))
			for trial := range trials {
				l := tc.world.log(200)
				for _, a := range l.Arms(uint64(trial)) {
					for _, of := range []struct {
						what  string
						truth map[string]float64
						iv    stats.Interval
					}{{"opens", tc.opens, a.Opens}, {"over immediate", tc.overImmediate, a.OverImmediate}, {"over control", tc.overControl, a.OverControl}} {
						if truth, ok := of.truth[a.Name]; ok {
							within(a.Name+" "+of.what, of.iv, truth)
						}
					}
				}
				got, err := l.Candidate(tc.candidate, uint64(trial))
				require.NoError(t, err)
				within("SNIPS", got.SNIPS, tc.world.truth(tc.candidate))
				within("doubly robust", got.DoublyRobust, tc.world.truth(tc.candidate))
			}
			want += len(tc.opens) + len(tc.overImmediate) + len(tc.overControl)
			require.Len(t, held, want)
			for what, n := range held {
				require.InDelta(t, 0.95*trials, n, 5, what)
			}
		})
	}
}

// In small categories with a small share the other arm is often missing. What is left must not count for less on the whole.
func TestGainsAreRightInManySmallCategories(t *testing.T) {
	t.Parallel()
	w := &world{rng: rand.New(rand.NewPCG(6, 6)), effect: effect}
	for i := range 24 {
		w.kinds = append(w.kinds, kind{fmt.Sprintf("rare %d", i), event.Promotional, "", policy.Exploration{Immediate: 0.03, Thresholds: []float64{0.8, 1}}, 0.5, 0},
			kind{fmt.Sprintf("often %d", i), event.Promotional, "", policy.Exploration{Immediate: 0.3}, 0.05, 0})
	}
	const trials = 120
	mean := 0.0
	for range trials {
		for _, a := range w.log(200).Arms(1) {
			if a.Name == mainArm {
				mean += a.OverImmediate.Value / trials
			}
		}
	}
	require.InDelta(t, (0.5+0.05)/2*0.5, mean, 0.012)
}

// Arms that were never drawn of the same kind of message do not compare.
func TestWhatDoesNotCompareHasNoGain(t *testing.T) {
	t.Parallel()
	w := &world{rng: rand.New(rand.NewPCG(5, 5)), effect: effect, kinds: []kind{
		{"order", event.Transactional, "", policy.Exploration{Immediate: 0.5, Thresholds: []float64{0.8}}, 0.5, 0.4},
		{"promo", event.Promotional, "", policy.Exploration{Control: 0.5}, 0.1, 0.1},
	}}
	l := w.log(200)
	l.Outcome(&event.Outcome{
		OccurredAt: start, AppID: "a", UserID: "u0", MessageID: "now", Category: "order", Priority: event.Transactional, Type: event.OutcomeAccepted,
		Arm: policy.ArmFixed, Propensity: 1,
	})
	gains := map[string][]bool{}
	for _, a := range l.Arms(1) {
		gains[a.Name] = []bool{!math.IsNaN(a.OverImmediate.Value), !math.IsNaN(a.OverControl.Value)}
	}
	require.Equal(t, map[string][]bool{
		policy.ArmControl: {false, false}, policy.ArmFixed: {false, false}, policy.ArmImmediate: {false, false}, mainArm: {false, true}, policy08: {true, false},
	}, gains)
}

// The doubly robust estimate needs one of its two parts to be right; neither of the others does with one alone.
func TestDoublyRobust(t *testing.T) {
	t.Parallel()
	mean := func(w *world, reward func([]person) model) (snips, robust float64) {
		trials := raced.Size(60, 30)
		for range trials {
			got, err := w.log(200).estimate(candidatePolicy(), 1, reward)
			require.NoError(t, err)
			snips += got.SNIPS.Value / float64(trials)
			robust += got.DoublyRobust.Value / float64(trials)
		}
		return snips, robust
	}
	wrong := func([]person) model { // of the reward: nobody opens what is sent at once, all open what is not sent
		q := model{map[[2]string]float64{}, map[[2]string]float64{}}
		for arm := range effect {
			q.n[[2]string{arm, ""}] = 1
		}
		q.sum[[2]string{policy.ArmControl, ""}] = 1
		return q
	}
	world := func(seed uint64) *world {
		return &world{rng: rand.New(rand.NewPCG(seed, seed)), kinds: two(evenly), effect: effect}
	}
	want := world(0).truth(candidatePolicy())

	_, robust := mean(world(1), wrong)
	require.InDelta(t, want, robust, 0.006, "a wrong model of the reward")

	lies := func(arm string, p float64) float64 {
		if arm == policy.ArmImmediate {
			return p / 5
		}
		return p
	}
	lying := world(2)
	lying.said = lies
	snips, robust := mean(lying, rewards)
	require.InDelta(t, want, robust, 0.006, "wrong propensities")
	require.Greater(t, math.Abs(want-snips), 0.02, "which weighting alone does not survive")
}

func TestWhatWasNeverDrawnIsNotEstimated(t *testing.T) {
	t.Parallel()
	w := &world{rng: rand.New(rand.NewPCG(3, 3)), kinds: two(evenly), effect: effect}
	l := w.log(300)
	p := policy.Default()
	p.Defaults.Exploration = policy.Exploration{Thresholds: []float64{1, 2}}
	_, err := l.Candidate(p, 1)
	require.ErrorContains(t, err, "50 % of its messages would be of arms that were never drawn, such as policy_2")

	p.Defaults.Exploration = policy.Exploration{Immediate: 1}
	got, err := l.Candidate(p, 1)
	require.NoError(t, err)
	require.Equal(t, 2400, got.Messages, "those of other arms count with weight 0")
	require.InDelta(t, w.truth(p), got.SNIPS.Value, 0.02)
	require.InDelta(t, 720, got.ESS, 60)

	// Drawn in the category, but under another version of the policy, for other messages.
	w.kinds[0].version, w.kinds[1] = "1", w.kinds[0]
	w.kinds[1].version, w.kinds[1].mix.Immediate = "2", 0
	_, err = w.log(600).Candidate(p, 1)
	require.ErrorContains(t, err, "50 % of its messages would be of arms that were never drawn, such as immediate in category chat under policy version 2")
}
