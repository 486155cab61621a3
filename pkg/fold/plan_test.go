package fold

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// An owner that is behind finds an input, and after it a cancel that was there before what it forbids was due.
func TestWhoIsBehindDecidesNothingLate(t *testing.T) {
	t.Parallel()
	stage := orders()
	var times []time.Duration
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	step := stage.Step
	stage.Step = func(b *book, o order, at time.Time) (*book, []Effect) {
		times = append(times, now.Sub(at))
		return step(b, o, at)
	}
	keys := usersIn(thePartition, thePartitions, 2)
	fences := state.Fences{}
	for _, k := range keys {
		fences[state.Bucket(k)] = &state.Fence{}
	}
	p := newPartition(&stage, thePartition, 10, fences)
	came := func(user, n int, ago time.Duration) input[order] {
		rec := stream.Record{Time: now.Add(-ago)}
		return input[order]{rec: &rec, key: keys[user], value: order{N: n, Item: "i"}, source: stream.Cause{Offset: int64(n)}}
	}
	users := map[string]*user[*book]{}
	for _, k := range keys {
		u, err := p.unpack(k, nil)
		require.NoError(t, err)
		users[k] = u
	}
	_, err := p.apply(batch[order]{inputs: []input[order]{
		came(0, 1, 9*time.Second), came(1, 1, 8*time.Second), came(0, 2, 7*time.Second), came(0, 3, time.Second),
	}}, users, now, "")
	require.NoError(t, err)
	require.Equal(t, []time.Duration{7 * time.Second, 0, time.Second, 0}, times)

	// What was fetched later came earlier than the last step: time does not go back.
	times = nil
	_, err = p.apply(batch[order]{inputs: []input[order]{came(0, 4, 6*time.Second), came(0, 5, 5*time.Second)}}, users, now, "")
	require.NoError(t, err)
	require.Equal(t, []time.Duration{0, 0}, times)
}
