package fold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	committed int64
	newest    *agent
	alone     bool // Redis was lost and not rebuilt: no zombies until then
	free      bool // calls need no schedule any more
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

// Publish implements broker. A lost answer is one that package stream asks for again: the records are there twice.
func (a *agent) Publish(ctx context.Context, recs []stream.Record) error {
	m, err := a.wait(ctx, "publish "+recs[0].Topic, nil)
	if err != nil {
		return err
	}
	if m == loseReply {
		a.w.append(recs)
		if _, err := a.wait(ctx, "publish again", nil); err != nil {
			return err
		}
	}
	a.w.append(recs)
	return nil
}

func (w *world) append(recs []stream.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range recs {
		r := &recs[i]
		if !r.Pinned {
			r.Partition = state.Partition(string(r.Key), thePartitions)
		}
		if r.Partition != thePartition {
			panic(fmt.Sprintf("%s: key %s lies in partition %d", r.Topic, r.Key, r.Partition))
		}
		r.Offset = int64(len(w.logs[r.Topic]))
		out := *r
		out.Value = slices.Clone(r.Value)
		if out.Time.IsZero() {
			out.Time = time.Now()
		}
		w.logs[r.Topic] = append(w.logs[r.Topic], out)
	}
}

func (w *world) slice(name string, from, to int64) []stream.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []stream.Record
	for _, r := range w.logs[name][from:min(to, int64(len(w.logs[name])))] {
		if r.Key != nil {
			r.Value = slices.Clone(r.Value)
			out = append(out, r)
		}
	}
	return out
}

// Read implements broker.
func (a *agent) Read(ctx context.Context, t topic.Topic, partition int, from, to int64, fn func([]stream.Record) error) error {
	if partition != thePartition || from >= to {
		return nil
	}
	if _, err := a.wait(ctx, "read "+t.Name, nil); err != nil {
		return err
	}
	return fn(a.w.slice(t.Name, from, to))
}

// Offsets implements broker.
func (a *agent) Offsets(ctx context.Context, t topic.Topic) ([]stream.Range, error) {
	if _, err := a.wait(ctx, "offsets "+t.Name, nil); err != nil {
		return nil, err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	out := make([]stream.Range, thePartitions)
	out[thePartition].High = int64(len(a.w.logs[t.Name]))
	return out, nil
}

// Committed implements source.
func (a *agent) Committed() int64 { return a.from }

// SeekTo implements source.
func (a *agent) SeekTo(offset int64) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.pos = max(0, offset)
}

// Fetch implements source.
func (a *agent) Fetch(ctx context.Context) ([]stream.Record, error) {
	input := topic.Enriched.Name
	_, err := a.wait(ctx, "fetch", func() bool { return a.pos >= int64(len(a.w.logs[input])) })
	if err != nil {
		return nil, err
	}
	recs := a.w.slice(input, a.pos, a.pos+5)
	a.SeekTo(a.pos + int64(len(recs)))
	return recs, nil
}

