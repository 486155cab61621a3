package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"golang.org/x/sync/semaphore"

	"github.com/kairos-push/kairos/pkg/clock"
)

// Client talks to one Kafka cluster. It is safe for concurrent use; a process needs one.
type Client struct {
	cfg     Config
	log     zerolog.Logger
	clk     clock.Clock
	metrics *metrics

	sasl      sasl.Mechanism
	conns     *conns // of the transport
	transport *kafka.Transport
	admin     *kafka.Client

	ctx    context.Context //nolint:containedctx // the client's life, which outlasts each call
	cancel context.CancelFunc
	work   sync.WaitGroup

	inFlight *semaphore.Weighted

	mu        sync.Mutex
	closed    bool
	lanes     map[lane]*queue
	refreshed time.Time
}

// New makes a client. It does not connect: every method waits for a broker as long as its context lives.
func New(cfg Config, log zerolog.Logger, clk clock.Clock, reg prometheus.Registerer) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("stream: register metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, log: log, clk: clk, metrics: m, sasl: mechanism,
		conns: newConns(cfg.Dial), ctx: ctx, cancel: cancel,
		inFlight: semaphore.NewWeighted(cfg.MaxInFlightBytes),
		lanes:    map[lane]*queue{},
	}
	c.transport = &kafka.Transport{
		Dial: c.conns.dial, DialTimeout: min(3*time.Second, cfg.Timeouts.Request), MetadataTTL: cfg.Timeouts.Metadata,
		ClientID: cfg.ClientID, TLS: cfg.TLS, SASL: mechanism, Context: ctx,
	}
	c.admin = &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: c.transport, Timeout: cfg.Timeouts.Request}
	return c, nil
}

// Close ends what is in flight, with an unknown outcome for its Publish calls, and closes all connections. Consumers
// are stopped by their own contexts, before.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
	c.transport.CloseIdleConnections()
	c.conns.closeAll()
	return nil
}

// full is the only place that knows the prefix.
func (c *Client) full(name string) string { return c.cfg.Prefix + name }

// refresh forgets the layout of the cluster and the idle connections. kafka-go's transport renews its layout by a timer
// only, so after a change of leader it would go on asking the old one; a new pool asks first.
func (c *Client) refresh() {
	c.mu.Lock()
	now := c.clk.Now()
	again := now.Sub(c.refreshed) >= 200*time.Millisecond
	if again {
		c.refreshed = now
	}
	c.mu.Unlock()
	if again {
		c.transport.CloseIdleConnections()
	}
}

// retry calls do until it succeeds, fails for good, or ctx or the client ends.
func (c *Client) retry(ctx context.Context, what string, do func(ctx context.Context) error) error {
	start := c.clk.Now()
	var last error
	for wait := backoff(0); ; wait = wait.next() {
		attempt, cancel := context.WithTimeout(ctx, c.cfg.Timeouts.Request)
		err := do(attempt)
		cancel()
		if ctx.Err() == nil || last == nil {
			last = err
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("stream: %s: %w after %v, the last error: %w", what, ctx.Err(), c.clk.Since(start).Round(time.Millisecond), last)
		case c.ctx.Err() != nil:
			return fmt.Errorf("stream: %s: %w", what, ErrClosed)
		case judge(err) != again:
			return fmt.Errorf("stream: %s: %w", what, err)
		}
		c.metrics.errors.WithLabelValues("admin").Inc()
		if wait == 0 {
			c.log.Warn().Err(err).Str("call", what).Msg("kafka_call_retried")
		}
		c.refresh()
		_ = wait.sleep(ctx, c.clk) // the next attempt tells if ctx has ended
	}
}

// backoff grows from 50 ms to 2 s.
type backoff time.Duration

func (b backoff) next() backoff {
	return min(max(2*b, backoff(50*time.Millisecond)), backoff(2*time.Second))
}

func (b backoff) sleep(ctx context.Context, clk clock.Clock) error {
	return clk.Sleep(ctx, time.Duration(b.next()))
}

// conns remembers open connections: kafka-go leaves one that waits for an answer open until the answer comes, which for
// a fetch can be MaxWait and for a frozen broker never.
type conns struct {
	open func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	all    map[*conn]struct{}
}

type conn struct {
	net.Conn
	owner *conns
}

func newConns(open func(ctx context.Context, network, addr string) (net.Conn, error)) *conns {
	return &conns{open: open, all: map[*conn]struct{}{}}
}

func (cs *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := cs.open(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return nil, errors.Join(ErrClosed, nc.Close())
	}
	c := &conn{Conn: nc, owner: cs}
	cs.all[c] = struct{}{}
	return c, nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.all, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

func (cs *conns) closeAll() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for c := range cs.all {
		_ = c.Conn.Close() // whoever waits on it gets the error
	}
	clear(cs.all)
}
