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

// lostAnswers lets scripts run and loses the first answers.
type lostAnswers struct{ left atomic.Int64 }

func (h *lostAnswers) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *lostAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *lostAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
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
	r := newRig(t, pipetest.Embedded)
	lost := &lostAnswers{}
	r.hook = lost
	r.start()
	r.publish(r.release(sandbox.FCM, nil)) // the next one is taken up at once
	r.until("final", func() bool { return len(r.finals()) == 1 })
	lost.left.Store(1)
	now := time.Now().UTC()
	rel := r.release(sandbox.APNs, func(rel *event.Release) {
		rel.Message.OnAmbiguous = "drop"
		rel.Closed = []event.Span{{From: now.Add(500 * time.Millisecond), To: now.Add(3 * time.Second)}}
	})
	r.publish(rel)
	r.until("final", func() bool { return len(r.finals()) == 2 })
	end := r.finals()[rel.Message.MessageID]
	require.Equal(t, event.ResultSent, end.Status)
	require.False(t, end.At.Before(rel.Closed[0].To), "sent at %s", end.At)
	require.Equal(t, 1, r.b.Accepted(sandbox.APNs))
}
