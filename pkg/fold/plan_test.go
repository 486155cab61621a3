package fold

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// behind is a partition whose steps tell how long before now they were made.
type behind struct {
	*partition[*book, order]
	t     *testing.T
	keys  []string
	users map[string]*user[*book]
	now   time.Time
	times []time.Duration
}

func newBehind(t *testing.T) *behind {
	stage := orders()
	b := &behind{
		t: t, keys: usersIn(thePartition, thePartitions, 2), users: map[string]*user[*book]{},
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	step := stage.Step
	stage.Step = func(s *book, o order, at time.Time) (*book, []Effect) {
		b.times = append(b.times, b.now.Sub(at))
		return step(s, o, at)
	}
	fences := state.Fences{}
	for _, k := range b.keys {
		fences[state.Bucket(k)] = &state.Fence{}
	}
	b.partition = newPartition(&stage, thePartition, 10, fences)
	for _, k := range b.keys {
		u, err := b.unpack(k, nil)
		require.NoError(t, err)
		b.users[k] = u
	}
	return b
}

func (b *behind) cause(n int) stream.Cause {
	return stream.Cause{Topic: "orders", Partition: thePartition, Offset: int64(n)}
}

func (b *behind) came(user, n int, ago time.Duration) input[order] {
	rec := stream.Record{Time: b.now.Add(-ago)}
	return input[order]{rec: &rec, key: b.keys[user], value: order{N: n, Item: "i"}, source: b.cause(n)}
}

// apply says how long before now each input is applied.
func (b *behind) apply(inputs ...input[order]) []time.Duration {
	b.t.Helper()
	b.times = nil
	_, err := b.partition.apply(batch[order]{inputs: inputs}, b.users, b.now, "")
	require.NoError(b.t, err)
	return b.times
}

// An owner that is behind finds an input, and after it a cancel that was there before what it forbids was due.
func TestWhoIsBehindDecidesNothingLate(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	require.Equal(t, []time.Duration{7 * time.Second, 0, time.Second, 0}, b.apply(
		b.came(0, 1, 9*time.Second), b.came(1, 1, 8*time.Second), b.came(0, 2, 7*time.Second), b.came(0, 3, time.Second)))

	// What was fetched later came earlier than the last step: time does not go back.
	require.Equal(t, []time.Duration{0, 0}, b.apply(b.came(0, 4, 6*time.Second), b.came(0, 5, 5*time.Second)))
}

// The user has left the cache, or has another owner, and the next input came before the last step: a replay of both would apply
// it after that, too.
func TestTimeDoesNotGoBackWithWhoHoldsTheState(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	later := func() {
		packed, err := b.pack(b.users[b.keys[0]], 0)
		require.NoError(t, err)
		b.users[b.keys[0]], err = b.unpack(b.keys[0], packed.Blob)
		require.NoError(t, err)
	}
	require.Equal(t, []time.Duration{0}, b.apply(b.came(0, 1, 9*time.Second)))
	later()
	require.Equal(t, []time.Duration{0, 0}, b.apply(b.came(0, 2, 8*time.Second), b.came(0, 3, 7*time.Second)))

	later()
	b.now = b.now.Add(-time.Hour)
	require.Equal(t, []time.Duration{7 * time.Second, 0}, b.apply(b.came(0, 4, 8*time.Second), b.came(0, 5, 7*time.Second)),
		"the clock of the owner before was an hour ahead")
}

// An owner lost Redis when it had published the first rows of an input. The next one finds more input behind it.
func TestWhoAppliesAnInputAgainStaysBehindWhatWasSaid(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	said := func(n int, ago time.Duration) *stream.Record {
		return &stream.Record{Key: []byte(b.keys[0]), Time: b.now.Add(-ago), Headers: []stream.Header{
			{Key: stream.HeaderSource, Value: []byte(sourceName(b.stage.Name))},
			{Key: stream.HeaderCause, Value: []byte(b.cause(n).String())},
		}}
	}
	require.NoError(t, b.heard(said(1, 3*time.Second)))
	require.NoError(t, b.heard(said(1, time.Second)), "a wake-up later")
	require.Equal(t, []time.Duration{3 * time.Second, 0}, b.apply(b.came(0, 1, 9*time.Second), b.came(0, 2, 7*time.Second)))

	b = newBehind(t)
	b.fences[state.Bucket(b.keys[0])].Marks = map[string]int64{state.Mark("orders", thePartition): 2}
	require.NoError(t, b.heard(said(1, 3*time.Second)))
	require.Empty(t, b.said, "it was stored: nobody applies it again")
}

// WakeAll brings everybody's time forward, to be looked at. It is called at each new model, and there may be a million users.
func TestWhoIsNotDueIsNotWritten(t *testing.T) {
	t.Parallel()
	b := newBehind(t)
	late, due := b.users[b.keys[0]], b.users[b.keys[1]]
	late.state.Held["i"], due.state.Held["i"] = b.now.Add(time.Hour).UnixMilli(), b.now.UnixMilli()
	look := func() *plan[*book] {
		for _, k := range b.keys {
			b.due.set(k, b.now.Add(2*time.Hour).UnixMilli()) // as it was when they were stored
		}
		b.due.hasten(b.now, 0)
		keys := b.takeDue(b.now, wakeBatch)
		require.ElementsMatch(t, b.keys, keys)
		pl, err := b.wake(keys, b.users, b.now, "")
		require.NoError(t, err)
		b.stored(pl)
		b.spoken(pl)
		return pl
	}
	require.Equal(t, []*user[*book]{due}, look().users)
	next, _ := b.due.next()
	require.Equal(t, dueItem{late.key, b.now.Add(time.Hour).UnixMilli()}, next, "at the time that is the right one now")
	require.NotContains(t, b.dirty, late.key)

	left, err := b.pending(Effect{Topic: topic.Releases, ID: "1", Value: verdict{}}, stream.Cause{}, "", b.now)
	require.NoError(t, err)
	late.outbox = []state.Pending{left} // an earlier owner stored it, and did not come to say it
	pl := look()
	require.Equal(t, []*user[*book]{late}, pl.users)
	require.Len(t, pl.publish, 1)
}
