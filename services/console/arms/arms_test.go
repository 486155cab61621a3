package arms_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/arms"
	"github.com/kairos-push/kairos/services/console/ledger"
)

var start = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

func row(message, typ string, after time.Duration) *event.Outcome {
	o := &event.Outcome{AppID: "demo", UserID: "u1", MessageID: message, Type: typ, OccurredAt: start.Add(after)}
	if typ != event.OutcomeSent && typ != event.OutcomeDisplayed { // dispatch and phones do not know the arm
		o.Arm = "policy_" + message[:1]
	}
	return o
}

func table(rows ...*event.Outcome) []arms.Row {
	t := arms.New()
	for _, r := range rows {
		t.Add(r)
	}
	return t.Rows()
}

func TestWhatCountsOfAMessage(t *testing.T) {
	t.Parallel()
	accepted, sent := row("1", event.OutcomeAccepted, 0), row("1", event.OutcomeSent, time.Hour)
	late := row("1", event.OutcomeOpened, 3*time.Hour)
	late.AfterMS = (2 * time.Hour).Milliseconds()
	for _, tc := range []struct {
		name string
		rows []*event.Outcome
		want arms.Row
	}{
		{"held", []*event.Outcome{accepted}, arms.Row{Accepted: 1, MedianWaitMS: -1}},
		{"seen in time", []*event.Outcome{accepted, sent, row("1", event.OutcomeDisplayed, time.Hour+5*time.Minute)}, arms.Row{Accepted: 1, Sent: 1, Reached: 1}},
		{"dismissed in time", []*event.Outcome{accepted, sent, row("1", event.OutcomeDismissed, time.Hour+time.Minute)}, arms.Row{Accepted: 1, Sent: 1, Reached: 1}},
		{"seen late", []*event.Outcome{accepted, sent, row("1", event.OutcomeDisplayed, time.Hour+6*time.Minute)}, arms.Row{Accepted: 1, Sent: 1}},
		{"opened in time", []*event.Outcome{accepted, sent, row("1", event.OutcomeOpened, time.Hour+time.Minute)}, arms.Row{Accepted: 1, Sent: 1, Opened: 1, Reached: 1, Came: 1}},
		{"opened late", []*event.Outcome{accepted, sent, late}, arms.Row{Accepted: 1, Sent: 1, Opened: 1}},
		{"seen, then opened late", []*event.Outcome{accepted, sent, late, row("1", event.OutcomeDisplayed, time.Hour)}, arms.Row{Accepted: 1, Sent: 1, Opened: 1, Reached: 1}},
		{"came, and not by it", []*event.Outcome{accepted, row("1", event.OutcomeControl, time.Hour), row("1", event.OutcomeVisited, 2*time.Hour)}, arms.Row{Accepted: 1, Came: 1, MedianWaitMS: -1}},
		{"opted out", []*event.Outcome{accepted, sent, row("1", event.OutcomeDisabled, 2*time.Hour)}, arms.Row{Accepted: 1, Sent: 1, Disabled: 1}},
		{"delivered is no attention", []*event.Outcome{accepted, sent, row("1", event.OutcomeDelivered, time.Hour)}, arms.Row{Accepted: 1, Sent: 1}},
		{"sent, then accepted", []*event.Outcome{sent, accepted}, arms.Row{Accepted: 1, Sent: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := table(tc.rows...)
			require.Len(t, got, 1)
			if tc.want.Sent > 0 {
				require.InEpsilon(t, time.Hour.Milliseconds(), got[0].MedianWaitMS, 0.09)
				got[0].MedianWaitMS = 0
			}
			tc.want.Arm = "policy_1"
			require.Equal(t, tc.want, got[0])
		})
	}
	require.Empty(t, table(sent, late), "the arm of what was never accepted is not known")
}

// The order of rows does not matter, nor how often they come.
func TestRowsCountOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Custom(func(t *rapid.T) *event.Outcome {
			return row(rapid.SampledFrom([]string{"1a", "1b", "2"}).Draw(t, "message"), rapid.SampledFrom(ledger.Types).Draw(t, "type"),
				time.Duration(rapid.IntRange(0, 600).Draw(t, "after"))*time.Second)
		})).Draw(t, "rows")
		want := table(rows...)
		require.Equal(t, want, table(append(rows, rows...)...))
		require.Equal(t, want, table(rapid.Permutation(rows).Draw(t, "order")...))
	})
}

func TestForgetKeepsTheCounts(t *testing.T) {
	t.Parallel()
	tb := arms.New()
	for _, r := range []*event.Outcome{
		row("1a", event.OutcomeAccepted, 0), row("1a", event.OutcomeSent, time.Second), row("1b", event.OutcomeAccepted, 0), row("2", event.OutcomeSent, 0),
	} {
		tb.Add(r)
	}
	before := tb.Rows()
	tb.Forget(start.Add(time.Hour))
	require.Equal(t, before, tb.Rows())

	tb.Add(row("1b", event.OutcomeSent, 2*time.Hour)) // what is held is never forgotten
	require.Equal(t, 2, tb.Rows()[0].Sent)
	tb.Add(row("1a", event.OutcomeOpened, 2*time.Hour)) // what was forgotten does not count any more
	require.Zero(t, tb.Rows()[0].Opened)
	require.Len(t, tb.Rows(), 1)
}

func TestWaitsAreRightWithinABin(t *testing.T) {
	t.Parallel()
	var w arms.Waits
	require.Zero(t, w.Quantile(0.5))
	w[arms.Bin(-time.Second)]++ // of clocks that differ
	require.Less(t, w.Quantile(1), time.Second)
	for s := range 1000 {
		w[arms.Bin(time.Duration(s)*time.Second)]++
	}
	require.InEpsilon(t, 500*time.Second, w.Quantile(0.5), 0.09)
	require.InEpsilon(t, 900*time.Second, w.Quantile(0.9), 0.09)
	w[arms.Bin(1000*24*time.Hour)]++
	require.NotEqual(t, arms.Never, w.Quantile(1), "long is not never")
	w[arms.Bin(arms.Never)] += 2000
	require.Equal(t, arms.Never, w.Quantile(0.5))
}
