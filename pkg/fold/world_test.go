package fold

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// world is Kafka and Redis for the model check, and who runs in it. Every call of an owner waits until the schedule lets
// it go, so two owners interleave, die and freeze between any two of their steps. Kafka is a log in memory; Redis and
// its scripts are miniredis.
type world struct {
	t     *testing.T
	redis *embedded.RedisServer
	plain redis.UniversalClient // not scheduled

	mu        sync.Mutex
	logs      map[string][]stream.Record // of partition thePartition
	untold    []string                   // decisions that were in the log before their row
	committed int64
	newest    *agent
	alone     bool // Redis was lost and not rebuilt: no zombies until then
	free      bool // calls need no schedule any more
	wakes     int64
	waiting   []*call

	agents   []*agent
	inputs   []stream.Record // in the order of their causes
	perUser  map[string][]order
	snapshot *snapshot
}

const (
	thePartition  = 5
	thePartitions = 64
)

// agent is one process that owns, or believes it owns, the partition.
type agent struct {
	w      *world
	id     int
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	err    error
	from   int64 // committed at the assignment
	pos    int64
	dead   bool
}

// call is one step that waits to be let go.
type call struct {
	a      *agent
	what   string
	letGo  chan mode
	unable func() bool // there is nothing to fetch
}

type mode int

const (
	carryOut  mode = iota
	loseReply      // done, but the caller is told that it failed
)

var (
	errDead = errors.New("the process is gone")
	errLost = errors.New("the answer was lost")
)

func newWorld(t *testing.T) *world {
	rs, err := embedded.Redis(embedded.RedisOptions{InMemory: true})
	require.NoError(t, err)
	w := &world{t: t, redis: rs, logs: map[string][]stream.Record{}, committed: -1, perUser: map[string][]order{}}
	w.plain = w.client()
	return w
}

func (w *world) client() redis.UniversalClient {
	rdb, err := state.Open(state.Config{Addrs: []string{"127.0.0.1:6379"}, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return w.redis.Dial(ctx, network, addr)
	}})
	require.NoError(w.t, err)
	return rdb
}

// begin starts a process. The one before it goes on as a zombie.
func (w *world) begin() {
	a := &agent{w: w, id: len(w.agents), done: make(chan struct{}), from: w.committed}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	w.mu.Lock()
	w.newest = a
	w.agents = append(w.agents, a)
	w.mu.Unlock()
	rdb := w.client()
	rdb.AddHook(a)
	m, err := newMetrics(prometheus.NewRegistry(), "orders")
	require.NoError(w.t, err)
	stage := orders()
	o := &owner[*book, order]{
		stage: &stage, cfg: Config{Verify: 3 * time.Second, Checkpoint: 7 * time.Second, CachedUsers: 4}.withDefaults(), id: thePartition, in: a, kafka: a,
		store: state.NewStore(rdb, "orders"), clock: clock.Clock{}, log: zerolog.Nop(),
		tracer: noop.NewTracerProvider().Tracer(""), metrics: m,
		gate: func(open bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if open {
				w.alone = false
			}
		},
		wakes: func() int64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.wakes
		},
	}
	go func() {
		defer close(a.done)
		defer func() { _ = rdb.Close() }()
		a.err = o.keep(a.ctx)
	}()
}

// kill ends a process at whatever step it is.
func (w *world) kill(a *agent) {
	w.mu.Lock()
	a.dead = true
	w.waiting = slices.DeleteFunc(w.waiting, func(c *call) bool { return c.a == a })
	w.mu.Unlock()
	a.cancel()
	<-a.done
}

func (w *world) killAll() {
	for _, a := range w.living() {
		w.kill(a)
	}
}

func (w *world) living() []*agent {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*agent
	for _, a := range w.agents {
		if !a.dead {
			out = append(out, a)
		}
	}
	return out
}

// wait blocks a step until the schedule lets it go.
func (a *agent) wait(ctx context.Context, what string, unable func() bool) (mode, error) {
	c := &call{a: a, what: what, letGo: make(chan mode, 1), unable: unable}
	a.w.mu.Lock()
	switch {
	case a.dead:
		a.w.mu.Unlock()
		return 0, errDead
	case a.w.free && (unable == nil || !unable()):
		a.w.mu.Unlock()
		return carryOut, nil
	}
	a.w.waiting = append(a.w.waiting, c)
	a.w.mu.Unlock()
	select {
	case m := <-c.letGo:
		return m, nil
	case <-ctx.Done():
		a.w.mu.Lock()
		defer a.w.mu.Unlock()
		a.w.waiting = slices.DeleteFunc(a.w.waiting, func(o *call) bool { return o == c })
		return 0, ctx.Err()
	}
}

// able are the steps that can be let go, in the order of their processes, each of which has one.
func (w *world) able() []*call {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*call
	for _, c := range w.waiting {
		if c.unable == nil || !c.unable() {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *call) int { return a.a.id - b.a.id })
	return out
}

func (w *world) let(c *call, m mode) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(o *call) bool { return o == c })
	w.mu.Unlock()
	c.letGo <- m
}

// run lets all processes do as they please for a time, in which no input comes.
func (w *world) run(d time.Duration) {
	w.mu.Lock()
	w.free = true
	w.mu.Unlock()
	synctest.Wait()
	for _, c := range w.able() { // what waits already; from now on nothing has to
		w.let(c, carryOut)
	}
	time.Sleep(d)
	synctest.Wait()
}

// wakeAll has every process look at everybody.
func (w *world) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakes++
}

// produce appends inputs of a user, as enrich would, each caused by the next fact.
func (w *world) produce(key string, o order) {
	o.N = len(w.perUser[key]) + 1
	w.perUser[key] = append(w.perUser[key], o)
	value, err := json.Marshal(o)
	require.NoError(w.t, err)
	cause := stream.Cause{Topic: topic.Facts.Name, Partition: thePartition, Offset: int64(len(w.inputs))}
	rec := stream.Record{
		Topic: topic.Enriched.Name, Key: []byte(key), Value: value,
		Headers: []stream.Header{{Key: stream.HeaderCause, Value: []byte(cause.String())}},
	}
	w.inputs = append(w.inputs, rec)
	w.append([]stream.Record{rec})
}

// repeat publishes the last n inputs once more, as enrich does after a crash.
func (w *world) repeat(n int) {
	w.append(slices.Clone(w.inputs[max(0, len(w.inputs)-n):]))
}
