package embedded

import (
	"context"
	"fmt"
	"net"

	"github.com/alicebob/miniredis/v2"
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

	server *miniredis.Miniredis
}

// Redis starts a Redis. TTLs follow the clock, as they do in the real one.
func Redis(o RedisOptions) (*RedisServer, error) {
	r := &RedisServer{server: miniredis.NewMiniRedis(), Addr: "127.0.0.1:6379"}
	r.server.ClockTTL(true)
	if o.InMemory {
		r.Dial = func(context.Context, string, string) (net.Conn, error) {
			c, err := r.server.Dial()
			if err != nil {
				return nil, err
			}
			return newQueued(c), nil
		}
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
	return r, nil
}

// Server is the Redis itself, for tests.
func (r *RedisServer) Server() *miniredis.Miniredis { return r.server }

// Close stops it.
func (r *RedisServer) Close() { r.server.Close() }
