package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// journal is what a dispatch that is gone, and Redis with it, has left of an attempt.
func (r *rig) journal(rel *event.Release, rec dispatch.Record) {
	r.tb.Helper()
	r.journalAt(time.Now(), rel, rec)
}

func (r *rig) journalAt(at time.Time, rel *event.Release, rec dispatch.Record) {
	r.tb.Helper()
	value, err := event.Encode(struct {
		Release string `json:"release_id"`
		Device  string `json:"device_id"`
		dispatch.Record
	}{rel.ReleaseID, rel.Targets[0].DeviceID, rec})
	require.NoError(r.tb, err)
	require.NoError(r.tb, r.kafka.Publish(r.tb.Context(), []stream.Record{{
		Topic: topic.Attempts.Name, Key: []byte(event.Key(rel.AppID, rel.UserID)), Value: value, Time: at,
	}}))
}

// sendKey is where Redis has the records of a release, writesKey how many its bucket has.
func sendKey(rel *event.Release) string {
	return state.Tag(state.Bucket(event.Key(rel.AppID, rel.UserID))) + ":send:" + rel.ReleaseID
}

func writesKey(rel *event.Release) string {
	return state.Tag(state.Bucket(event.Key(rel.AppID, rel.UserID))) + ":send-writes"
}

// knows makes Redis know of an attempt.
func (r *rig) knows(rel *event.Release, rec dispatch.Record) {
	r.tb.Helper()
	text, err := event.Encode(rec)
	require.NoError(r.tb, err)
	require.NoError(r.tb, r.srv.Store(r.tb).HSet(r.tb.Context(), sendKey(rel), rel.Targets[0].DeviceID, text).Err())
}

// Dispatch died with attempts under way, and Redis has forgotten them.
func TestRedisAndDispatchLostAtOnce(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(string(backend), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, backend)
			at := func(policy string) *event.Release {
				return r.release(sandbox.APNs, func(rel *event.Release) { rel.Message.OnAmbiguous = policy })
			}
			ago, soon := time.Now().Add(-time.Second).UTC(), time.Now().Add(time.Second).UTC()
			intent, waiting := dispatch.Record{Phase: dispatch.Intent, Attempt: 1, At: ago}, dispatch.Record{Phase: dispatch.Waiting, Attempt: 1, At: ago}
			dropped, resent, refused, still := at("drop"), at("resend"), at("drop"), at("drop")
			answered, unasked := at("drop"), at("drop") // as Redis knows, and the journal does not
			r.journal(dropped, intent)
			r.journal(resent, intent)
			r.journal(refused, intent)
			r.journal(refused, waiting)
			r.journal(still, waiting) // told late
			r.journal(still, dispatch.Record{Phase: dispatch.Intent, Attempt: 2, At: soon})
			r.journal(still, intent)
			r.journal(answered, intent)
			r.knows(answered, waiting)
			r.journal(unasked, intent)
			r.knows(unasked, intent.Back(ago))
			require.NoError(t, r.kafka.Publish(t.Context(), []stream.Record{
				{Topic: topic.Attempts.Name, Key: []byte("demo|u"), Value: []byte("{no record")},
			}))
			r.publish(dropped, resent, refused, still, answered, unasked)
			r.start()
			r.until("finals", func() bool { return len(r.finals()) == 6 })
			f := r.finals()
			for _, c := range []struct {
				rel     *event.Release
				status  string
				attempt int
			}{
				{dropped, event.ResultUnknown, 1},
				{resent, event.ResultSent, 2},
				{refused, event.ResultSent, 2},
				{still, event.ResultUnknown, 2},
				{answered, event.ResultSent, 2},
				{unasked, event.ResultSent, 1},
			} {
				got := f[c.rel.Message.MessageID]
				require.Equal(t, c.status, got.Status)
				require.Equal(t, c.attempt, got.Attempt)
			}
			require.Equal(t, 4, r.b.Accepted(""))
			require.False(t, f[still.Message.MessageID].At.Before(soon), "not before its time was over")
		})
	}
}

// scripts watches the scripts that Redis runs, or has them fail.
type scripts struct {
	before func(args string) error
	after  func(args string)
}

