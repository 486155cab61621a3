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
		b.Add(r)
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

func TestGroupsAreApart(t *testing.T) {
	t.Parallel()
	b := ledger.New()
	b.Add(row("m", "accepted"))
	other := row("m", "accepted")
	other.AppID = "shop"
	b.Add(other)
	rows := b.Rows()
	require.Len(t, rows, 2)
	require.Equal(t, ledger.Group{AppID: "demo", CampaignID: "spring"}, rows[0].Group)
	require.Equal(t, 1, rows[1].Accepted)
}

func TestForgetKeepsTheCounts(t *testing.T) {
	t.Parallel()
	b := ledger.New()
	for _, r := range []*event.Outcome{row("a", "accepted"), row("a", "sent"), row("b", "accepted")} {
		b.Add(r)
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
