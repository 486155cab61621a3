package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// conformance is what the client has to do on any broker.
func conformance(t *testing.T, b pipetest.Backend) {
	t.Helper()
	for _, tc := range []struct {
		name string
		test func(*testing.T, pipetest.Backend)
	}{
		{"partitions keys as the Java client does", partitionsKeys},
		{"keeps the order and tells offsets", keepsOrder},
		{"keeps every byte", keepsBytes},
		{"refuses only what is too large", refusesLarge},
		{"isolates what the broker refuses", isolatesRefused},
		{"isolates what the broker names", isolatesNamed},
		{"waits for a topic made later", waitsForTopic},
		{"reads past transactions and leaves out aborted ones", readsTransactions},
		{"counts a gap and goes on", countsGap},
		{"rebalances without loss", rebalances},
		{"refuses the commit of an old generation", refusesZombie},
		{"goes on from the commit", goesOn},
		{"finishes the batch when stopped", finishesBatch},
		{"gives back a handler's error", givesBackError},
		{"tails from both ends", tails},
		{"finds offsets by time", findsTime},
		{"applies topics and reports mismatches", applies},
		{"works through a slow network", worksSlowly},
	} {
		t.Run(tc.name, func(t *testing.T) { t.Parallel(); tc.test(t, b) })
	}
}

func TestEmbeddedConformance(t *testing.T) {
	t.Parallel()
	conformance(t, pipetest.Embedded)
}

func partitionsKeys(t *testing.T, b pipetest.Backend) {
	ours, theirs := topic.Facts, topic.Enriched
	f := start(t, b, ours, theirs)
	recs := make([]stream.Record, 2000)
	var peers []*kgo.Record
	for i := range recs {
		key := make([]byte, rand.IntN(40))
		for j := range key {
			key[j] = byte(rand.Uint32())
		}
		recs[i] = stream.Record{Topic: ours.Name, Key: key}
		peers = append(peers, &kgo.Record{Topic: f.cfg.Prefix + theirs.Name, Key: key})
	}
	require.NoError(t, f.Publish(within(t), recs))
	require.NoError(t, f.peer.ProduceSync(within(t), peers...).FirstErr())
	for i, r := range recs {
		require.Equal(t, state.Partition(string(r.Key), partitions), r.Partition, "key %x", r.Key)
		if len(r.Key) > 0 { // franz-go takes an empty key for none
			require.EqualValues(t, peers[i].Partition, r.Partition, "key %x", r.Key)
		}
	}
}

