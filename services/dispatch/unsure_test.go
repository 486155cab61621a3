package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// lostAnswers lets scripts run and loses the first answers. Those that are left come no earlier than at late, in Unix nanoseconds.
type lostAnswers struct{ left, late atomic.Int64 }

func (h *lostAnswers) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *lostAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *lostAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		time.Sleep(time.Until(time.Unix(0, h.late.Load())))
		if err != nil || !strings.HasPrefix(cmds[0].Name(), "eval") || h.left.Add(-1) < 0 {
			return err
		}
		err = errors.New("the answer was lost")
		for _, c := range cmds {
			c.SetErr(err)
		}
		return err
	}
}

// busy is a rig that has sent one push, so that it takes up the next one at once.
func busy(t *testing.T) (*rig, *lostAnswers) {
	t.Helper()
	r := newRig(t, pipetest.Embedded)
	lost := &lostAnswers{}
	r.hook = lost
	r.start()
	r.publish(r.release(sandbox.FCM, nil))
	r.until("final", func() bool { return len(r.finals()) == 1 })
	return r, lost
}

// sentWhenItOpens publishes a release that closes: it is sent once, and not before it opens again.
func sentWhenItOpens(t *testing.T, r *rig, rel *event.Release) {
	t.Helper()
	r.publish(rel)
	r.until("final", func() bool { return len(r.finals()) == 2 })
	end := r.finals()[rel.Message.MessageID]
	require.Equal(t, event.ResultSent, end.Status)
	require.False(t, end.At.Before(rel.Closed[0].To), "sent at %s", end.At)
	require.Equal(t, 1, r.b.Accepted(sandbox.APNs))
}

func TestAnIntentThatRedisDidNotConfirmIsNoDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	lost := &lostAnswers{}
	lost.left.Store(3)
	r.hook = lost
	r.start()
	rel := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.OnAmbiguous = "drop" })
	r.publish(rel)
	r.until("final", func() bool { return len(r.finals()) == 1 })
	require.Equal(t, event.ResultSent, r.finals()[rel.Message.MessageID].Status)
	require.Equal(t, 1, r.b.Accepted(""))
	require.Negative(t, lost.left.Load(), "answers were lost")
}

// TestAnIntentThatRedisDidNotConfirmIsGivenBackWhenItCloses: nobody was asked, and nobody may be asked when Redis answers again.
func TestAnIntentThatRedisDidNotConfirmIsGivenBackWhenItCloses(t *testing.T) {
	t.Parallel()
	r, lost := busy(t)
	lost.left.Store(1)
	now := time.Now().UTC()
	rel := r.release(sandbox.APNs, func(rel *event.Release) {
		rel.Message.OnAmbiguous = "drop"
		rel.Closed = []event.Span{{From: now.Add(500 * time.Millisecond), To: now.Add(3 * time.Second)}}
	})
	sentWhenItOpens(t, r, rel)
}

// TestAnIntentThatRedisDidNotConfirmCanBeTakenBack: nobody was asked, so that it ends as cancelled and not as unknown.
func TestAnIntentThatRedisDidNotConfirmCanBeTakenBack(t *testing.T) {
	t.Parallel()
	r, lost := busy(t)
	const many = 1 << 30
	lost.left.Store(many)
	rel := r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.OnAmbiguous = "drop" })
	r.publish(rel)
	asked := func(n int64) func() bool { return func() bool { return lost.left.Load() <= many-n } }
	require.Eventually(t, asked(1), time.Minute, time.Millisecond)
	r.publish(withdrawn(rel, "cancel"))
	require.Eventually(t, asked(4), time.Minute, time.Millisecond, "it has been read by then")
	lost.left.Store(0)
	r.until("final", func() bool { return len(r.finals()) == 2 && len(r.outcomes()) == 2 })
	require.Equal(t, "cancelled cancel", r.outcomes()[1].Type+" "+r.outcomes()[1].Reason)
	require.Zero(t, r.b.Accepted(sandbox.APNs))
}

// TestAnAttemptThatIsBegunTooLateIsNotMade: quiet hours began while the intent was being written.
func TestAnAttemptThatIsBegunTooLateIsNotMade(t *testing.T) {
	t.Parallel()
	r, lost := busy(t)
	now := time.Now().UTC()
	rel := r.release(sandbox.APNs, func(rel *event.Release) {
		rel.Message.OnAmbiguous = "drop"
		rel.Closed = []event.Span{{From: now.Add(500 * time.Millisecond), To: now.Add(2 * time.Second)}}
	})
	lost.late.Store(rel.Closed[0].From.Add(time.Millisecond).UnixNano())
	sentWhenItOpens(t, r, rel)
}
