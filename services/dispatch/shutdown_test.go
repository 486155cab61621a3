package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

// TestAnAnswerDoesNotWaitForARedisThatNobodyServes: at the end of the service the batches are served no more, and what a
// worker has yet to write must not keep it for ever.
func TestAnAnswerDoesNotWaitForARedisThatNobodyServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &Dispatch{store: newStore(nil), metrics: newMetrics(nil, nil), cfg: Config{ParkAfter: time.Hour}}
		d.later = newLater(d.clock, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the partition is revoked
		rec := Record{Phase: Intent, Attempt: 1, At: d.clock.Now().Add(time.Minute)}
		tk := &task{rel: &live{release: event.Release{ReleaseID: "r"}, part: &owned{}}, target: event.Target{DeviceID: "d"}}
		begun := d.clock.Now()
		d.again(ctx, tk, rec, rec.Wait(begun.Add(time.Minute)), "503")
		require.Equal(t, settling, d.clock.Since(begun))
		require.Equal(t, rec, tk.record, "the intent stays")
		require.Equal(t, 1, d.later.count())
	})
}
