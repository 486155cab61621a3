package stream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

const chunk, benchPartitions = 1000, 8

func benchClient(b *testing.B) *stream.Client {
	b.Helper()
	c, err := stream.New(pipetest.Start(b, pipetest.Embedded).Kafka, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	require.NoError(b, c.Apply(b.Context(), []topic.Topic{facts}, benchPartitions, 1))
	return c
}

// fill makes a chunk of records of 300 bytes, with the headers of a pipeline record if headed.
func fill(recs []stream.Record, headed bool) {
	value := make([]byte, 300)
	for i := range value {
		value[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[i*7%36]
	}
	var hs []stream.Header
	if headed {
		hs = stream.Event{ID: "0192f3a4b5c6", Type: "kairos.outcome.accepted", Source: "/kairos/timing", Cause: stream.Cause{Topic: "facts.v1", Partition: 3, Offset: 1234567}}.Headers(context.Background())
	}
	for i := range recs {
		recs[i] = stream.Record{Topic: facts.Name, Key: fmt.Appendf(nil, "demo|user-%d", i), Value: value, Headers: hs}
	}
}

func rate(b *testing.B, records int) {
	b.Helper()
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}

// BenchmarkPublish writes chunks of 1000 records over 8 partitions, acks=all, from 1 and from 8 goroutines.
func BenchmarkPublish(b *testing.B) {
	for _, writers := range []int{1, 8} {
		for _, headed := range []bool{false, true} {
			b.Run(fmt.Sprintf("writers=%d/headers=%v", writers, headed), func(b *testing.B) {
				c := benchClient(b)
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for w := range writers {
					wg.Go(func() {
						recs := make([]stream.Record, chunk)
						fill(recs, headed)
						for i := w; i < b.N; i += writers {
							if err := c.Publish(b.Context(), recs); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				rate(b, b.N*chunk)
			})
		}
	}
}

// BenchmarkPublishOne writes single records from 256 goroutines: what an HTTP API does.
func BenchmarkPublishOne(b *testing.B) {
	c := benchClient(b)
	recs := make([]stream.Record, 4096)
	fill(recs, true)
	b.ReportAllocs()
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			one := []stream.Record{recs[i%len(recs)]}
			if err := c.Publish(b.Context(), one); err != nil {
				b.Error(err)
			}
		}
	})
	rate(b, b.N)
}

// BenchmarkConsume reads chunks of up to 1000 records in a group and commits after each.
func BenchmarkConsume(b *testing.B) {
	c := benchClient(b)
	recs := make([]stream.Record, chunk)
	fill(recs, true)
	for range b.N {
		require.NoError(b, c.Publish(b.Context(), recs))
	}
	var mu sync.Mutex
	left := b.N * chunk
	ctx, stop := context.WithCancel(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	err := c.Consume(ctx, "bench", []topic.Topic{facts}, func(ctx context.Context, p *stream.Partition) error {
		for {
			recs, err := p.Fetch(ctx)
			if err != nil {
				return err
			}
			if err := p.Commit(recs[len(recs)-1].Offset + 1); err != nil {
				return err
			}
			mu.Lock()
			if left -= len(recs); left == 0 {
				b.StopTimer()
				stop()
			}
			mu.Unlock()
		}
	})
	require.NoError(b, err)
	rate(b, b.N*chunk)
}
