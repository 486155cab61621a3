package h2

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
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

// Between a place and the request that it is for, the server says that it takes nothing more. What is written then, it
// ignores, and nobody could tell that from an answer that got lost.
func TestAPlaceOfAServerThatGoesAwayIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c := New(Config{Addr: "example.com:443", TLS: &tls.Config{MinVersion: tls.VersionTLS12}})
		defer c.Close()
		away := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, server) }()
		go func() {
			fr := http2.NewFramer(server, nil)
			_ = fr.WriteSettings()
			<-away
			_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		}()
		cn, err := c.start(t.Context(), client)
		require.NoError(t, err)
		c.conns = append(c.conns, cn)
		place, err := c.acquire(t.Context())
		require.NoError(t, err)
		require.Same(t, cn, place)
		close(away)
		synctest.Wait()

		s := &stream{done: make(chan error, 1)}
		s.reset(&Request{Path: "/"})
		place.send(s)
		synctest.Wait()
		select {
		case err = <-s.done:
		default:
			require.Fail(t, "sent all the same")
		}
		require.ErrorContains(t, err, "server goes away")
		require.False(t, Written(err))
		require.Zero(t, cn.active, "the place is given back")
	})
}
