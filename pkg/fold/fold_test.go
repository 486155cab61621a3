package fold

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// bench is a Fold of the test stage on some servers.
type bench struct {
	t       testing.TB
	servers *pipetest.Servers
	kafka   *stream.Client
	redis   redis.UniversalClient
	stage   Stage[*book, order]
	fold    *Fold[*book, order]
	stop    func()
	fact    map[int]int64  // next offset in facts, by partition
	n       map[string]int // inputs so far, by user
	parts   int
	config  Config
}

var stageTopics = []topic.Topic{topic.Facts, topic.Enriched, topic.Releases, topic.Outcomes, topic.Holds, topic.Enriched.DLQ()}

func newBench(t testing.TB, b pipetest.Backend, partitions int) *bench {
	t.Helper()
	s := pipetest.Start(t, b)
	e := &bench{
		t: t, servers: s, kafka: s.Stream(t), redis: s.Store(t), stage: orders(), fact: map[int]int64{}, n: map[string]int{}, parts: partitions,
		config: Config{Verify: time.Hour},
	}
	require.NoError(t, e.kafka.Apply(pipetest.Within(t, time.Minute), stageTopics, partitions, 1))
	return e
}

// start runs a new Fold, as a new process would.
func (e *bench) start() {
	e.t.Helper()
	var err error
	e.fold, err = New(e.stage, e.config, service.Deps{
		Kafka: e.kafka, Redis: e.redis, Clock: clock.Clock{}, Metrics: prometheus.NewRegistry(),
		Log: zerolog.New(zerolog.NewTestWriter(e.t)),
	})
	require.NoError(e.t, err)
	ctx, cancel := context.WithCancel(e.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.fold.Run(ctx) }()
	e.stop = func() {
		e.t.Helper()
		cancel()
		require.NoError(e.t, <-done)
	}
}

// input makes the enriched records of orders, each caused by the next fact of its partition.
func (e *bench) input(key string, orders ...order) []stream.Record {
	p := state.Partition(key, e.parts)
	recs := make([]stream.Record, len(orders))
	for i, o := range orders {
		e.n[key]++
		o.N = e.n[key]
		value, err := json.Marshal(o)
		require.NoError(e.t, err)
		cause := stream.Cause{Topic: topic.Facts.Name, Partition: p, Offset: e.fact[p]}
		e.fact[p]++
		recs[i] = stream.Record{
			Topic: topic.Enriched.Name, Key: []byte(key), Value: value,
			Headers: []stream.Header{{Key: stream.HeaderCause, Value: []byte(cause.String())}, {Key: stream.HeaderTrace, Value: []byte(traceparent)}},
		}
	}
	return recs
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func (e *bench) publish(recs ...stream.Record) {
	e.t.Helper()
	require.NoError(e.t, e.kafka.Publish(pipetest.Within(e.t, time.Minute), recs))
}

// read gives all records of a topic.
func (e *bench) read(t topic.Topic) []stream.Record {
	e.t.Helper()
	var all []stream.Record
	n, err := e.kafka.Partitions(e.t.Context(), t)
	require.NoError(e.t, err)
	for p := range n {
		require.NoError(e.t, e.kafka.Read(e.t.Context(), t, p, -1, -1, func(recs []stream.Record) error {
			all = append(all, recs...)
			return nil
		}))
	}
	return all
}

// decisions are the verdicts in releases, by item, and how often each was published.
func (e *bench) decisions() map[string]int {
	e.t.Helper()
	got := map[string]int{}
	for _, r := range e.read(topic.Releases) {
		got[r.Header(stream.HeaderID)]++
	}
	return got
}

func (e *bench) await(what string, ok func() bool) {
	e.t.Helper()
	ctx := pipetest.Within(e.t, time.Minute)
	for !ok() {
		require.NoError(e.t, (clock.Clock{}).Sleep(ctx, 20*time.Millisecond), what)
	}
}

// The stage over virtual days: each wake-up at its millisecond, restarts with and without Redis, duplicates dropped.
func TestWakeUpsOverDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBench(t, pipetest.Virtual, 2)
		e.start()
		begin := time.Now()
		want := map[string]time.Time{}
		got := map[string]time.Time{}
		seen := map[string]bool{} // records, as retention takes the older ones away
		accepted := 0
		for day := range 6 {
			for i, key := range []string{"app|a", "app|b", "app|c"} {
				item := fmt.Sprintf("d%d-%d", day, i)
				due := time.Now().Add(time.Duration(i*7+1)*time.Hour + time.Duration(day)*time.Millisecond)
				recs := e.input(key, order{Item: item, Due: due.UnixMilli()})
				e.publish(recs...)
				e.publish(recs...) // enrich may say it twice
				want["released-"+item] = due.Truncate(time.Millisecond)
			}
			time.Sleep(30 * time.Minute)
			switch day {
			case 2: // a restart
				e.stop()
				e.start()
			case 4: // a restart with an empty Redis
				e.stop()
				require.NoError(t, e.redis.FlushDB(t.Context()).Err())
				e.start()
			}
			time.Sleep(23*time.Hour + 30*time.Minute)
			for _, r := range append(e.read(topic.Releases), e.read(topic.Outcomes)...) {
				at := stream.CauseOf(&r).String()
				if seen[at] {
					continue
				}
				seen[at] = true
				id := r.Header(stream.HeaderID)
				if strings.HasPrefix(id, told) {
					continue
				}
				if r.Topic == topic.Outcomes.Name {
					require.Equal(t, traceparent, r.Header(stream.HeaderTrace))
					accepted++
					continue
				}
				require.NotContains(t, got, id)
				got[id], _ = time.Parse(time.RFC3339Nano, r.Header(stream.HeaderTime))
				require.NotEmpty(t, r.Header(headerFence))
				require.Contains(t, r.Header(stream.HeaderCause), "facts.v1/")
			}
		}
		require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
		for id, due := range want {
			require.WithinDuration(t, due, got[id], 0, id)
		}
		require.Len(t, want, accepted, "the second of two equal inputs is dropped")
		require.NoError(t, e.fold.Ready(t.Context()))
		require.Zero(t, testutil.ToFloat64(e.fold.metrics.reissued))
		e.stop()
		t.Logf("%v of virtual time", time.Since(begin))
	})
}

