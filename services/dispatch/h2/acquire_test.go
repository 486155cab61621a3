package h2

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A process that was frozen finds a free place and an end of its time at once, in any order: it must not take the place.
func TestAPlaceThatComesTooLateGoesBack(t *testing.T) {
	t.Parallel()
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			full := &conn{limit: 1, active: 1}
			c := &Client{dialing: true, conns: []*conn{full}}
			ctx, cancel := context.WithCancel(t.Context())
			var err error
			go func() { _, err = c.acquire(ctx) }()
			synctest.Wait()
			c.mu.Lock()
			c.put(full)
			cancel()
			c.mu.Unlock()
			synctest.Wait()
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, full.active)
		})
	}
}