func keepsOrder(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	const writers, rounds, chunk = 8, 20, 25
	offsets := make([]map[[2]int64]string, writers) // partition, offset
	var wg sync.WaitGroup
	for w := range writers {
		offsets[w] = map[[2]int64]string{}
		wg.Go(func() {
			for r := range rounds {
				recs := make([]stream.Record, chunk)
				for i := range recs {
					recs[i] = stream.Record{Topic: facts.Name, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%d %d", w, r*chunk+i)}
				}
				if err := f.Publish(within(t), recs); err != nil {
					t.Error(err)
					return
				}
				for _, rec := range recs {
					offsets[w][[2]int64{int64(rec.Partition), rec.Offset}] = string(rec.Value)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for p, log := range f.all(t, facts) {
		last := map[int]int{}
		for i, rec := range log {
			require.EqualValues(t, i, rec.Offset)
			var w, n int
			_, err := fmt.Sscanf(string(rec.Value), "%d %d", &w, &n)
			require.NoError(t, err)
			require.Equal(t, string(rec.Value), offsets[w][[2]int64{int64(p), rec.Offset}], "the offset told is the offset")
			if before, ok := last[w]; ok {
				require.Greater(t, n, before, "order of writer %d in partition %d", w, p)
			}
			last[w] = n
		}
		total += len(log)
	}
	require.Equal(t, writers*rounds*chunk, total)
	require.EqualValues(t, total, f.counter(t, "published_records_total"))
}

func keepsBytes(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	big := make([]byte, 900_000)
	for i := range big {
		big[i] = byte(rand.Uint32()) // does not compress
	}
	recs := []stream.Record{
		{Key: []byte("tombstone"), Value: nil},
		{Key: []byte("empty"), Value: []byte{}},
		{Key: nil, Value: []byte("no key")},
		{Key: []byte{}, Value: []byte("empty key")},
		{Key: []byte("headers"), Value: []byte("v"), Time: at, Headers: []stream.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "ü", Value: []byte{0xff}}}},
		{Key: []byte("big"), Value: big},
		{Key: []byte("big"), Value: big}, // two of them are two batches
	}
	for i := range recs {
		recs[i].Topic, recs[i].Pinned, recs[i].Partition = facts.Name, true, 3
	}
	require.NoError(t, f.Publish(within(t), recs))
	got := f.all(t, facts)[3]
	require.Len(t, got, len(recs))
	for i, want := range recs {
		g := got[i]
		require.Equal(t, want.Key == nil, g.Key == nil, i)
		require.Equal(t, want.Value == nil, g.Value == nil, i)
		require.True(t, bytes.Equal(want.Key, g.Key) && bytes.Equal(want.Value, g.Value), i)
		require.Len(t, g.Headers, len(want.Headers), i)
		for j, h := range want.Headers {
			require.Equal(t, h.Key, g.Headers[j].Key)
			require.True(t, bytes.Equal(h.Value, g.Headers[j].Value))
		}
		require.Equal(t, want.Offset, g.Offset)
	}
	require.True(t, got[4].Time.Equal(at))
	require.WithinDuration(t, time.Now(), got[0].Time, time.Minute)
}

func refusesLarge(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	recs := []stream.Record{
		{Topic: facts.Name, Key: []byte("a"), Value: []byte("1")},
		{Topic: facts.Name, Key: []byte("a"), Value: make([]byte, 2_000_000)},
		{Topic: facts.Name, Key: []byte("a"), Value: []byte("2")},
	}
	err := f.Publish(within(t), recs)
	var refused stream.Refused
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused, 1)
	require.Equal(t, 1, refused[0].Index)
	require.Equal(t, facts.Name, refused[0].Topic)
	log := f.all(t, facts)[recs[0].Partition]
	require.Len(t, log, 2)
	require.Equal(t, "1", string(log[recs[0].Offset].Value))
	require.Equal(t, "2", string(log[recs[2].Offset].Value))
	require.EqualValues(t, 1, f.counter(t, "refused_records_total"))
}

// isolatesRefused has the broker refuse one record of a batch by a limit that the client does not know.
func isolatesRefused(t *testing.T, b pipetest.Backend) {
	f := start(t, b)
	f.create(t, facts, map[string]string{"max.message.bytes": "2000"})
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	recs := make([]stream.Record, 40)
	for i := range recs {
		recs[i] = stream.Record{Topic: facts.Name, Pinned: true, Value: fmt.Append(nil, i)}
	}
	recs[17].Value = noise
	var refused stream.Refused
	require.ErrorAs(t, f.Publish(within(t), recs), &refused)
	require.Len(t, refused, 1)
	require.Equal(t, 17, refused[0].Index)
	log := f.all(t, facts)[0]
	require.Len(t, log, len(recs)-1)
	for i, want := range append(recs[:17:17], recs[18:]...) {
		require.Equal(t, string(want.Value), string(log[i].Value), "order is kept")
		require.EqualValues(t, i, want.Offset)
	}
}

// isolatesNamed has the broker name the records it refuses: a compacted topic needs keys, and times must not be far off.
func isolatesNamed(t *testing.T, b pipetest.Backend) {
	f := start(t, b, topic.Holds)
	recs := make([]stream.Record, 10)
	for i := range recs {
		recs[i] = stream.Record{Topic: topic.Holds.Name, Pinned: true, Key: fmt.Append(nil, i)}
	}
	recs[3].Key, recs[8].Key = nil, nil
	err := f.Publish(within(t), recs)
	if b == pipetest.Embedded {
		require.NoError(t, err, "kfake takes records without a key")
		return
	}
	var refused stream.Refused
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused, 2)
	require.Equal(t, []int{3, 8}, []int{refused[0].Index, refused[1].Index})
	require.Len(t, f.all(t, topic.Holds)[0], 8)
}

func waitsForTopic(t *testing.T, b pipetest.Backend) {
	f := start(t, b)
	ctx, cancel := context.WithCancel(within(t))
	got := make(chan stream.Record, 1)
	done := make(chan error, 2)
	go func() {
		done <- f.Consume(ctx, "late", []topic.Topic{facts}, each(func(r stream.Record) error { got <- r; return nil }))
	}()
	go func() {
		done <- f.Publish(ctx, []stream.Record{{Topic: facts.Name, Key: []byte("k"), Value: []byte("v")}})
	}()
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	require.ErrorIs(t, f.Publish(short, []stream.Record{{Topic: facts.Name, Key: []byte("k")}}), context.DeadlineExceeded)
	require.NoError(t, f.Apply(ctx, []topic.Topic{facts}, partitions, 1))
	require.NoError(t, <-done)
	require.Equal(t, "v", string((<-got).Value))
	cancel()
	require.NoError(t, <-done)
}

func readsTransactions(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	txn, err := kgo.NewClient(kgo.SeedBrokers(f.cfg.Brokers...), kgo.TransactionalID(f.cfg.Prefix+"txn"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer txn.Close()
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		require.NoError(t, txn.BeginTransaction())
		for j := range 3 {
			require.NoError(t, txn.ProduceSync(within(t), &kgo.Record{Topic: f.cfg.Prefix + facts.Name, Value: fmt.Appendf(nil, "%d.%d", i, j)}).FirstErr())
		}
		require.NoError(t, txn.EndTransaction(within(t), commit))
	}
	var got []string
	for _, r := range f.all(t, facts)[0] {
		got = append(got, string(r.Value))
	}
	require.Equal(t, []string{"0.0", "0.1", "0.2", "2.0", "2.1", "2.2"}, got)
}

func countsGap(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	f.publish(t, 0, 10)
	ctx, cancel := context.WithCancel(within(t))
	require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, func(ctx context.Context, p *stream.Partition) error {
		if p.ID == 0 {
			if err := p.Commit(3); err != nil {
				return err
			}
			cancel()
		}
		return nil
	}))
	f.deleteRecords(t, 0, 7)
	var gap *stream.GapError
	require.ErrorAs(t, f.Read(within(t), facts, 0, 3, 10, func([]stream.Record) error { return nil }), &gap)
	require.Equal(t, stream.GapError{Topic: facts.Name, Partition: 0, Want: 3, Log: stream.Range{Low: 7, High: 10}}, *gap)

	ctx, cancel = context.WithCancel(within(t))
	var first int64
	require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, each(func(r stream.Record) error {
		if first == 0 {
			first = r.Offset
		}
		cancel()
		return nil
	})))
	require.EqualValues(t, 7, first, "reading goes on at the start of the log")
	require.EqualValues(t, 4, f.counter(t, "gap_records_total"))
}

