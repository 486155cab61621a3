package learn

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/pkg/score"
)

// crowd is the log of n people, in the order of time.
func crowd(app string, n, days int, seed uint64) []row {
	var all []row
	for i := range n {
		all = append(all, life(app, i, days, seed)...)
	}
	slices.SortStableFunc(all, func(a, b row) int { return a.at.Compare(b.at) })
	return all
}

func (l *Learner) apply(r row) {
	if r.outcome != nil {
		l.Outcome(r.outcome)
	} else {
		l.Enriched(r.enriched, r.cause)
	}
}

// play feeds rows from an instant to another, with a round every six hours.
func play(t *testing.T, l *Learner, rows []row, from, to time.Time) (last []Snapshot) {
	t.Helper()
	const every = 6 * time.Hour
	end := from.Add(every)
	for _, r := range rows {
		if r.at.Before(from) || !r.at.Before(to) {
			continue
		}
		for !r.at.Before(end) {
			last = round(t, l, end)
			end = end.Add(every)
		}
		l.apply(r)
	}
	if !end.After(to) {
		last = round(t, l, end)
	}
	return last
}

// warm rebuilds what is known at an instant, as after a restart.
func warm(l *Learner, rows []row, through time.Time) {
	var end time.Time
	l.warming = true
	for _, r := range rows {
		if r.at.Before(through.Add(-memory-testimony)) || !r.at.Before(through) {
			continue
		}
		if !r.at.Before(end) {
			l.sweep()
			end = r.at.Truncate(6 * time.Hour).Add(6 * time.Hour)
		}
		l.apply(r)
	}
	l.warming = false
}

func round(t *testing.T, l *Learner, end time.Time) []Snapshot {
	t.Helper()
	out, err := l.Round(end, Offsets{})
	require.NoError(t, err)
	return out
}

func meanLoss(m *score.Model, held []*example) float64 {
	sum := 0.0
	for _, e := range held {
		sum += e.loss(chance(m, e))
	}
	return sum / float64(len(held))
}

// Some days are learned from, eight without the race detector. On the two days after them, and so on examples that were never learned from, the learned
// model is better than the built-in one at both tasks; the README has the figures.
func TestLearnsAWorldOfAnotherFamily(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Held = 1 << 20
	l := NewLearner(limits)
	days := raced.Size(8, 4)
	rows := crowd("demo", raced.Size(150, 120), days+2, 1)
	split := monday.AddDate(0, 0, days)
	play(t, l, rows, monday, split)
	l.recall(split.Add(testimony)) // only what comes now is to judge
	l.judges = func(uint64) bool { return true }
	for _, r := range rows {
		if !r.at.Before(split) {
			l.apply(r)
		}
	}
	app := l.apps["demo"]
	for task := range numTasks {
		held := app.held[task]
		require.Greater(t, len(held), 1000, task)
		labels := 0.0
		for _, e := range held {
			labels += e.label / float64(len(held))
		}
		before, after := meanLoss(score.Default(), held), meanLoss(app.good, held)
		t.Logf("%s: %d held-back examples, mean label %.3f, log-loss built-in %.4f, learned %.4f", task, len(held), labels, before, after)
		require.Less(t, after, before-margin, task)
	}
	require.Zero(t, l.Counts.Duplicates+l.Counts.Late)
}

func TestTheSameLogGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	rows := crowd("demo", 30, 4, 2)
	end := monday.AddDate(0, 0, 4)
	once := play(t, NewLearner(DefaultLimits()), rows, monday, end)
	again := play(t, NewLearner(DefaultLimits()), rows, monday, end)
	require.Len(t, once, 2)
	require.Equal(t, once, again)

	// One that starts from a snapshot in the middle, and looks at the last hours before it, goes on as if nothing was.
	middle := monday.AddDate(0, 0, 3)
	first := NewLearner(DefaultLimits())
	records := map[string][]byte{}
	for _, s := range play(t, first, rows, monday, middle) {
		records[s.App] = s.Value
	}
	second, _, err := Load(DefaultLimits(), records)
	require.NoError(t, err)
	require.Equal(t, middle, second.Through())
	warm(second, rows, middle)
	for _, l := range []*Learner{first, second} {
		l.recall(middle)
	}
	for task := range numTasks {
		require.NotEmpty(t, first.global.held[task], task)
		require.Equal(t, first.global.held[task], second.global.held[task], "what judges is the same, %v", task)
		require.Equal(t, first.apps["demo"].held[task], second.apps["demo"].held[task], task)
	}
	resumed := play(t, second, rows, middle, end)
	for i := range once {
		require.True(t, bytes.Equal(once[i].Value, resumed[i].Value), "app %q\n%s\n%s", once[i].App, once[i].Value, resumed[i].Value)
	}
}

// A crash after some apps were published: the round is learned again, the published are left alone.
func TestACrashBetweenTwoSnapshots(t *testing.T) {
	t.Parallel()
	rows := append(crowd("one", 20, 3, 3), crowd("two", 20, 3, 4)...)
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	middle, end := monday.AddDate(0, 0, 2), monday.AddDate(0, 0, 2).Add(6*time.Hour)
	whole := NewLearner(DefaultLimits())
	records := map[string][]byte{}
	for _, s := range play(t, whole, rows, monday, middle) {
		records[s.App] = s.Value
	}
	want := play(t, whole, rows, middle, end)
	require.Len(t, want, 3)
	records[want[0].App] = want[0].Value // and then it crashed
	l, _, err := Load(DefaultLimits(), records)
	require.NoError(t, err)
	warm(l, rows, middle)
	require.Equal(t, want[1:], play(t, l, rows, middle, end))
	require.Equal(t, want[0].Version, l.apps["one"].good.Version)
}

// People who are played side by side are learned from one after the other, whatever the order of play; and what is
// learned so is as good as what is learned in the order of time.
func TestTapes(t *testing.T) {
	t.Parallel()
	const days = 6
	people := raced.Size(60, 30)
	end := monday.AddDate(0, 0, days)
	played := func() *Learner {
		l := NewLearner(DefaultLimits())
		for i := range people {
			var tape Tape
			for _, r := range life("demo", i, days, 6) {
				if r.outcome != nil {
					tape.Outcome(r.outcome)
				} else {
					tape.Enriched(r.enriched)
				}
			}
			l.Play(tape)
			if i%10 == 9 { // the last of them with the last person
				round(t, l, end.Add(time.Duration(i)*time.Hour))
			}
		}
		require.Zero(t, l.Counts.Duplicates+l.Counts.Late)
		return l
	}
	once, again := played(), played()
	require.Equal(t, once.Model("demo"), again.Model("demo"))
	require.NotEqual(t, score.DefaultVersion, once.Model("demo").Version)
	require.Equal(t, once.global.good, once.Model("unheard of"))

	byTime := NewLearner(DefaultLimits())
	play(t, byTime, crowd("demo", people, days, 6), monday, end)
	require.InEpsilon(t, byTime.Counts.Examples[taskSeen], once.Counts.Examples[taskSeen], 0.05, "tapes end when their people do")
	judge := NewLearner(DefaultLimits())
	judge.judges = func(uint64) bool { return true }
	for _, r := range crowd("demo", 20, days, 99) {
		judge.apply(r)
	}
	for task := range numTasks {
		held := judge.apps["demo"].held[task]
		require.Less(t, meanLoss(once.Model("demo"), held), meanLoss(byTime.Model("demo"), held)+margin, task)
		require.Less(t, meanLoss(once.Model("demo"), held), meanLoss(score.Default(), held), task)
	}
}
