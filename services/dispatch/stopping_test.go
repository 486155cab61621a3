package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestStopWithAFullUrgentLane: the reader waits for room that there will not be; it ends all the same, and commits what is done.
func TestStopWithAFullUrgentLane(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	r.cfg.CommitEvery = time.Hour // the last commit is the one that counts
	r.cfg.InMemory = 4            // of which one app gets two
	done := r.release(sandbox.APNs, nil)
	urgent := func() *event.Release {
		return r.release(sandbox.APNs, func(rel *event.Release) {
			rel.UserID, rel.Message.UserID, rel.Message.Priority = done.UserID, done.UserID, event.Transactional
		})
	}
	stop := r.start()
	r.publish(done)
	r.until("the first", func() bool { return len(r.finals()) == 1 })
	asked := r.b.Requests(sandbox.APNs)
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Status: 503, Reason: "ServiceUnavailable", RetryAfter: 8 * time.Second})
	r.publish(urgent(), urgent(), urgent())
	require.Eventually(t, func() bool { return r.b.Requests(sandbox.APNs) == asked+2 }, time.Minute, 5*time.Millisecond)
	stop()
	lag, err := r.kafka.Lag(t.Context(), "dispatch", []topic.Topic{topic.Releases})
	require.NoError(t, err)
	committed := int64(0)
	for _, l := range lag {
		committed += max(l.Committed, 0)
	}
	require.Equal(t, int64(1), committed, "a reader that has to be killed commits nothing")
}