// Redis is emptied while the stage runs and holds items: all of them end, once, and the DLQ has what could not be read.
func TestLostRedis(t *testing.T) { lostRedis(t, pipetest.Embedded) }

func lostRedis(t *testing.T, b pipetest.Backend) {
	e := newBench(t, b, 4)
	e.config.Verify, e.config.Checkpoint = 200*time.Millisecond, 500*time.Millisecond
	e.start()
	const users, items = 20, 10
	due := time.Now().Add(4 * time.Second).UnixMilli()
	var recs []stream.Record
	for item := range items {
		for u := range users {
			recs = append(recs, e.input(fmt.Sprintf("app|%d", u), order{Item: fmt.Sprintf("%d-%d", u, item), Due: due})...)
		}
	}
	poison := stream.Record{Topic: topic.Enriched.Name, Key: []byte("app|x"), Value: []byte("{"), Headers: recs[0].Headers}
	stranger := stream.Record{Topic: topic.Enriched.Name, Key: []byte("app|x"), Value: []byte("{}")}
	e.publish(append(recs, poison, stranger)...)
	e.await("all are held", func() bool { return len(e.read(topic.Outcomes)) == users*items })
	switch r := e.redis.(type) {
	case *redis.ClusterClient:
		require.NoError(t, r.ForEachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() }))
	default:
		require.NoError(t, r.FlushAll(t.Context()).Err())
	}
	e.await("all are released", func() bool { return len(e.decisions()) == users*items })
	e.stop()
	for id, n := range e.decisions() {
		require.Equal(t, 1, n, id)
	}
	require.Positive(t, testutil.ToFloat64(e.fold.metrics.lost), "it was noticed")
	dead := map[string]bool{} // by offset: the loss may have come before the commit
	for _, r := range e.read(topic.Enriched.DLQ()) {
		dead[r.Header(topic.DeadPartition)+"/"+r.Header(topic.DeadOffset)] = true
		require.Equal(t, topic.Enriched.Name, r.Header(topic.DeadTopic))
		require.Equal(t, "orders", r.Header(topic.DeadStage))
		require.NotEmpty(t, r.Header(topic.DeadReason))
	}
	require.Len(t, dead, 2)
}

