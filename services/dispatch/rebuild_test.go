package dispatch_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// A power cut takes the last writes of Redis, but not the mark, which is older: what was sent must not be sent again.
func TestRedisWentBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	db := r.srv.Store(t)
	rel := r.release(sandbox.APNs, nil)
	r.start()
	r.publish(rel)
	r.until("final", func() bool { return len(r.finals()) == 1 && len(r.ids(event.OutcomeSent)) == 1 })
	r.done()
	for _, pattern := range []string{"*:send:*", "*:send-writes"} {
		keys, err := db.Keys(t.Context(), pattern).Result()
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.NoError(t, db.Del(t.Context(), keys...).Err())
	}
	said := len(r.facts())
	r.publish(rel)
	r.until("said again", func() bool { return len(r.facts()) > said })
	require.Equal(t, 1, r.b.Accepted(""))
}

// What is lost was written by the owner before: the new one has read how many records there were.
func TestRedisWentBackAfterATakeOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	db := r.srv.Store(t)
	rel := r.release(sandbox.APNs, nil)
	stop := r.start()
	r.publish(rel)
	r.until("final", func() bool { return len(r.finals()) == 1 && len(r.ids(event.OutcomeSent)) == 1 })
	stop()
	r.start()
	said := len(r.facts())
	r.publish(rel)
	r.until("taken over", func() bool { return len(r.facts()) > said })
	r.done()
	for _, key := range []string{sendKey(rel), writesKey(rel)} {
		require.Equal(t, int64(1), db.Del(t.Context(), key).Val())
	}
	said = len(r.facts())
	r.publish(rel)
	r.until("said again", func() bool { return len(r.facts()) > said })
	require.Equal(t, 1, r.b.Accepted(""))
}

// The records are lost and the first rebuild of them fails: it is made again, and nothing is sent before it is done.
func TestARebuildThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	db := r.srv.Store(t)
	first := r.release(sandbox.APNs, nil)
	second := r.release(sandbox.APNs, func(rel *event.Release) { // of somebody else in the same partition
		for rel.UserID += "x"; state.Partition(event.Key("demo", rel.UserID), 4) != state.Partition(event.Key("demo", first.UserID), 4); {
			rel.UserID += "x"
		}
		rel.Message.UserID = rel.UserID
	})
	var lost, failed atomic.Bool
	r.hook = &scripts{after: func(string) {}, before: func(args string) error {
		if lost.Load() && strings.Contains(args, first.ReleaseID) && strings.Contains(args, `"ended"`) && failed.CompareAndSwap(false, true) {
			r.publish(second)
			return errors.New("the rebuild fails")
		}
		return nil
	}}
	r.start()
	r.publish(first, second)
	r.until("finals", func() bool { return len(r.finals()) == 2 && len(r.ids(event.OutcomeSent)) == 2 })
	r.done()
	for _, rel := range []*event.Release{first, second} {
		require.NoError(t, db.Del(t.Context(), sendKey(rel)).Err())
		require.NoError(t, db.Del(t.Context(), writesKey(rel)).Err())
	}
	lost.Store(true)
	said := len(r.facts())
	r.publish(first)
	r.until("said again", func() bool { return len(r.facts()) == said+2 })
	require.True(t, failed.Load())
	require.Equal(t, 2, r.b.Accepted(""))
}

// Redis is emptied, and once more while what it knew is written back: nothing is taken for known that is not.
func TestALossDuringARebuild(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"a record is back", "the marks come"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, pipetest.Embedded)
			db := r.srv.Store(t)
			rel := r.release(sandbox.APNs, nil)
			empty := func() {
				for _, key := range []string{sendKey(rel), writesKey(rel)} {
					require.NoError(t, db.Del(context.Background(), key).Err())
				}
			}
			var lost, again atomic.Bool
			r.hook = &scripts{after: func(args string) {
				back := moment == "a record is back" && strings.Contains(args, rel.ReleaseID) && strings.Contains(args, `"ended"`)
				if back && lost.Load() && again.CompareAndSwap(false, true) {
					empty()
				}
			}, before: func(args string) error {
				marks := moment == "the marks come" && strings.HasPrefix(args, "set ") && strings.Contains(args, ":send-mark")
				if marks && lost.Load() && again.CompareAndSwap(false, true) {
					empty()
				}
				return nil
			}}
			r.start()
			r.publish(rel)
			r.until("final", func() bool { return len(r.finals()) == 1 && len(r.ids(event.OutcomeSent)) == 1 })
			r.done()
			lost.Store(true)
			empty()
			said := len(r.facts())
			r.publish(rel)
			r.until("said again", func() bool { return len(r.facts()) > said })
			require.True(t, again.Load())
			require.Equal(t, 1, r.b.Accepted(""))
			require.Equal(t, event.ResultSent, r.finals()[rel.Message.MessageID].Status)
		})
	}
}

