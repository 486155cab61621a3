package dispatch_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
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
