package dispatch_test

import (
	"testing"

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