func goesOn(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	var next int64
	for round := range 4 {
		f.publish(t, 1, 10)
		ctx, cancel := context.WithCancel(within(t))
		require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, func(ctx context.Context, p *stream.Partition) error {
			if p.ID != 1 {
				return nil
			}
			if round == 0 {
				require.EqualValues(t, -1, p.Committed())
			} else {
				require.Equal(t, next, p.Committed())
			}
			recs, err := p.Fetch(ctx)
			if err != nil {
				return err
			}
			require.Equal(t, next, recs[0].Offset)
			next += 5 // the rest of what was fetched comes again
			cancel()
			return p.Commit(next)
		}))
	}
	rows, err := f.Lag(within(t), "g", []topic.Topic{facts})
	require.NoError(t, err)
	require.Equal(t, stream.LagRow{Topic: facts.Name, Partition: 1, Committed: 20, Range: stream.Range{High: 40}, Lag: 20}, rows[1])
	require.Equal(t, stream.LagRow{Topic: facts.Name, Partition: 2, Committed: -1}, rows[2])
}

func finishesBatch(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	f.publish(t, 0, 10)
	ctx, stop := context.WithCancel(within(t))
	require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, func(ctx context.Context, p *stream.Partition) error {
		if p.ID != 0 {
			<-p.Stopping()
			return nil // does not keep the other from finishing
		}
		_, err := p.Fetch(ctx)
		require.NoError(t, err)
		stop()
		_, err = p.Fetch(ctx)
		require.ErrorIs(t, err, stream.ErrStopping)
		require.NoError(t, ctx.Err())
		require.NoError(t, f.Publish(ctx, []stream.Record{{Topic: facts.Name, Pinned: true, Partition: 3}}))
		return p.Commit(10)
	}))
	rows, err := f.Lag(within(t), "g", []topic.Topic{facts})
	require.NoError(t, err)
	require.EqualValues(t, 10, rows[0].Committed)
}

