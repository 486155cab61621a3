package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func readsTransactions(t *testing.T, b pipetest.Backend) {
	t.Helper()
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
	t.Helper()
	f := start(t, b, facts)
	f.publish(t, 0, 10)
	ctx, cancel := context.WithCancel(within(t))
	require.NoError(t, f.Consume(ctx, "g", []topic.Topic{facts}, func(_ context.Context, p *stream.Partition) error {
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
	require.Equal(t, 4, f.counter(t, "gap_records_total"))
}

func goesOn(t *testing.T, b pipetest.Backend) {
	t.Helper()
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
	t.Helper()
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
	t.Helper()
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
	t.Helper()
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
