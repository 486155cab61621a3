package pipetest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Backend is a kind of servers.
type Backend string

// The backends.
const (
	Embedded Backend = "embedded" // kfake and miniredis on loopback
	Virtual  Backend = "virtual"  // kfake and miniredis in memory: start it inside the synctest bubble
	Real     Backend = "real"     // Apache Kafka, shared by the tests of a process, and a redis-server of the test's own
	// RealCluster is Real with a Redis Cluster of one node that owns all slots, which refuses scripts across slots.
	RealCluster Backend = "real-cluster"
)

// Servers is one Kafka and one Redis, and how to reach them. Every Servers has a topic prefix of its own.
type Servers struct {
	Kafka stream.Config
	Redis state.Config
	// KafkaProxy and RedisProxy are the network before the servers, if they were started with StartProxied.
	KafkaProxy, RedisProxy *toxiproxy.Proxy
}

// idle makes hours in which nothing happens cheap in a synctest bubble. A lost connection is noticed late, in virtual time.
var idle = stream.Timeouts{
	Metadata: 24 * time.Hour, MaxWait: 15 * time.Minute, Heartbeat: 2 * time.Minute, Session: 5 * time.Minute, Rebalance: 5 * time.Minute,
	Stall: 24 * time.Hour,
}

var prefixes atomic.Int64

// Start gives a test its servers; they end with it.
func Start(tb testing.TB, b Backend) *Servers {
	tb.Helper()
	s := &Servers{Kafka: stream.Config{Prefix: fmt.Sprintf("t%d-%d.", os.Getpid(), prefixes.Add(1))}}
	switch b {
	case Embedded:
		s.embedded(tb, embedded.KafkaOptions{}, embedded.RedisOptions{})
	case Virtual:
		s.embedded(tb, embedded.KafkaOptions{Network: new(embedded.Network)}, embedded.RedisOptions{InMemory: true})
		s.Kafka.Timeouts = idle
	case Real, RealCluster:
		shared, err := sharedKafka()
		require.NoError(tb, err)
		s.Kafka.Brokers = shared.Brokers()
		var o RedisOptions
		if b == RealCluster {
			o.Masters = 1
		}
		s.Redis = StartRedis(tb, o).Config()
	default:
		tb.Fatalf("no backend %q", b)
	}
	return s
}

// StartProxied is Start with a toxiproxy before both servers, which are the test's own. The backend is Embedded or Real.
func StartProxied(tb testing.TB, b Backend) *Servers {
	tb.Helper()
	s := &Servers{Kafka: stream.Config{Prefix: "kairos."}}
	switch b {
	case Embedded:
		ports, err := freePorts(1)
		require.NoError(tb, err)
		s.KafkaProxy = proxied(tb, local(ports[0]))
		s.embedded(tb, embedded.KafkaOptions{Listen: local(ports[0]), Advertise: s.KafkaProxy.Listen}, embedded.RedisOptions{})
	case Real:
		k := StartKafka(tb, KafkaOptions{Proxied: true})
		s.Kafka.Brokers, s.KafkaProxy = k.Brokers(), k.Nodes[0].Proxy
		s.Redis = StartRedis(tb, RedisOptions{AOF: "everysec"}).Config()
	default:
		tb.Fatalf("backend %q cannot be proxied", b)
	}
	s.RedisProxy = proxied(tb, s.Redis.Addrs[0])
	s.Redis.Addrs = []string{s.RedisProxy.Listen}
	return s
}

func proxied(tb testing.TB, upstream string) *toxiproxy.Proxy {
	tb.Helper()
	p, err := NewProxy(upstream)
	require.NoError(tb, err)
	tb.Cleanup(p.Stop)
	return p
}

func (s *Servers) embedded(tb testing.TB, ko embedded.KafkaOptions, ro embedded.RedisOptions) {
	tb.Helper()
	broker, err := embedded.Kafka(tb.Context(), ko)
	require.NoError(tb, err)
	tb.Cleanup(broker.Close)
	s.Kafka.Brokers, s.Kafka.Dial = []string{broker.Addr}, broker.Dial
	rs, err := embedded.Redis(ro)
	require.NoError(tb, err)
	tb.Cleanup(rs.Close)
	s.Redis = state.Config{Addrs: []string{rs.Addr}, Dialer: rs.Dial}
}

// Stream is a new client of the Kafka.
func (s *Servers) Stream(tb testing.TB) *stream.Client {
	tb.Helper()
	c, err := stream.New(s.Kafka, zerolog.New(zerolog.NewTestWriter(tb)).Level(zerolog.WarnLevel), clock.Clock{}, prometheus.NewRegistry())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Outsider is a client that writes what ours would not: records of any size, as long as they are small compressed.
func (s *Servers) Outsider(tb testing.TB) *stream.Client {
	tb.Helper()
	other := Servers{Kafka: s.Kafka}
	other.Kafka.MaxMessageBytes = 8 << 20
	return other.Stream(tb)
}

// Store is a new client of the Redis.
func (s *Servers) Store(tb testing.TB) redis.UniversalClient {
	tb.Helper()
	c, err := state.Open(s.Redis)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

var (
	sharedMu   sync.Mutex
	sharedNode *Kafka
	sharedDir  string
)

func sharedKafka() (*Kafka, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if sharedNode != nil {
		return sharedNode, nil
	}
	dir, err := os.MkdirTemp("", "kairos-kafka-")
	if err != nil {
		return nil, err
	}
	sharedDir = dir
	sharedNode, err = startKafka(dir, KafkaOptions{})
	return sharedNode, err
}

// Main is for TestMain: it runs the tests, ends the shared servers, and fails on leaked goroutines.
func Main(m *testing.M) {
	code := m.Run()
	sharedMu.Lock()
	if sharedNode != nil {
		sharedNode.Close()
	}
	if sharedDir != "" {
		_ = os.RemoveAll(sharedDir)
	}
	sharedMu.Unlock()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Within is a context for one step of a test that must not hang.
func Within(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}
