package embedded

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/kairos-push/kairos/pkg/clock"
)

// RedisOptions of the embedded Redis. The zero value listens on a free port of 127.0.0.1.
type RedisOptions struct {
	Listen string // host:port
	// InMemory serves connections from Dial only, which work inside a testing/synctest bubble.
	InMemory bool
}

// RedisServer is a running embedded Redis. It keeps nothing over a restart: its contents are rebuilt from Kafka, as they
// would be after the loss of any Redis.
type RedisServer struct {
	// Addr is what clients connect to; in memory, a name for Dial.
	Addr string
	// Dial connects to it; it fits redis.Options.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	server  *miniredis.Miniredis
	stop    chan struct{}
	stopped sync.WaitGroup
	closed  sync.Once
}

// expiry is how late a key may expire. miniredis can look at the clock by itself (ClockTTL), but then sorts all keys at
// every command of a script: with a thousand users, most of a second for one batch.
const expiry = time.Minute

// Redis starts a Redis. TTLs follow the clock, as they do in the real one, give or take a minute.
func Redis(o RedisOptions) (*RedisServer, error) {
	r := &RedisServer{server: miniredis.NewMiniRedis(), Addr: "127.0.0.1:6379", stop: make(chan struct{})}
	if o.InMemory {
		r.Dial = func(context.Context, string, string) (net.Conn, error) {
			c, err := r.server.Dial()
			if err != nil {
				return nil, err
			}
			return newQueued(c), nil
		}
		r.stopped.Go(r.expire)
		return r, nil
	}
	listen := o.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if err := r.server.StartAddr(listen); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	r.Addr = r.server.Addr()
	r.Dial = (&net.Dialer{}).DialContext
	r.stopped.Go(r.expire)
	return r, nil
}

// Server is the Redis itself, for tests.
func (r *RedisServer) Server() *miniredis.Miniredis { return r.server }

// Close stops it.
func (r *RedisServer) Close() {
	r.closed.Do(func() { close(r.stop) })
	r.stopped.Wait()
	r.server.Close()
}

func (r *RedisServer) expire() {
	tick := clock.Clock{}.Ticker(expiry)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.server.FastForward(expiry)
		case <-r.stop:
			return
		}
	}
}
