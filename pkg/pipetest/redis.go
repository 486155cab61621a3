package pipetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
)

// RedisOptions of real redis-server processes. The zero value is one server without persistence.
type RedisOptions struct {
	// Masters > 0 is a Redis Cluster of so many nodes that share the slots; one node owns all of them.
	Masters int
	// AOF is the appendfsync policy: "always", "everysec" or "no"; empty keeps nothing over a restart.
	AOF string
}

// Redis is one or several running redis-server.
type Redis struct {
	Nodes   []*RedisNode
	cluster bool
}

// RedisNode is one of them.
type RedisNode struct {
	Addr string
	bus  int // port
	dir  string
	proc Process
}

// StartRedis starts servers for one test.
func StartRedis(tb testing.TB, o RedisOptions) *Redis {
	tb.Helper()
	r, err := startRedis(tb.TempDir(), o)
	require.NoError(tb, err)
	tb.Cleanup(r.Close)
	return r
}

// Config is how to reach them.
func (r *Redis) Config() state.Config {
	cfg := state.Config{Cluster: r.cluster}
	for _, n := range r.Nodes {
		cfg.Addrs = append(cfg.Addrs, n.Addr)
	}
	return cfg
}

// Close kills all servers.
func (r *Redis) Close() {
	for _, n := range r.Nodes {
		n.Kill()
	}
}

// FlushAll empties all servers.
func (r *Redis) FlushAll(tb testing.TB) {
	tb.Helper()
	for _, n := range r.Nodes {
		require.NoError(tb, n.do(tb.Context(), "FLUSHALL"))
	}
}

// Kill is kill -9.
func (n *RedisNode) Kill() { n.proc.End(syscall.SIGKILL) }

// Stop freezes the server (SIGSTOP).
func (n *RedisNode) Stop() { n.proc.Signal(syscall.SIGSTOP) }

// Cont wakes it.
func (n *RedisNode) Cont() { n.proc.Signal(syscall.SIGCONT) }

// Start starts a killed server again, on its append-only file if it has one, and waits until it answers.
func (n *RedisNode) Start(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, n.Restart(tb.Context()))
}

// CutAOF removes the last bytes of a killed server's append-only file: what a power cut loses and a kill does not.
func (n *RedisNode) CutAOF(tb testing.TB, bytes int64) {
	tb.Helper()
	require.NoError(tb, n.LoseTail(bytes))
}

func startRedis(dir string, o RedisOptions) (*Redis, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("a real redis-server is needed: %w", err)
	}
	r := &Redis{cluster: o.Masters > 0}
	for i := range max(1, o.Masters) {
		n, err := r.add(bin, filepath.Join(dir, fmt.Sprintf("redis%d", i)), o)
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err = n.await(ctx)
			cancel()
		}
		if err != nil {
			r.Close()
			return nil, err
		}
	}
	if r.cluster {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.shareSlots(ctx); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

func (r *Redis) add(bin, dir string, o RedisOptions) (*RedisNode, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	aof, fsync := "yes", o.AOF
	if o.AOF == "" {
		aof, fsync = "no", "no"
	}
	n := &RedisNode{Addr: local(ports[0]), bus: ports[1], dir: dir, proc: Process{Log: filepath.Join(dir, "log"), Command: []string{
		bin, "--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--loglevel", "warning",
		"--appendonly", aof, "--appendfsync", fsync, "--aof-load-truncated", "yes", "--maxmemory-policy", "noeviction",
	}}}
	if o.Masters > 0 {
		n.proc.Command = append(n.proc.Command, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(ports[1]),
			"--cluster-node-timeout", "2000", "--cluster-config-file", filepath.Join(dir, "nodes.conf"))
	}
	r.Nodes = append(r.Nodes, n)
	return n, n.proc.Start()
}

// shareSlots makes a cluster of the nodes.
func (r *Redis) shareSlots(ctx context.Context) error {
	const slots = 16384
	first := strings.Split(r.Nodes[0].Addr, ":")
	for i, n := range r.Nodes {
		from, to := i*slots/len(r.Nodes), (i+1)*slots/len(r.Nodes)-1
		if err := n.do(ctx, "CLUSTER", "ADDSLOTSRANGE", from, to); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		// Epochs of their own, so that the nodes do not have to settle them.
		if err := n.do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		if err := n.do(ctx, "CLUSTER", "MEET", first[0], first[1], r.Nodes[0].bus); err != nil {
			return err
		}
	}
	for _, n := range r.Nodes {
		err := n.until(ctx, func(c *redis.Client) error {
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_size:%d", len(r.Nodes)))) {
				err = errors.New("cluster is not complete: " + info)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *RedisNode) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: n.Addr, MaxRetries: -1})
}

func (n *RedisNode) do(ctx context.Context, args ...any) error {
	c := n.client()
	defer c.Close()
	return c.Do(ctx, args...).Err()
}

func (n *RedisNode) await(ctx context.Context) error {
	return n.until(ctx, func(c *redis.Client) error { return c.Ping(ctx).Err() })
}

func (n *RedisNode) until(ctx context.Context, ok func(*redis.Client) error) error {
	c := n.client()
	defer c.Close()
	for {
		err := ok(c)
		if err == nil {
			return nil
		}
		if !n.proc.Alive() {
			return fmt.Errorf("redis at %s is not running: %s", n.Addr, n.proc.Said())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis at %s is not ready: %w", n.Addr, errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond): //nolint:forbidigo // real processes live in real time
		}
	}
}