func (s *scripts) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (s *scripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (s *scripts) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		args := ""
		for _, c := range cmds {
			args += fmt.Sprintln(c.Args()...)
		}
		if err := s.before(args); err != nil {
			for _, c := range cmds {
				c.SetErr(err)
			}
			return err
		}
		err := next(ctx, cmds)
		s.after(args)
		return err
	}
}

// Redis forgets an intent before its attempt is made, and the rebuild finds it in the journal and writes it back.
func TestAnAttemptThatARebuildForestalledIsNoDoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	// They are of three people in one partition.
	user := 0
	together := func(rel *event.Release) {
		rel.Message.OnAmbiguous = "drop"
		for user++; state.Bucket(event.Key(rel.AppID, strconv.Itoa(user)))%4 != 0; {
			user++
		}
		rel.UserID = strconv.Itoa(user)
		rel.Message.UserID = rel.UserID
	}
	ended, begun, third := r.release(sandbox.APNs, together), r.release(sandbox.APNs, together), r.release(sandbox.APNs, together)
	forgotten, rebuilding, journaled := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		_ = r.kafka.Tail(t.Context(), topic.Attempts, stream.Start, func(rec stream.Record) error {
			if bytes.Contains(rec.Value, []byte(begun.ReleaseID)) && !isClosed(journaled) {
				close(journaled)
			}
			return nil
		})
	}()
	var forget, rebuild sync.Once
	var back atomic.Bool
	r.hook = &scripts{
		before: func(args string) error {
			if strings.Contains(args, begun.ReleaseID) && strings.Contains(args, `"unasked"`) {
				back.Store(true)
			}
			if !strings.Contains(args, ended.ReleaseID) || !strings.Contains(args, `"ended"`) || !isClosed(forgotten) {
				return nil
			}
			rebuild.Do(func() { // it has read the outcomes, and goes on to the journal when the intent is there
				close(rebuilding)
				<-journaled
			})
			return nil
		},
		after: func(args string) {
			if !strings.Contains(args, begun.ReleaseID) || !strings.Contains(args, `"intent"`) {
				return
			}
			forget.Do(func() {
				_ = r.srv.Store(t).FlushAll(t.Context())
				close(forgotten)
				<-rebuilding
			})
		},
	}
	r.start()
	r.publish(ended)
	r.until("the first", func() bool { return len(r.finals()) == 1 })
	r.publish(begun)
	<-forgotten
	r.publish(third) // finds that the marks are gone
	r.until("finals", func() bool { return len(r.finals()) == 3 })
	require.Equal(t, event.ResultSent, r.finals()[begun.Message.MessageID].Status)
	require.Equal(t, 3, r.b.Accepted(""))
	require.True(t, back.Load(), "the next owner is told that nobody was asked")
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// What dispatch begins is in the journal before it is made, and what waits for another attempt too.
func TestEveryAttemptIsInTheJournal(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	rel := r.release(sandbox.APNs, nil)
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Status: 503, Reason: "ServiceUnavailable", Times: 1})
	r.start()
	r.publish(rel)
	r.until("the final", func() bool { return len(r.finals()) == 1 })
	var told []dispatch.Record
	ranges, err := r.kafka.Offsets(t.Context(), topic.Attempts)
	require.NoError(t, err)
	for p, at := range ranges {
		require.NoError(t, r.kafka.Read(t.Context(), topic.Attempts, p, at.Low, at.High, func(recs []stream.Record) error {
			for _, rec := range recs {
				var e struct {
					dispatch.Record
				}
				require.NoError(t, event.Decode(rec.Value, &e))
				told = append(told, e.Record)
			}
			return nil
		}))
	}
	require.Len(t, told, 3)
	for i, want := range []dispatch.Record{{Phase: dispatch.Intent, Attempt: 1}, {Phase: dispatch.Waiting, Attempt: 1}, {Phase: dispatch.Intent, Attempt: 2}} {
		require.Equal(t, want.Phase, told[i].Phase)
		require.Equal(t, want.Attempt, told[i].Attempt)
	}
}