// Commit implements source: only the newest process is in the group's generation.
func (a *agent) Commit(offset int64) error {
	if _, err := a.wait(a.ctx, "commit", nil); err != nil {
		return err
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	if a.w.newest != a {
		return stream.ErrGeneration
	}
	a.w.committed, a.from = offset, offset
	return nil
}

// DialHook implements redis.Hook.
func (a *agent) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (a *agent) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return a.redisCall(ctx, "redis "+cmd.Name(), func() error { return next(ctx, cmd) }, func(err error) { cmd.SetErr(err) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (a *agent) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return a.redisCall(ctx, "redis pipeline of "+cmds[0].Name(), func() error { return next(ctx, cmds) }, func(err error) {
			for _, c := range cmds {
				c.SetErr(err)
			}
		})
	}
}

func (a *agent) redisCall(ctx context.Context, what string, do func() error, fail func(error)) error {
	m, err := a.wait(ctx, what, nil)
	if err == nil {
		if err = do(); err == nil && m == loseReply {
			err = errLost
		}
	}
	if err != nil && (errors.Is(err, errDead) || errors.Is(err, errLost) || ctx.Err() != nil) {
		fail(err)
	}
	return err
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

// compact takes out of the journal what has a newer record of the same key, if that is older than the topic's
// min.compaction.lag.
func (w *world) compact() {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]bool{}
	log := w.logs[topic.Holds.Name]
	for i := len(log) - 1; i >= 0; i-- {
		r := &log[i]
		switch {
		case r.Key == nil || time.Since(r.Time) < compactionLag:
		case seen[string(r.Key)]:
			*r = stream.Record{} // a hole
		default:
			seen[string(r.Key)] = true
		}
	}
}

// compactionLag is more than two checkpoints of the model's owners.
const compactionLag = 15 * time.Second

// repeat publishes the last n inputs once more, as enrich does after a crash.
func (w *world) repeat(n int) {
	w.append(slices.Clone(w.inputs[max(0, len(w.inputs)-n):]))
}

// snapshot is Redis at some moment, as in a file or on a replica.
type snapshot struct {
	strings map[string]string
	hashes  map[string]map[string]string
	sorted  map[string][]redis.Z
	sets    map[string][]string
}

func (w *world) save() {
	ctx := context.Background()
	s := &snapshot{strings: map[string]string{}, hashes: map[string]map[string]string{}, sorted: map[string][]redis.Z{}, sets: map[string][]string{}}
	for _, k := range w.plain.Keys(ctx, "*").Val() {
		switch w.plain.Type(ctx, k).Val() {
		case "string":
			s.strings[k] = w.plain.Get(ctx, k).Val()
		case "hash":
			s.hashes[k] = w.plain.HGetAll(ctx, k).Val()
		case "zset":
			s.sorted[k] = w.plain.ZRangeWithScores(ctx, k, 0, -1).Val()
		case "set":
			s.sets[k] = w.plain.SMembers(ctx, k).Val()
		}
	}
	w.snapshot = s
}

// lose empties Redis, or takes it back to the snapshot. A process that is not the newest dies first: a zombie and the
// loss of Redis at once are two faults.
func (w *world) lose(back bool) {
	for _, a := range w.living() {
		if a != w.newest {
			w.kill(a)
		}
	}
	w.mu.Lock()
	w.alone = true
	w.mu.Unlock()
	ctx := context.Background()
	require.NoError(w.t, w.plain.FlushAll(ctx).Err())
	if !back || w.snapshot == nil {
		return
	}
	for k, v := range w.snapshot.strings {
		w.plain.Set(ctx, k, v, 0)
	}
	for k, v := range w.snapshot.hashes {
		w.plain.HSet(ctx, k, v)
	}
	for k, v := range w.snapshot.sorted {
		w.plain.ZAdd(ctx, k, v...)
	}
	for k, v := range w.snapshot.sets {
		w.plain.SAdd(ctx, k, v)
	}
}

// states are the users' states in Redis.
func (w *world) states() map[string]*book {
	out := map[string]*book{}
	for key := range maps.Keys(w.perUser) {
		data, err := w.plain.Get(context.Background(), state.UserKey("orders", key)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		require.NoError(w.t, err)
		b, err := state.DecodeBlob(data)
		require.NoError(w.t, err)
		out[key], err = orders().DecodeState(b.State)
		require.NoError(w.t, err)
	}
	return out
}

// check compares what is in Kafka and Redis with a fold of the inputs in their order. It says what is wrong.
func (w *world) check() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	decided := map[string]map[string]bool{}
	for _, r := range w.logs[topic.Releases.Name] {
		var v verdict
		require.NoError(w.t, json.Unmarshal(r.Value, &v))
		if decided[v.Item] == nil {
			decided[v.Item] = map[string]bool{}
		}
		decided[v.Item][v.How] = true
	}
	accepted := map[string]bool{}
	for _, r := range w.logs[topic.Outcomes.Name] {
		accepted[r.Header(stream.HeaderID)] = true
	}
	states := w.states()
	for key, orders := range w.perUser {
		want := &book{Held: map[string]int64{}, Ended: map[string]string{}}
		for _, o := range orders {
			want.take(o)
		}
		got := states[key]
		if got == nil {
			say("%s: state lost", key)
			continue
		}
		if got.Wrong != "" || got.Seen != want.Seen || got.Hash != want.Hash {
			say("%s: state has seen %d inputs, want %d in order; %s", key, got.Seen, want.Seen, got.Wrong)
		}
		if len(got.Held) > 0 {
			say("%s: still held: %v", key, got.Held)
		}
		forbidden := map[string]bool{}
		for _, o := range orders {
			hows := slices.Sorted(maps.Keys(decided[o.Item]))
			switch {
			case o.Cancel:
				forbidden[o.Item] = !accepted["accepted-"+o.Item]
			case forbidden[o.Item]:
				if len(hows) > 0 {
					say("%s: %s was cancelled before it came, and then %v", key, o.Item, hows)
				}
			case len(hows) != 1:
				say("%s: %s was decided %v, want one decision", key, o.Item, hows)
			case got.Ended[o.Item] != hows[0]:
				say("%s: %s is %q in the state and %q in Kafka", key, o.Item, got.Ended[o.Item], hows[0])
			case !accepted["accepted-"+o.Item]:
				say("%s: %s was never called accepted", key, o.Item)
			}
		}
	}
	return errors.Join(wrong...)
}
