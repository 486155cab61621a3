package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func partitionsKeys(t *testing.T, b pipetest.Backend) {
	t.Helper()
	ours, theirs := topic.Facts, topic.Enriched
	f := start(t, b, ours, theirs)
	recs := make([]stream.Record, 2000)
	var peers []*kgo.Record
	for i := range recs {
		key := random(i % 40)
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
	t.Helper()
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
	require.Equal(t, total, f.counter(t, "published_records_total"))
}

func keepsBytes(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b, facts)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	big := random(900_000) // does not compress
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
	t.Helper()
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
	require.Equal(t, 1, f.counter(t, "refused_records_total"))
}

// isolatesRefused has the broker refuse one record of a batch by a limit that the client does not know.
func isolatesRefused(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b)
	f.create(t, facts, map[string]string{"max.message.bytes": "2000"})
	recs := make([]stream.Record, 40)
	for i := range recs {
		recs[i] = stream.Record{Topic: facts.Name, Pinned: true, Value: fmt.Append(nil, i)}
	}
	recs[17].Value = random(3000)
	var refused stream.Refused
	require.ErrorAs(t, f.Publish(within(t), recs), &refused)
	require.Len(t, refused, 1)
	require.Equal(t, 17, refused[0].Index)
	log := f.all(t, facts)[0]
	require.Len(t, log, len(recs)-1)
	for i, sent := range append(recs[:17:17], recs[18:]...) {
		require.Equal(t, string(sent.Value), string(log[i].Value), "order is kept")
		require.Equal(t, log[i].Offset, sent.Offset)
	}
}

// isolatesNamed has the broker name the records it refuses: a compacted topic needs keys, and times must not be far off.
func isolatesNamed(t *testing.T, b pipetest.Backend) {
	t.Helper()
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
	t.Helper()
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