func givesBackError(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	broken := errors.New("the store is broken")
	err := f.Consume(within(t), "g", []topic.Topic{facts}, func(ctx context.Context, p *stream.Partition) error {
		if p.ID == 2 {
			return broken
		}
		_, err := p.Fetch(ctx)
		return err
	})
	require.ErrorIs(t, err, broken)
}

func tails(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	f.publish(t, 0, 5)
	ctx, cancel := context.WithCancel(within(t))
	all, fresh := make(chan int64, 100), make(chan int64, 100)
	var wg sync.WaitGroup
	follow := func(from stream.Position, to chan int64) {
		wg.Go(func() {
			if err := f.Tail(ctx, facts, from, func(r stream.Record) error { to <- r.Offset; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	follow(stream.Start, all)
	for i := range 5 {
		require.EqualValues(t, i, <-all)
	}
	follow(stream.End, fresh)
	for i := 5; ; i++ { // until the second has begun
		f.publish(t, 0, 1)
		require.EqualValues(t, i, <-all)
		select {
		case o := <-fresh:
			require.GreaterOrEqual(t, o, int64(5))
			cancel()
			wg.Wait()
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func findsTime(t *testing.T, b pipetest.Backend) {
	f := start(t, b, facts)
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 10 {
		require.NoError(t, f.Publish(within(t), []stream.Record{{
			Topic: facts.Name, Pinned: true, Partition: 1, Time: begin.Add(time.Duration(i) * time.Minute), Value: []byte("v"),
		}}))
	}
	offsets, err := f.OffsetsAt(within(t), facts, begin.Add(3*time.Minute+time.Second))
	require.NoError(t, err)
	require.Equal(t, []int64{0, 4, 0, 0}, offsets)
	offsets, err = f.OffsetsAt(within(t), facts, begin.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []int64{0, 10, 0, 0}, offsets, "the end where there is nothing later")
}

func applies(t *testing.T, b pipetest.Backend) {
	f := start(t, b)
	topics := append([]topic.Topic{topic.InEvents, topic.InEvents.DLQ()}, topic.Facts, topic.Holds)
	require.NoError(t, f.Apply(within(t), topics, partitions, 1))
	require.NoError(t, f.Apply(within(t), topics, partitions, 1), "again is fine")
	require.ErrorContains(t, f.Apply(within(t), topics, 3, 1), "power of two")
	n, err := f.Partitions(within(t), topic.Holds)
	require.NoError(t, err)
	require.Equal(t, partitions, n)

	changed := topic.Facts
	changed.Compact = true
	err = f.Apply(within(t), []topic.Topic{changed, topic.Holds, topic.InEvents}, 8, 1)
	var mismatch *stream.Mismatch
	require.ErrorAs(t, err, &mismatch)
	require.ErrorContains(t, err, f.cfg.Prefix+"facts.v1: has 4 partitions and not 8")
	require.ErrorContains(t, err, f.cfg.Prefix+"facts.v1: has cleanup.policy delete and not compact")
	require.ErrorContains(t, err, f.cfg.Prefix+"holds.v1: has 4 partitions and not 8")
	require.NotContains(t, err.Error(), "in.events", "the partitions of what apps write are theirs")
}

// publish writes n numbered records to a partition.
func (f *fixture) publish(t *testing.T, partition, n int) {
	t.Helper()
	recs := make([]stream.Record, n)
	for i := range recs {
		recs[i] = stream.Record{Topic: facts.Name, Pinned: true, Partition: partition, Key: []byte("k"), Value: []byte(strconv.Itoa(i))}
	}
	require.NoError(t, f.Publish(within(t), recs))
}

// each is a handler that commits after every batch.
func each(fn func(stream.Record) error) stream.Handler {
	return func(ctx context.Context, p *stream.Partition) error {
		for {
			recs, err := p.Fetch(ctx)
			if err != nil {
				return err
			}
			for _, r := range recs {
				if err := fn(r); err != nil {
					return err
				}
			}
			if err := p.Commit(recs[len(recs)-1].Offset + 1); err != nil {
				return err
			}
		}
	}
}

func (f *fixture) create(t *testing.T, of topic.Topic, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = f.cfg.Prefix+of.Name, partitions, 1
	for k, v := range configs {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: k, Value: &v})
	}
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(within(t), f.peer)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].ErrorCode))
}

func (f *fixture) deleteRecords(t *testing.T, partition int32, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{
		Topic: f.cfg.Prefix + facts.Name, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: before}},
	}}
	res, err := req.RequestWith(within(t), f.peer)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode))
}
