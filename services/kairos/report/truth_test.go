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

// world makes logs whose truth is known: people open more or less than others, and more of chat than of news; an arm
// multiplies that.
type world struct {
	rng  *rand.Rand
	mix  policy.Exploration
	said func(arm string, p float64) float64 // the propensity that the row claims; nil: the true one
}

var appeal = map[string]float64{"chat": 0.4, "news": 0.1}

var effect = map[string]float64{policy.ArmImmediate: 0.5, policy.ArmUniform: 0.25, policy.ArmControl: 0, mainArm: 1}

// truth is the open rate under a mix of arms.
func truth(mix policy.Exploration) float64 {
	sum := 0.0
	for arm, share := range policy.Shares(mix, event.Promotional) {
		sum += share * effect[arm]
	}
	return sum * (appeal["chat"] + appeal["news"]) / 2
}

// log of so many people with eight messages each.
func (w *world) log(people int) *Log {
	l := NewLog()
	for i := range people {
		user := fmt.Sprintf("u%d", i)
		taste := 0.5 + w.rng.Float64() // of mean 1
		for k := range 8 {
			category := []string{"chat", "news"}[k%2]
			m := &event.Message{MessageID: fmt.Sprintf("%d-%d", k, w.rng.Int64()), UserID: user, Priority: event.Promotional, Category: category}
			draw := policy.Explore(w.mix, 0, "a", user, m)
			row := func(typ string, after time.Duration) {
				o := &event.Outcome{
					AppID: "a", UserID: user, MessageID: m.MessageID, Category: category, Priority: m.Priority, Type: typ,
					OccurredAt: start.Add(after), Arm: draw.Arm, Propensity: draw.Propensity, AfterMS: after.Milliseconds(),
				}
				if w.said != nil {
					o.Propensity = w.said(draw.Arm, draw.Propensity)
				}
				l.Outcome(o)
			}
			row(event.OutcomeAccepted, 0)
			came := w.rng.Float64() < 0.1 // anyway
			if draw.Arm != policy.ArmControl {
				row(event.OutcomeSent, 0)
			}
			if w.rng.Float64() < taste*appeal[category]*effect[draw.Arm] {
				row(event.OutcomeOpened, time.Minute)
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

// Of 60 logs of one world, about 57 intervals hold the truth.
func TestIntervalsOfAReportHoldTheTruth(t *testing.T) {
	t.Parallel()
	const trials = 60
	held := map[string]int{}
	w := &world{rng: rand.New(rand.NewPCG(4, 2)), mix: evenly}
	within := func(what string, iv stats.Interval, truth float64) {
		if iv.Low <= truth && truth <= iv.High {
			held[what]++
		}
	}
	mean := (appeal["chat"] + appeal["news"]) / 2
	for trial := range trials {
		l := w.log(200)
		for _, a := range l.Arms(uint64(trial)) {
			if a.Name != mainArm {
				continue
			}
			within("opens", a.Opens, mean)
			within("over immediate", a.OverImmediate, mean/2)
			within("over control", a.OverControl, mean*0.9) // of those who open, a tenth would have come anyway
		}
		got, err := l.Candidate(candidatePolicy(), uint64(trial))
		require.NoError(t, err)
		within("SNIPS", got.SNIPS, truth(candidate))
		within("doubly robust", got.DoublyRobust, truth(candidate))
	}
	require.Len(t, held, 5)
	for what, n := range held {
		require.InDelta(t, 0.95*trials, n, 5, what)
	}
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
	want := truth(candidate)

	_, robust := mean(&world{rng: rand.New(rand.NewPCG(1, 1)), mix: evenly}, wrong)
	require.InDelta(t, want, robust, 0.006, "a wrong model of the reward")

	lies := func(arm string, p float64) float64 {
		if arm == policy.ArmImmediate {
			return p / 5
		}
		return p
	}
	snips, robust := mean(&world{rng: rand.New(rand.NewPCG(2, 2)), mix: evenly, said: lies}, rewards)
	require.InDelta(t, want, robust, 0.006, "wrong propensities")
	require.Greater(t, math.Abs(want-snips), 0.02, "which weighting alone does not survive")
}

func TestWhatWasNeverDrawnIsNotEstimated(t *testing.T) {
	t.Parallel()
	l := (&world{rng: rand.New(rand.NewPCG(3, 3)), mix: evenly}).log(300)
	p := policy.Default()
	p.Defaults.Exploration = policy.Exploration{Thresholds: []float64{1, 2}}
	_, err := l.Candidate(p, 1)
	require.ErrorContains(t, err, "50 % of its messages would be of arms that were never drawn, such as policy_2")

	p.Defaults.Exploration = policy.Exploration{Immediate: 1}
	got, err := l.Candidate(p, 1)
	require.NoError(t, err)
	require.Equal(t, 2400, got.Messages, "those of other arms count with weight 0")
	require.InDelta(t, truth(p.Defaults.Exploration), got.SNIPS.Value, 0.02)
	require.InDelta(t, 720, got.ESS, 60)
}
