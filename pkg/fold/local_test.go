package fold_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/topic"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// reminders is a stage whose state is the times at which it wants to speak.
func reminders() fold.Stage[[]time.Time, time.Duration] {
	return fold.Stage[[]time.Time, time.Duration]{
		Name: "reminders",
		New:  func(string) []time.Time { return nil },
		Step: func(s []time.Time, in time.Duration, now time.Time) ([]time.Time, []fold.Effect) {
			s = append(s, now.Add(in))
			slices.SortFunc(s, time.Time.Compare)
			return s, []fold.Effect{{Topic: topic.Outcomes, ID: fmt.Sprintf("noted-%d", len(s))}}
		},
		Wake: func(s []time.Time, now time.Time) ([]time.Time, []fold.Effect) {
			var out []fold.Effect
			for len(s) > 0 && !s[0].After(now) {
				out = append(out, fold.Effect{Topic: topic.Releases, ID: s[0].Format(time.RFC3339Nano), Once: true})
				s = s[1:]
			}
			return s, out
		},
		Due: func(s []time.Time) time.Time {
			if len(s) == 0 {
				return time.Time{}
			}
			return s[0]
		},
	}
}

func TestLocalFiresInTheOrderOfTimeThenKey(t *testing.T) {
	t.Parallel()
	l := fold.NewLocal(reminders())
	require.Len(t, l.Apply("b", time.Minute, epoch), 1)
	l.Apply("c", time.Second, epoch)
	l.Apply("a", time.Minute, epoch)

	var got []string
	for key, at, ok := l.NextDue(); ok; key, at, ok = l.NextDue() {
		require.NotEmpty(t, l.WakeAt(key, at))
		got = append(got, key+" "+at.Sub(epoch).String())
	}
	require.Equal(t, []string{"c 1s", "a 1m0s", "b 1m0s"}, got)
	require.Empty(t, l.State("a"))
}

func TestLocalNeverFiresEarly(t *testing.T) {
	t.Parallel()
	l := fold.NewLocal(reminders())
	l.Apply("a", 1500*time.Microsecond, epoch)
	_, at, ok := l.NextDue()
	require.True(t, ok)
	require.Equal(t, epoch.Add(2*time.Millisecond), at, "rounded up to the millisecond of the due index")
	require.Len(t, l.WakeAt("a", at), 1)
}

func TestLocalGoesOnWhenAWakeUpDoesNotMove(t *testing.T) {
	t.Parallel()
	stage := reminders()
	stage.Wake = func(s []time.Time, _ time.Time) ([]time.Time, []fold.Effect) { return s, nil }
	l := fold.NewLocal(stage)
	l.Apply("a", 0, epoch)
	l.WakeAt("a", epoch)
	_, at, ok := l.NextDue()
	require.True(t, ok)
	require.Equal(t, epoch.Add(time.Millisecond), at)
}

func TestLocalWithoutWakeUps(t *testing.T) {
	t.Parallel()
	stage := reminders()
	stage.Wake, stage.Due = nil, nil
	l := fold.NewLocal(stage)
	l.Apply("a", time.Second, epoch)
	_, _, ok := l.NextDue()
	require.False(t, ok)
}

// Every reminder is spoken once, at its time, whatever the order in which users and times come.
func TestLocalLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := fold.NewLocal(reminders())
		want := map[string]int{}
		now := epoch
		spoken := map[string]int{}
		run := func(until time.Time) {
			last := time.Time{}
			for key, at, ok := l.NextDue(); ok && !at.After(until); key, at, ok = l.NextDue() {
				require.False(t, at.Before(last))
				last = at
				for _, e := range l.WakeAt(key, at) {
					spoken[key+e.ID]++
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pass")) * time.Millisecond)
			run(now)
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			in := time.Duration(rapid.IntRange(0, 9000).Draw(t, "in")) * time.Millisecond
			l.Apply(key, in, now)
			want[key+now.Add(in).Format(time.RFC3339Nano)]++
		}
		run(now.Add(time.Hour))
		require.Equal(t, want, spoken)
	})
}
