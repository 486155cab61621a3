package state

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is.
type Config struct {
	Addrs    []string // host:port; of a cluster, any of its nodes
	Cluster  bool     // speak the Redis Cluster protocol
	Username string
	Password string
	TLS      *tls.Config // nil: plain
	Dialer   func(ctx context.Context, network, addr string) (net.Conn, error)
	Timeout  time.Duration // of one answer, if the caller's context allows as much; default 3 s
}

// Open makes a client. It does not connect: the first command does.
func Open(cfg Config) (redis.UniversalClient, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("redis: no address given")
	}
	if len(cfg.Addrs) > 1 && !cfg.Cluster {
		return nil, fmt.Errorf("redis: %d addresses given for a single server; set cluster for a Redis Cluster", len(cfg.Addrs))
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:         cfg.Addrs,
		IsClusterMode: cfg.Cluster,
		Username:      cfg.Username,
		Password:      cfg.Password,
		TLSConfig:     cfg.TLS,
		Dialer:        cfg.Dialer,
		ReadTimeout:   cfg.Timeout,
		PoolTimeout:   cfg.Timeout,
		// A batch has a deadline, and it must reach the socket.
		ContextTimeoutEnabled: true,
		// The handshake of this feature resolves host names, which virtual time cannot.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}), nil
}

// ErrBuckets says that this Redis was filled by a program with another bucket count.
var ErrBuckets = errors.New("redis: another bucket count")

const bucketsKey = "kairos:buckets"

// Check writes the bucket count at the first start and compares it at every later one: with another count, users would
// be looked for in the wrong buckets.
func Check(ctx context.Context, rdb redis.UniversalClient) error {
	if err := rdb.SetNX(ctx, bucketsKey, Buckets, 0).Err(); err != nil {
		return fmt.Errorf("redis: write the bucket count: %w", err)
	}
	got, err := rdb.Get(ctx, bucketsKey).Result()
	if err != nil {
		return fmt.Errorf("redis: read the bucket count: %w", err)
	}
	if got != strconv.Itoa(Buckets) {
		return fmt.Errorf("%w: %s is %.20q but this program has %d buckets", ErrBuckets, bucketsKey, got, Buckets)
	}
	return nil
}
