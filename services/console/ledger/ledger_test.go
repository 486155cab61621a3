package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/ledger"
)

var start = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

func row(message, typ string) *event.Outcome {
	return &event.Outcome{AppID: "demo", UserID: "u1", MessageID: message, CampaignID: "spring", Type: typ, OccurredAt: start}
}

func book(rows ...*event.Outcome) ledger.Row {
	b := ledger.New()
	for _, r := range rows {
		b.Add(r, time.Time{})
	}
	return ledger.Total(b.Rows())
}

func TestLedger(t *testing.T) {
	t.Parallel()
	type counts = map[string]int
	for _, tc := range []struct {
		name string
		rows []*event.Outcome
		want ledger.Row
		ok   bool
	}{
		{
			"held",
			[]*event.Outcome{row("m", "accepted"), row("m", "held"), row("m", "held")},
			ledger.Row{Accepted: 1, Held: 1, Ended: counts{}, After: counts{}},
			true,
		},
		{
			"released is not ended",
			[]*event.Outcome{row("m", "accepted"), row("m", "released")},
			ledger.Row{Accepted: 1, Held: 1, Ended: counts{}, After: counts{}},
			true,
		},
		{
			"sent, then opened twice",
			[]*event.Outcome{row("m", "accepted"), row("m", "sent"), row("m", "opened"), row("m", "opened")},
			ledger.Row{Accepted: 1, Ended: counts{"sent": 1}, After: counts{"opened": 1}},
			true,
		},
		{
			"the same rows again",
			[]*event.Outcome{row("m", "accepted"), row("m", "sent"), row("m", "accepted"), row("m", "sent")},
			ledger.Row{Accepted: 1, Ended: counts{"sent": 1}, After: counts{}},
			true,
		},
		{
			"two devices, two endings",
			[]*event.Outcome{row("m", "accepted"), row("m", "sent"), row("m", "failed")},
			ledger.Row{Accepted: 1, Ended: counts{"sent": 1}, After: counts{}},
			true,
		},
		{
			"a provider's refusal of one attempt ends nothing",
			[]*event.Outcome{row("m", "accepted"), row("m", "provider_rejected")},
			ledger.Row{Accepted: 1, Held: 1, Ended: counts{}, After: counts{"provider_rejected": 1}},
			true,
		},
		{
			"cancelled and sent exclude each other",
			[]*event.Outcome{row("m", "accepted"), row("m", "cancelled"), row("m", "sent")},
			ledger.Row{Accepted: 1, Ended: counts{"cancelled": 1}, After: counts{}, Contradictions: 1},
			false,
		},
		{
			"never accepted",
			[]*event.Outcome{row("m", "sent")},
			ledger.Row{Ended: counts{}, After: counts{}, Orphans: 1},
			false,
		},
		{
			"forgotten, and opened after all",
			[]*event.Outcome{row("m", "opened")},
			ledger.Row{Ended: counts{}, After: counts{"opened": 1}},
			true,
		},
		{
			"accepted after all",
			[]*event.Outcome{row("m", "sent"), row("m", "accepted")},
			ledger.Row{Accepted: 1, Ended: counts{"sent": 1}, After: counts{}},
			true,
		},
		{
			"a refused record is no message",
			[]*event.Outcome{row("m", "rejected")},
			ledger.Row{Ended: counts{}, After: counts{}},
			true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := book(tc.rows...)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.ok, got.Balanced())
		})
	}
}

// What retention has removed is no fault: neither of a message that was accepted before the log begins and ended since, nor
// of one that was under way then.
func TestALogWhoseStartIsGone(t *testing.T) {
	t.Parallel()
	begins := ledger.Begins{}
	require.Zero(t, begins.Of(0, 0, start))
	require.Equal(t, start, begins.Of(1, 17, start))
	require.Equal(t, start, begins.Of(1, 18, start.Add(time.Second)), "the first record says it")
	late := func(message, typ string, after, hold time.Duration) *event.Outcome {
		o := row(message, typ)
		o.OccurredAt, o.HoldMS = start.Add(after), hold.Milliseconds()
		return o
	}
	tried := late("tried for days", event.OutcomeFailed, 100*time.Hour, time.Second)
	tried.AfterMS = (101 * time.Hour).Milliseconds()
	b := ledger.New()
	for _, o := range []*event.Outcome{
		tried,
		late("long", event.OutcomeReleased, 48*time.Hour, 50*time.Hour),
		late("long", event.OutcomeSent, 49*time.Hour, 50*time.Hour), // dispatch was away for an hour
		late("tried", event.OutcomeFailed, 6*time.Hour, time.Second),
		late("between", event.OutcomeSent, time.Minute, time.Second),
		late("revised", event.OutcomeHeld, 48*time.Hour, 50*time.Hour),
		late("lost", event.OutcomeSent, 48*time.Hour, 2*time.Hour),
		late("known", event.OutcomeAccepted, 48*time.Hour, 0),
	} {
		b.Add(o, begins.Of(1, 17, start))
	}
	b.Add(late("whole", event.OutcomeSent, time.Minute, time.Second), begins.Of(0, 0, start))
	got := ledger.Total(b.Rows())
	require.Equal(t, ledger.Row{Accepted: 1, Held: 1, BeforeLog: 5, Orphans: 2, Ended: map[string]int{}, After: map[string]int{}}, got)
	require.False(t, got.Balanced())
}

func TestGroupsAreApart(t *testing.T) {
	t.Parallel()
	b := ledger.New()
	b.Add(row("m", "accepted"), time.Time{})
	other := row("m", "accepted")
	other.AppID = "shop"
	b.Add(other, time.Time{})
	rows := b.Rows()
	require.Len(t, rows, 2)
	require.Equal(t, ledger.Group{AppID: "demo", CampaignID: "spring"}, rows[0].Group)
	require.Equal(t, 1, rows[1].Accepted)
}

func TestForgetKeepsTheCounts(t *testing.T) {
	t.Parallel()
	b := ledger.New()
	for _, r := range []*event.Outcome{row("a", "accepted"), row("a", "sent"), row("b", "accepted")} {
		b.Add(r, time.Time{})
	}
	before := b.Rows()
	b.Forget(start.Add(time.Hour))
	require.Equal(t, before, b.Rows())
	require.True(t, b.Held(row("b", "")), "what is held is never forgotten")
	require.False(t, b.Held(row("a", "")))
}

// Whatever the rows are and however often each is repeated, what was accepted is held or has ended, once.
func TestConservation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Custom(func(t *rapid.T) *event.Outcome {
			return row(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "message"), rapid.SampledFrom(ledger.Types).Draw(t, "type"))
		})).Draw(t, "rows")
		accepted := map[string]bool{}
		var twice []*event.Outcome
		for _, r := range rows {
			if r.Type == event.OutcomeAccepted {
				accepted[r.MessageID] = true
			}
			twice = append(twice, r, r)
		}
		got := book(rows...)
		require.Equal(t, len(accepted), got.Accepted)
		require.Equal(t, got.Accepted, got.Held+got.EndedTotal())
		require.Equal(t, got, book(twice...))
	})
}
