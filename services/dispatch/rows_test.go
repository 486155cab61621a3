package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

// TestTheRowThatEndsAReleaseIsTheSameInAnyOrder: after a crash its ends are said again, in the order in which they come then.
func TestTheRowThatEndsAReleaseIsTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	end := func(attempt int, typ string, after time.Duration) Record {
		return Record{Attempt: attempt}.Finish(End{Type: typ, Status: event.ResultFailed, Reason: typ, At: t0.Add(after)})
	}
	ends := map[string]Record{
		"a": end(1, event.OutcomeProviderRejected, 3*time.Second),
		"b": end(4, event.OutcomeExpired, time.Second),
		"c": end(2, event.OutcomeExpired, 2*time.Second),
	}
	for _, order := range []string{"abc", "acb", "bac", "bca", "cab", "cba"} {
		var said Tally
		var rows []*event.Outcome
		for i := range order {
			id := order[i : i+1]
			_, rows = said.Say(release(), event.Target{DeviceID: id, Channel: "apns"}, ends[id], i == len(order)-1)
		}
		got := rows[len(rows)-1]
		require.Equal(t, event.OutcomeExpired, got.Type, order)
		require.Equal(t, "b", got.DeviceID, order)
		require.Equal(t, 4, got.Attempt, order)
		require.Equal(t, event.OutcomeID("demo", "u1", "m1", 0, event.OutcomeExpired, "b", 4), got.OutcomeID, order)
		require.Equal(t, t0.Add(3*time.Second), got.OccurredAt, "when the last one ended")
		require.Equal(t, got.OccurredAt.Sub(release().ReleasedAt).Milliseconds(), got.AfterMS)
	}
}
