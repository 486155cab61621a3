package stream_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// rebalances has members come and go while records are written: each record is handled, no two handlers own a
// partition at a time, and nobody begins before what was committed.
func rebalances(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b, facts)
	ctx, stop := context.WithCancel(within(t))
	const total = 2000
	var (
		mu      sync.Mutex
		handled = map[[2]int64]int{}
		owner   [partitions]atomic.Int32
		commits [partitions]int64
		count   atomic.Int64
	)
	handle := func(ctx context.Context, p *stream.Partition) error {
		if !owner[p.ID].CompareAndSwap(0, 1) {
			t.Errorf("partition %d has two owners", p.ID)
		}
		defer owner[p.ID].Store(0)
		mu.Lock()
		if before := commits[p.ID]; max(p.Committed(), 0) != before {
			t.Errorf("partition %d begins at %d and was committed at %d", p.ID, p.Committed(), before)
		}
		mu.Unlock()
		for {
			recs, err := p.Fetch(ctx)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, r := range recs {
				handled[[2]int64{int64(p.ID), r.Offset}]++
			}
			next := recs[len(recs)-1].Offset + 1
			if err = p.Commit(next); err == nil {
				commits[p.ID] = next
			}
			mu.Unlock()
			if err != nil {
				return err
			}
			count.Add(int64(len(recs)))
		}
	}
	var wg sync.WaitGroup
	join := func(ctx context.Context) *sync.WaitGroup {
		var one sync.WaitGroup
		member := open(t, f.cfg)
		wg.Add(1)
		one.Go(func() {
			defer wg.Done()
			if err := member.Consume(ctx, "g", []topic.Topic{facts}, handle); err != nil {
				t.Error(err)
			}
		})
		return &one
	}
	wg.Go(func() {
		for i := range total / 20 {
			recs := make([]stream.Record, 20)
			for j := range recs {
				recs[j] = stream.Record{Topic: facts.Name, Pinned: true, Partition: (i*20 + j) % partitions, Value: []byte("v")}
			}
			if err := f.Publish(ctx, recs); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	join(ctx)
	second, leave := context.WithCancel(ctx)
	left := join(second)
	join(ctx)
	require.Eventually(t, func() bool { return count.Load() > total/4 }, 30*time.Second, time.Millisecond)
	leave()
	left.Wait()
	join(ctx)
	require.Eventually(t, func() bool { return count.Load() >= total }, 30*time.Second, 10*time.Millisecond)
	stop()
	wg.Wait()
	require.Len(t, handled, total)
}

// refusesZombie keeps a handler's partition after its generation is over.
func refusesZombie(t *testing.T, b pipetest.Backend) {
	t.Helper()
	f := start(t, b, facts)
	f.publish(t, 0, 10)
	ctx, stop := context.WithCancel(within(t))
	got := make(chan *stream.Partition, 1)
	done := make(chan error, 2)
	hold := func(ctx context.Context, p *stream.Partition) error {
		if p.ID == 0 {
			got <- p
		}
		select {
		case <-ctx.Done():
		case <-p.Stopping():
		}
		return nil
	}
	go func() { done <- f.Consume(ctx, "g", []topic.Topic{facts}, hold) }()
	old := <-got
	other := open(t, f.cfg)
	go func() { done <- other.Consume(ctx, "g", []topic.Topic{facts}, hold) }()
	fresh := <-got // in the next generation, by either of them
	require.NotSame(t, old, fresh)
	require.ErrorIs(t, old.Commit(10), stream.ErrGeneration)
	require.NoError(t, fresh.Commit(4))
	stop()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	rows, err := f.Lag(within(t), "g", []topic.Topic{facts})
	require.NoError(t, err)
	require.EqualValues(t, 4, rows[0].Committed)
}

// worksSlowly puts latency and small pieces between the client and the broker.
func worksSlowly(t *testing.T, b pipetest.Backend) {
	t.Helper()
	s := pipetest.StartProxied(t, b)
	pipetest.AddToxic(t, s.KafkaProxy, "latency", "downstream", `{"latency":30,"jitter":20}`)
	pipetest.AddToxic(t, s.KafkaProxy, "slicer", "upstream", `{"average_size":100,"size_variation":50,"delay":100}`)
	f := open(t, s.Kafka)
	require.NoError(t, f.Apply(within(t), []topic.Topic{facts}, partitions, 1))
	f.publish(t, 0, 100)
	ctx, stop := context.WithCancel(within(t))
	n := 0
	require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, each(func(stream.Record) error {
		if n++; n == 100 {
			stop()
		}
		return nil
	})))
	require.Equal(t, 100, n)
}