// A record that the broker took compressed, and that does not fit into a record of ours, does not stop the partition.
func TestALargeRecordIsKept(t *testing.T) {
	t.Parallel()
	e := newBench(t, pipetest.Embedded, 1)
	e.start()
	const size = 2_000_000
	large := e.input("app|a", order{Item: "large"})
	large[0].Value = bytes.Repeat([]byte("{"), size)
	require.NoError(t, e.servers.Outsider(t).Publish(pipetest.Within(t, time.Minute), large))
	e.publish(e.input("app|a", order{Item: "next", Due: time.Now().Add(time.Hour).UnixMilli()})...)
	e.await("the next one is held", func() bool { return len(e.read(topic.Outcomes)) == 1 })
	e.stop()
	dead := e.read(topic.Enriched.DLQ())
	require.Len(t, dead, 1)
	require.Equal(t, strconv.Itoa(size), dead[0].Header(topic.DeadTruncated))
	require.Equal(t, large[0].Header(stream.HeaderCause), dead[0].Header(stream.HeaderCause))
}

// A state that does not fit into a record of the journal is missing there and stops nobody. It is there again once it fits.
func TestALargeStateStopsNobody(t *testing.T) {
	t.Parallel()
	e := newBench(t, pipetest.Embedded, 1)
	e.config.Checkpoint = 50 * time.Millisecond
	pack := e.stage.EncodeState
	e.stage.EncodeState = func(b *book) ([]byte, error) {
		data, err := pack(b)
		if _, held := b.Held["large"]; held {
			data = append(data, bytes.Repeat([]byte(" "), 1_000_000)...)
		}
		return data, err
	}
	e.start()
	journaled := func(key string) bool {
		return slices.ContainsFunc(e.read(topic.Holds), func(r stream.Record) bool { return string(r.Key) == key })
	}
	due := time.Now().Add(time.Hour).UnixMilli()
	e.publish(append(e.input("app|a", order{Item: "large", Due: due}), e.input("app|b", order{Item: "small", Due: due})...)...)
	e.await("the checkpoint is made without it", func() bool { return journaled("app|b") && journaled(checkpointKey(0)) })
	require.False(t, journaled("app|a"))
	require.Equal(t, 1, int(testutil.ToFloat64(e.fold.metrics.large)))
	e.publish(e.input("app|a", order{Item: "large", Cancel: true})...)
	e.await("it is there when it fits", func() bool { return journaled("app|a") })
	e.stop()
}

// What others write to the journal does not end a rebuild, nor does it displace a user's record.
func TestForeignRecordsInTheJournal(t *testing.T) {
	t.Parallel()
	e := newBench(t, pipetest.Embedded, 1)
	e.config.Checkpoint = 50 * time.Millisecond
	e.start()
	latest := func(key string) (last stream.Record) {
		for _, r := range e.read(topic.Holds) {
			if string(r.Key) == key {
				last = r
			}
		}
		return last
	}
	ours := func(key string) bool {
		r := latest(key)
		return r.Header(headerOwner) != "" && r.Header(headerFence) != ""
	}
	due := time.Now().Add(time.Hour).UnixMilli()
	e.publish(e.input("app|a", order{Item: "i", Due: due})...)
	e.await("it is journaled", func() bool { return ours("app|a") })
	foreign := func(key string, headers ...stream.Header) stream.Record {
		return stream.Record{Topic: topic.Holds.Name, Partition: 0, Pinned: true, Key: []byte(key), Value: []byte("{"), Headers: headers}
	}
	e.publish(foreign("app|a"), foreign("app|a", stream.Header{Key: headerFence, Value: []byte("x")}), foreign("who"), foreign(checkpointKey(0)))
	e.publish(e.input("app|b", order{Item: "j", Due: due})...)
	e.await("it is journaled again", func() bool { return ours("app|a") })
	e.stop()
	require.NoError(t, e.redis.FlushDB(t.Context()).Err())
	e.start()
	e.publish(e.input("app|a", order{Item: "i", Cancel: true})...)
	e.await("the hold was there", func() bool { return e.decisions()["cancelled-i"] == 1 })
	require.Equal(t, 4, int(testutil.ToFloat64(e.fold.metrics.foreign)))
	e.stop()
}

func TestNewRefuses(t *testing.T) {
	stage := orders()
	stage.Reconcile = nil
	_, err := New(stage, Config{}, service.Deps{})
	require.ErrorContains(t, err, `stage "orders": Reconcile is missing`)
	_, err = New(orders(), Config{Batch: -1}, service.Deps{})
	require.ErrorContains(t, err, "batch: must not be negative")
	_, err = New(orders(), Config{}, service.Deps{})
	require.ErrorContains(t, err, "Kafka and Redis are needed")
}
