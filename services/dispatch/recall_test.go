package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// withdrawn is what timing says of a release that is to be sent no more.
func withdrawn(rel *event.Release, reason string) *event.Release {
	left := *rel
	left.Message = event.Message{MessageID: rel.Message.MessageID, UserID: rel.UserID, Priority: rel.Message.Priority}
	left.Targets = append([]event.Target(nil), rel.Targets...)
	for i := range left.Targets {
		left.Targets[i].Address = ""
	}
	left.Withdrawn = reason
	return &left
}

func asBoth(t *testing.T, run func(*testing.T, pipetest.Backend)) {
	for _, b := range backends {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			run(t, b)
		})
	}
}

// TestWhatIsRetriedCanBeTakenBack: the provider asked for patience; meanwhile the message was cancelled.
func TestWhatIsRetriedCanBeTakenBack(t *testing.T) {
	t.Parallel()
	asBoth(t, func(t *testing.T, b pipetest.Backend) {
		r := newRig(t, b)
		r.cfg.ParkAfter = time.Second
		rel := r.release(sandbox.APNs, nil)
		r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: rel.Targets[0].Address, Status: 503, Reason: "ServiceUnavailable", RetryAfter: 2 * time.Second, Times: 1})
		r.start()
		r.publish(rel)
		r.done() // it is parked
		r.publish(withdrawn(rel, "event:purchase"))
		r.until("the end", func() bool { return len(r.finals()) == 1 && len(r.outcomes()) == 1 })
		require.Zero(t, r.b.Accepted(""))
		require.Equal(t, "cancelled event:purchase", r.outcomes()[0].Type+" "+r.outcomes()[0].Reason)
		require.Equal(t, event.ResultFailed, r.finals()[rel.Message.MessageID].Status)
	})
}

// TestWhatANewOwnerDoesNotKnowCanBeTakenBack: the one before it had parked the release, and with the person's data gone nobody
// says the release itself again.
func TestWhatANewOwnerDoesNotKnowCanBeTakenBack(t *testing.T) {
	t.Parallel()
	asBoth(t, func(t *testing.T, b pipetest.Backend) {
		r := newRig(t, b)
		waits := r.release(sandbox.APNs, nil)
		gone := r.release(sandbox.APNs, nil)
		r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: waits.Targets[0].Address, Status: 503, Reason: "ServiceUnavailable", RetryAfter: time.Minute, Times: 1})
		stop := r.start()
		r.publish(waits, gone)
		r.until("the one sent", func() bool { return len(r.finals()) == 1 })
		r.done()
		stop()
		r.start()
		r.publish(withdrawn(waits, "erased"), withdrawn(gone, "erased"))
		r.until("the ends", func() bool { return len(r.finals()) == 2 && len(r.outcomes()) == 3 })
		require.Equal(t, 1, r.b.Accepted(""))
		require.Len(t, r.ids(event.OutcomeCancelled), 1)
		require.Len(t, r.ids(event.OutcomeSent), 1, "what was sent is said again")
		require.Equal(t, event.ResultSent, r.finals()[gone.Message.MessageID].Status)
	})
}
