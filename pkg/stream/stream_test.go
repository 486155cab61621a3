package stream_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// virtual are timeouts with which days of idling cost little inside a synctest bubble.
var virtual = stream.Timeouts{
	Metadata: time.Hour, MaxWait: time.Minute, Heartbeat: 30 * time.Second, Session: 2 * time.Minute, Rebalance: time.Minute, Stall: time.Hour,
}

func TestVirtualDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Network: new(embedded.Network)})
		require.NoError(t, err)
		defer broker.Close()
		c, err := stream.New(stream.Config{
			Brokers: []string{broker.Addr}, Prefix: "kairos.", Dial: broker.Dial, Timeouts: virtual,
		}, zerolog.New(zerolog.NewTestWriter(t)), clock.Clock{}, prometheus.NewRegistry())
		require.NoError(t, err)
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, c.Apply(ctx, []topic.Topic{topic.Facts}, 4, 1))

		const hours = 7 * 24
		got := make(chan string, hours*4)
		done := make(chan error, 1)
		go func() {
			done <- c.Consume(ctx, "enrich", []topic.Topic{topic.Facts}, func(ctx context.Context, p *stream.Partition) error {
				for {
					recs, err := p.Fetch(ctx)
					if err != nil {
						return err
					}
					for _, r := range recs {
						got <- string(r.Value)
					}
					if err := p.Commit(recs[len(recs)-1].Offset + 1); err != nil {
						return err
					}
				}
			})
		}()
		start := time.Now()
		for h := range hours {
			require.NoError(t, c.Publish(ctx, []stream.Record{{Topic: "facts.v1", Key: fmt.Append(nil, h), Value: fmt.Append(nil, h)}}))
			require.Equal(t, fmt.Sprint(h), <-got)
			time.Sleep(time.Hour)
		}
		require.Equal(t, hours*time.Hour, time.Since(start).Truncate(time.Hour))
		rows, err := c.Lag(ctx, "enrich", []topic.Topic{topic.Facts})
		require.NoError(t, err)
		for _, row := range rows {
			require.Zero(t, row.Lag, "%+v", row)
		}
		cancel()
		require.NoError(t, <-done)
	})
}
