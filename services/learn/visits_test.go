package learn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
)

func TestVisitsCountAgainstTheControlArm(t *testing.T) {
	t.Parallel()
	var v visits
	require.Zero(t, v.credit(), "they may have come anyway")
	for i := range 1000 {
		v.Ignored.count(i%10 < 3)
		v.Control.count(i%10 < 1)
	}
	require.InDelta(t, 1-0.1/0.3, v.credit(), 0.01)
	for range 1000 {
		v.Control.count(true)
	}
	require.Zero(t, v.credit())

	l := NewLearner(DefaultLimits())
	say := func(id, typ, reason string, at time.Time) {
		o := &event.Outcome{
			AppID: "demo", UserID: "ada", MessageID: id, Type: typ, Reason: reason, OccurredAt: at,
			Category: "news", Priority: event.Promotional, Arm: "policy_1",
		}
		if typ != event.OutcomeVisited {
			o.Features = event.Features{"bias": 1}
		}
		l.Outcome(o)
		l.Outcome(o) // again, after a crash
	}
	say("held out", event.OutcomeControl, "exploration", monday)
	say("held out, too", event.OutcomeControl, "exploration", monday)
	say("sent", event.OutcomeVisited, "event:app_opened", monday.Add(30*time.Minute))
	say("held out", event.OutcomeVisited, "event:app_opened", monday.Add(30*time.Minute))
	require.Len(t, l.people[event.Key("demo", "ada")].watches, 2, "of what was sent nothing is remembered")
	// The rows that close a push come when its answers no longer count, however much later that is.
	l.now = monday.AddDate(0, 0, 30)
	l.sweep()
	say("sent", event.OutcomeIgnored, "visited", l.now)
	say("sent later", event.OutcomeIgnored, "attribution_window", l.now)
	round(t, l, l.now)
	require.Equal(t, map[int]visits{score.Slot("category", "news"): {
		Ignored: share{N: 2, Came: 1}, Control: share{N: 2, Came: 1},
	}}, l.apps["demo"].visits)
}

// Of a visit after a push as much is credited to it as it brought about, however often people open or come by themselves.
func TestVisitsAreCreditedWithWhatPushesBring(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	l := NewLearner(DefaultLimits())
	l.judges = func(uint64) bool { return true }
	kinds := []struct {
		category, priority, arm string
		control, opens          float64 // shares
		alone, pushed           float64 // how often people come if there is no push, and if there is one
	}{
		{"offers", event.Promotional, "policy_0.8", 0.05, 0.02, 0.40, 0.40},
		{"news", event.Promotional, "policy_1", 0.30, 0.60, 0.10, 0.10},
		{"games", event.Promotional, "policy_1", 0.10, 0.10, 0.10, 0.30},
		{"orders", event.Transactional, "policy_1", 0, 0.10, 0.70, 0.70},
		{"games", event.Promotional, "immediate", 0, 0.10, 0.60, 0.60},
		{"games", event.Promotional, "uniform", 0, 0.10, 0.60, 0.60},
		{"games", event.Promotional, "fixed", 0, 0.10, 0.60, 0.60},
		{"games", event.Transactional, "policy_1", 0, 0.10, 0.60, 0.60},
		{"rare", event.Promotional, "policy_1", 0.001, 0.10, 0.10, 0.30}, // too few to compare with
	}
	for n := range 20_000 {
		for k, kind := range kinds {
			o := event.Outcome{
				AppID: "demo", UserID: fmt.Sprint("u", n%100), MessageID: fmt.Sprint("m", n, "-", k), Category: kind.category, CampaignID: kind.arm,
				Priority: kind.priority, Arm: kind.arm, Type: event.OutcomeIgnored, OccurredAt: monday.Add(time.Duration(n) * time.Second),
				Features: event.Features{"bias": 1},
			}
			control := rng.Float64() < kind.control
			came := rng.Float64() < kind.pushed
			switch opened := rng.Float64() < kind.opens; {
			case control:
				o.Type, o.Arm = event.OutcomeControl, "control"
				came = rng.Float64() < kind.alone
			case opened:
				o.Type = event.OutcomeOpened
			case came:
				o.Reason = "visited"
			}
			l.Outcome(&o)
			if came && control {
				visit := o
				visit.Type, visit.Features = event.OutcomeVisited, nil
				l.Outcome(&visit)
			}
		}
	}
	l.recall(l.now)
	slot := func(kind int) []int {
		k := &kinds[kind]
		return messageSlots(&event.Outcome{Category: k.category, CampaignID: k.arm, Priority: k.priority}, "")
	}
	for k, kind := range kinds {
		credited := 0.0
		for _, e := range l.apps["demo"].held[taskOpen] {
			if slices.Equal(e.slots, slot(k)) && e.label < 1 {
				credited = max(credited, e.label)
			}
		}
		want := 0.0
		if kind.arm == "policy_1" && kind.category == "games" && kind.priority == event.Promotional {
			want = 1 - kind.alone/kind.pushed
		}
		require.InDelta(t, want, credited, 0.08, "%+v", kind)
	}
}

// A sender who makes up a category a message does not fill the memory, nor a snapshot; the known ones stay.
func TestCategoriesAreBounded(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	for n := range 2 * maxCategories {
		for k := range 3 {
			category := fmt.Sprint("c", n)
			if k > 0 {
				category = "news"
			}
			l.Outcome(&event.Outcome{
				AppID: "demo", UserID: "ada", MessageID: fmt.Sprint(n, "-", k), Category: category, Priority: event.Promotional, Arm: "policy_1",
				Type: event.OutcomeIgnored, OccurredAt: monday, Features: event.Features{"bias": 1},
			})
		}
	}
	round(t, l, monday)
	require.LessOrEqual(t, len(l.apps["demo"].visits), maxCategories)
	require.InDelta(t, 4*maxCategories, l.apps["demo"].visits[score.Slot("category", "news")].Ignored.N, 0)
}
