package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/ledger"
)

var t0 = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

// whole is the begin of a log of which nothing is missing.
var whole time.Time

func outcome(message, typ string, after time.Duration) *event.Outcome {
	return &event.Outcome{
		OutcomeID: message + typ, AppID: "demo", UserID: "u1", MessageID: message, CampaignID: "spring",
		Type: typ, OccurredAt: t0.Add(after), LocalTime: "2026-05-04T11:00:00", TimeZone: "Europe/Berlin",
	}
}

func decision(message, action string, after time.Duration) *event.Decision {
	return &event.Decision{
		DecisionID: fmt.Sprint(message, action, after), AppID: "demo", UserID: "u1", MessageID: message, Trigger: "signal", Action: action,
		OccurredAt: t0.Add(after), NextWakeAt: t0.Add(after + time.Hour), Score: 0.2, ValueOfWaiting: 0.3, Why: "later is better",
		Gates: []string{"quiet_hours"},
	}
}

func TestViewFollowsALife(t *testing.T) {
	t.Parallel()
	v := newView(10)
	v.outcome(outcome("m", "accepted", 0), whole)
	v.outcome(outcome("m", "held", time.Second), whole)
	v.decision(decision("m", "hold", time.Second))

	d, ok := v.lookup("demo", "", "m")
	require.True(t, ok)
	require.True(t, d.Held)
	require.Equal(t, "held", d.State)
	require.Equal(t, t0.Add(time.Second+time.Hour), d.NextWakeAt)
	require.Equal(t, []string{"quiet_hours"}, d.Gates)
	require.Equal(t, "later is better", d.Why)

	v.outcome(outcome("m", "sent", time.Minute), whole)
	v.outcome(outcome("m", "opened", 2*time.Minute), whole)
	v.outcome(outcome("m", "delivered", 3*time.Minute), whole) // late: it says less
	v.outcome(outcome("m", "sent", time.Minute), whole)        // the same row again
	d, _ = v.lookup("demo", "u1", "m")
	require.False(t, d.Held)
	require.Equal(t, "opened", d.State)
	require.Equal(t, t0.Add(time.Minute), d.EndedAt)
	require.Zero(t, d.NextWakeAt)
	require.Empty(t, d.Gates)
	require.Len(t, d.Outcomes, 5)
	require.Equal(t, 1, ledger.Total(v.book.Rows()).Ended["sent"])

	_, ok = v.lookup("shop", "", "m")
	require.False(t, ok, "another app's message is not found")
	_, ok = v.lookup("demo", "u2", "m")
	require.False(t, ok)
}

func TestViewDoesNotExplainAnEndingByAHold(t *testing.T) {
	t.Parallel()
	v := newView(10)
	v.outcome(outcome("m", "accepted", 0), whole)
	v.decision(decision("m", "hold", time.Second))
	v.outcome(outcome("m", "cancelled", time.Minute), whole)
	d, _ := v.lookup("demo", "u1", "m")
	require.Empty(t, d.Why)
	require.Len(t, d.Decisions, 1)
}

func TestViewRevisionReopens(t *testing.T) {
	t.Parallel()
	v := newView(10)
	v.outcome(outcome("m", "accepted", 0), whole)
	v.outcome(outcome("m", "released", time.Second), whole)
	revised := outcome("m", "held", 2*time.Second)
	revised.Revision, revised.OutcomeID, revised.Reason = 1, "r1", "revised"
	v.outcome(revised, whole)
	d, _ := v.lookup("demo", "", "m")
	require.Equal(t, "held", d.State)
	require.Equal(t, "revised", d.Reason)
}

func TestViewIsBounded(t *testing.T) {
	t.Parallel()
	v := newView(3)
	v.outcome(outcome("held", "accepted", 0), whole)
	for i := range 10 {
		id := fmt.Sprint("m", i)
		v.outcome(outcome(id, "accepted", 0), whole)
		v.outcome(outcome(id, "sent", 0), whole)
	}
	require.Len(t, v.byKey, 3)
	require.Len(t, v.byID, 3)
	require.Equal(t, 3, v.changed.Len())
	_, ok := v.lookup("demo", "", "held")
	require.True(t, ok, "what ended goes before what is held")
	_, ok = v.lookup("demo", "", "m9")
	require.True(t, ok)
	require.Equal(t, 11, ledger.Total(v.book.Rows()).Accepted, "the counts stay")

	v = newView(2)
	for i := range 5 {
		v.outcome(outcome(fmt.Sprint("m", i), "accepted", 0), whole)
	}
	require.Len(t, v.byKey, 2)
	_, ok = v.lookup("demo", "", "m4")
	require.True(t, ok, "the newest stays when all are held")
	for i := range 3 * maxDecisions {
		v.decision(decision("m4", "hold", time.Duration(i)))
	}
	d, _ := v.lookup("demo", "", "m4")
	require.Len(t, d.Decisions, maxDecisions)
	require.Equal(t, t0.Add(3*maxDecisions-1), d.Decisions[maxDecisions-1].OccurredAt)
}

func TestViewSince(t *testing.T) {
	t.Parallel()
	v := newView(10)
	v.outcome(outcome("a", "accepted", 0), whole)
	v.outcome(outcome("b", "accepted", 0), whole)
	seq := v.seq
	v.outcome(outcome("c", "accepted", 0), whole)
	v.outcome(outcome("a", "held", 0), whole)
	got := v.since(seq, 10)
	require.Len(t, got, 2)
	require.Equal(t, "a", got[0].MessageID)
	require.Equal(t, "c", got[1].MessageID)
	require.Len(t, v.since(0, 2), 2)
	require.Empty(t, v.since(v.seq, 10))
}
