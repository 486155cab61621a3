package dispatch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
)

// newOwner is a partition of a dispatch with room for so many releases, and nobody who works.
func newOwner(room int) *owned {
	d := &Dispatch{cfg: Config{ParkAfter: time.Hour}, metrics: newMetrics(nil, nil), routes: &routes{}, windows: [lanes]*window{newWindow(room), newWindow(room)}}
	d.queue = newQueue(d.clock, func(string) *rate.Limiter { return nil }, enough)
	d.later = newLater(d.clock, d.queue.push)
	return d.owner(&stream.Partition{})
}

// logged is a bulk release of an app, as it is read at an offset.
func logged(offset int64, app string) stream.Record {
	id := fmt.Sprint(offset)
	value, err := event.Encode(event.Release{
		ReleaseID: id, AppID: app, UserID: id, Deadline: t0.Add(time.Hour), ReleasedAt: t0,
		Message: event.Message{MessageID: id, UserID: id, Priority: event.Promotional},
		Targets: []event.Target{{DeviceID: "d", Channel: "apns"}},
	})
	if err != nil {
		panic(err)
	}
	return stream.Record{Offset: offset, Key: []byte(event.Key(app, id)), Value: value}
}

// TestABacklogEnds: once what was passed over has been read again, the window decides alone, and an app that overflowed it is
// read as any other.
func TestABacklogEnds(t *testing.T) {
	t.Parallel()
	o := newOwner(4)
	for offset := range int64(6) {
		require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(offset, "a")}))
	}
	require.Len(t, o.byID, 2, "of four, one app gets two")
	require.Equal(t, int64(2), o.wm.behind)
	for offset := int64(2); offset < 6; offset++ {
		require.False(t, o.caughtUp(offset))
		o.finish(o.byID[fmt.Sprint(offset-2)])
		require.NoError(t, o.retake(t.Context(), new(logged(offset, "a"))))
	}
	require.True(t, o.caughtUp(6))
	require.Equal(t, int64(4), o.wm.mark())
	o.finish(o.byID["4"])
	require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(6, "a")}))
	require.Contains(t, o.byID, "6")
	require.Equal(t, int64(-1), o.wm.behind)
}

// TestABacklogHoldsTheLogByItself: what it comes to next is a release that was taken on long ago, and is done with before it
// is read again. What was passed over behind that still has to be read.
func TestABacklogHoldsTheLogByItself(t *testing.T) {
	t.Parallel()
	o := newOwner(4)
	for offset, app := range []string{"a", "a", "a", "b", "a"} {
		require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(int64(offset), app)}))
	}
	o.finish(o.byID["0"])
	require.NoError(t, o.retake(t.Context(), new(logged(2, "a"))))
	for _, id := range []string{"1", "2", "3"} {
		o.finish(o.byID[id])
	}
	require.Empty(t, o.byID)
	require.Equal(t, int64(3), o.wm.mark())
}

// TestALongBacklogKeepsNothingOfOtherApps: one app goes on slowly, and of the other a hundred times as many come and end.
func TestALongBacklogKeepsNothingOfOtherApps(t *testing.T) {
	t.Parallel()
	o := newOwner(4)
	for offset := range int64(3) {
		require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(offset, "a")}))
	}
	require.Equal(t, int64(2), o.wm.behind)
	for offset := int64(3); offset < 20_000; offset++ {
		require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(offset, "b")}))
		o.finish(o.byID[fmt.Sprint(offset)])
	}
	require.Less(t, len(o.wm.heap), 2*leastClean)
	require.Equal(t, int64(0), o.wm.mark())
	o.finish(o.byID["0"])
	require.NoError(t, o.retake(t.Context(), new(logged(2, "a"))))
	require.NoError(t, o.retake(t.Context(), new(logged(3, "b"))))
	require.NotContains(t, o.byID, "3", "it was not passed over")
	o.finish(o.byID["1"])
	require.Equal(t, int64(2), o.wm.mark())
}

// TestTheLogIsNotCommittedPastWhatIsNotDone: two apps, a window that is too small, releases that end and are parked in any
// order, and a partition that is given up at any time.
func TestTheLogIsNotCommittedPastWhatIsNotDone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOwner(6)
		o.d.cfg.MaxParked = 1000
		gone, cancel := context.WithCancel(context.Background())
		cancel() // whoever would wait for room gets none
		var log []stream.Record
		done := map[string]bool{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			var working []*live
			for offset := range log {
				if l := o.byID[fmt.Sprint(offset)]; l != nil {
					working = append(working, l)
				}
			}
			switch what := rapid.SampledFrom([]string{"take", "retake", "retake", "done", "park", "stop"}).Draw(t, "what"); {
			case what == "take" && !o.stopped.Load():
				r := logged(int64(len(log)), rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "app"))
				log = append(log, r)
				require.NoError(t, o.takeAll(gone, []stream.Record{r}))
			case what == "retake" && o.wm.behind >= 0 && o.wm.behind < int64(len(log)):
				if end := int64(len(log)); o.retake(gone, &log[o.wm.behind]) == nil && o.wm.behind == end {
					require.True(t, o.caughtUp(end))
				}
			case what == "stop" && !o.stopped.Load():
				o.stop()
			case len(working) > 0:
				l := rapid.SampledFrom(working).Draw(t, "release")
				done[l.release.ReleaseID] = true
				if what == "park" {
					require.True(t, o.park(l))
				} else {
					o.finish(l)
				}
			}
			for offset := range o.wm.mark() {
				require.True(t, done[fmt.Sprint(offset)], "offset %d", offset)
			}
			if o.stopped.Load() {
				require.Zero(t, o.d.windows[Bulk].used, "the room of a partition that is given up")
			}
		}
	})
}

// TestABacklogReaderStopsWithItsPartition: it waits for room, and the room that it gets is that of its own partition, which is
// given up. It must neither keep it nor count what it has not taken on as done.
func TestABacklogReaderStopsWithItsPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(4)
		for offset := range int64(6) {
			require.NoError(t, o.takeAll(t.Context(), []stream.Record{logged(offset, "a")}))
		}
		ended := make(chan error)
		go func() { ended <- o.retake(t.Context(), new(logged(2, "a"))) }()
		synctest.Wait()
		o.stop()
		require.ErrorIs(t, <-ended, stream.ErrStopping)
		require.Zero(t, o.d.windows[Bulk].used)
		require.Empty(t, o.byID)
		require.Equal(t, int64(0), o.wm.mark())
	})
}
