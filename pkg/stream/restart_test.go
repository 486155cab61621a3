package stream_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// survives has writers and a group at work while disturb does its worst; then everything acknowledged is in the log, in
// order, and everything in the log was handled. A record may be there twice: its first answer was lost.
func survives(t *testing.T, f *fixture, replicas int, disturb func(rounds *atomic.Int64)) {
	t.Helper()
	ctx := pipetest.Within(t, 3*time.Minute)
	require.NoError(t, f.Apply(ctx, []topic.Topic{facts}, partitions, replicas))
	reading, stop := context.WithCancel(ctx)
	var (
		writing  atomic.Bool
		rounds   atomic.Int64
		wg, read sync.WaitGroup
		mu       sync.Mutex
		handled  = map[[2]int64]bool{}
		acked    [partitions]map[int]int64 // number → offset
	)
	writing.Store(true)
	for p := range partitions {
		acked[p] = map[int]int64{}
		wg.Go(func() {
			for n := 0; writing.Load(); n += 10 {
				recs := make([]stream.Record, 10)
				for i := range recs {
					recs[i] = stream.Record{Topic: facts.Name, Pinned: true, Partition: p, Value: fmt.Append(nil, n+i)}
				}
				if err := f.Publish(ctx, recs); err != nil {
					t.Error(err)
					return
				}
				for i, r := range recs {
					acked[p][n+i] = r.Offset
				}
				rounds.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	read.Go(func() {
		err := f.Consume(reading, "g", []topic.Topic{facts}, each(func(r stream.Record) error {
			mu.Lock()
			defer mu.Unlock()
			handled[[2]int64{int64(r.Partition), r.Offset}] = true
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	})
	disturb(&rounds)
	writing.Store(false)
	wg.Wait()
	logs := f.all(t, facts)
	total := 0
	for p, log := range logs {
		total += len(log)
		next := 0 // the first number not seen yet
		at := map[int64]int{}
		for _, r := range log {
			var n int
			_, err := fmt.Sscan(string(r.Value), &n)
			require.NoError(t, err)
			require.LessOrEqual(t, n, next, "partition %d: %d came before %d", p, n, next)
			next = max(next, n+1)
			at[r.Offset] = n
		}
		require.NotEmpty(t, acked[p])
		for n, offset := range acked[p] {
			got, ok := at[offset]
			require.True(t, ok, "partition %d: %d was acknowledged at %d and is not there", p, n, offset)
			require.Equal(t, n, got)
		}
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(handled) >= total }, time.Minute, 10*time.Millisecond)
	stop()
	read.Wait()
}

// await waits until so many more publishes have succeeded.
func await(t *testing.T, rounds *atomic.Int64, more int64) {
	t.Helper()
	want := rounds.Load() + more
	require.Eventually(t, func() bool { return rounds.Load() >= want }, time.Minute, time.Millisecond)
}

func TestEmbeddedRestart(t *testing.T) {
	t.Parallel()
	o := embedded.KafkaOptions{DataDir: t.TempDir()}
	broker, err := embedded.Kafka(t.Context(), o)
	require.NoError(t, err)
	o.Listen = broker.Addr
	f := open(t, stream.Config{Brokers: []string{broker.Addr}, Prefix: "kairos."})
	survives(t, f, 1, func(rounds *atomic.Int64) {
		for range 3 {
			await(t, rounds, 50)
			broker.Close()
			time.Sleep(100 * time.Millisecond)
			broker, err = embedded.Kafka(t.Context(), o)
			require.NoError(t, err)
		}
		await(t, rounds, 50)
	})
	broker.Close()
}