// The same power cut takes dispatch, too, and both are back hours later.
func TestRedisWentBackWhileDispatchWasAway(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(string(backend), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, backend)
			db := r.srv.Store(t)
			for b := range state.Buckets {
				require.NoError(t, db.Set(t.Context(), state.Tag(b)+":send-mark", 0, 0).Err())
			}
			sent := r.release(sandbox.APNs, nil)
			stop := r.start()
			r.publish(sent)
			r.until("final", func() bool { return len(r.finals()) == 1 && len(r.ids(event.OutcomeSent)) == 1 })
			stop()
			keys := []string{sendKey(sent)}
			require.Equal(t, int64(1), db.Exists(t.Context(), keys...).Val())
			require.NoError(t, db.Del(t.Context(), keys...).Err())

			long := time.Now().Add(-3 * time.Hour).UTC()
			// Of two other people, in a partition where nothing has been tried since.
			begun := r.release(sandbox.APNs, func(rel *event.Release) { elsewhere(rel, sent); rel.Message.OnAmbiguous = "drop" })
			waits := r.release(sandbox.APNs, func(rel *event.Release) { rel.UserID, rel.Message.UserID = begun.UserID, begun.UserID })
			r.journalAt(long, begun, dispatch.Record{Phase: dispatch.Intent, Attempt: 1, At: long})
			r.knows(waits, dispatch.Record{Phase: dispatch.Waiting, Attempt: 1, At: long})
			require.NoError(t, db.Expire(t.Context(), sendKey(waits), 72*time.Hour).Err())
			r.journalAt(long, waits, dispatch.Record{Phase: dispatch.Waiting, Attempt: 2, At: long})

			said := len(r.facts())
			r.start()
			r.publish(sent, begun)
			r.until("said again, and said", func() bool { return len(r.facts()) == said+2 })
			require.Equal(t, event.ResultUnknown, r.finals()[begun.Message.MessageID].Status)
			require.Equal(t, 1, r.b.Accepted(""))
			require.Contains(t, db.HGet(t.Context(), sendKey(waits), "d1").Val(), `"attempt":2`)
			require.Greater(t, db.TTL(t.Context(), sendKey(waits)).Val(), 48*time.Hour, "a record lives as long as it did")
		})
	}
}

// elsewhere gives a release to somebody in another partition.
func elsewhere(rel, than *event.Release) {
	for state.Partition(event.Key(rel.AppID, rel.UserID), 4) == state.Partition(event.Key(than.AppID, than.UserID), 4) {
		rel.UserID += "x"
	}
	rel.Message.UserID = rel.UserID
}

// A Redis that is away when a partition is taken over is waited for.
func TestRedisAwayAtFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, pipetest.Embedded)
	proxy, err := pipetest.NewProxy(r.srv.Redis.Addrs[0])
	require.NoError(t, err)
	t.Cleanup(proxy.Stop)
	r.srv.Redis.Addrs = []string{proxy.Listen}
	proxy.Stop()
	broken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", proxy.Listen)
	require.NoError(t, err)
	r.start()
	rel := r.release(sandbox.APNs, nil)
	r.publish(rel)
	require.NoError(t, broken.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)))
	for range 200 { // more than clients try by themselves: five times to connect, four times each command, of four partitions
		c, err := broken.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.NoError(t, broken.Close())
	require.NoError(t, proxy.Start())
	r.until("final", func() bool { return len(r.finals()) == 1 })
	require.Equal(t, 1, r.b.Accepted(""))
}
