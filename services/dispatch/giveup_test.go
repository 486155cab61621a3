package dispatch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
)

// TestAPartitionThatIsGivenUpUsesUpNoRate: a partition leaves and comes back with all that is queued. An app with a rate is
// served as if it had never been away.
func TestAPartitionThatIsGivenUpUsesUpNoRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(100)
		limiter := rate.NewLimiter(1, 1)
		o.d.queue.limiter = func(string) *rate.Limiter { return limiter }
		for offset := range int64(50) {
			require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(offset, "a")}))
		}
		require.Equal(t, 50, o.d.queue.depth(Bulk))
		o.stop()
		require.Zero(t, o.d.queue.depth(Bulk))
		again := o.d.owner(&stream.Partition{})
		require.NoError(t, again.takeAll(t.Context(), []stream.Record{logged(0, "a")}))
		begun := time.Now()
		got, ok := o.d.queue.pop(t.Context(), Bulk)
		require.True(t, ok)
		require.Same(t, again, got.rel.part)
		require.Zero(t, time.Since(begun))
	})
}

// TestWhatComesAfterAPartitionIsGivenUpIsDropped: an attempt under way, or a retry just due, may hand its push on later.
func TestWhatComesAfterAPartitionIsGivenUpIsDropped(t *testing.T) {
	t.Parallel()
	o := newOwner(100)
	o.stop()
	late := &task{rel: &live{release: event.Release{AppID: "a"}, part: o}}
	o.d.later.add(late, t0)
	o.d.queue.push(late)
	require.Zero(t, o.d.later.count())
	require.Zero(t, o.d.queue.depth(Urgent))
}

// TestForgettingKeepsTheTurnsOfOthers: apps and channels of which nothing is left are out of the turns; the others go on.
func TestForgettingKeepsTheTurnsOfOthers(t *testing.T) {
	t.Parallel()
	gone := newOwner(1)
	q := gone.d.queue
	push := func(p *owned, app, channel string) {
		tk := job(app, Bulk)
		tk.target.Channel = channel
		if p != nil {
			tk.rel.part = p
		}
		q.push(tk)
	}
	for range 3 {
		push(gone, "a", "apns")
		push(gone, "b", "apns")
		push(nil, "b", "fcm")
		push(nil, "c", "apns")
		push(gone, "c", "apns")
	}
	first, _ := q.pop(t.Context(), Bulk)
	second, _ := q.pop(t.Context(), Bulk)
	require.Equal(t, "a b", first.rel.release.AppID+" "+second.rel.release.AppID)
	gone.stop()
	require.Equal(t, 6, q.depth(Bulk))
	require.Equal(t, []string{"c", "b", "c", "b", "c", "b"}, popAll(q, Bulk))
}
