package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// TestStall has a broker that says there is more and gives nothing.
func TestStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Network: new(embedded.Network)})
		require.NoError(t, err)
		t.Cleanup(broker.Close)
		f := open(t, stream.Config{
			Brokers: []string{broker.Addr}, Dial: broker.Dial,
			Timeouts: stream.Timeouts{Metadata: time.Hour, Stall: 10 * time.Second},
		})
		require.NoError(t, f.Apply(t.Context(), []topic.Topic{facts}, 1, 1))
		f.publish(t, 0, 1)
		until := time.Now().Add(25 * time.Second)
		broker.Cluster().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			broker.Cluster().KeepControl()
			if time.Now().After(until) {
				return nil, nil, false
			}
			res := req.ResponseKind().(*kmsg.FetchResponse)
			for _, rt := range req.(*kmsg.FetchRequest).Topics {
				p := kmsg.NewFetchResponseTopicPartition()
				p.HighWatermark, p.LastStableOffset = 1, 1
				res.Topics = append(res.Topics, kmsg.FetchResponseTopic{Topic: rt.Topic, Partitions: []kmsg.FetchResponseTopicPartition{p}})
			}
			return res, nil, true
		})
		ctx, stop := context.WithCancel(t.Context())
		require.NoError(t, f.Tail(ctx, facts, stream.Start, func(stream.Record) error { stop(); return nil }))
		require.Equal(t, 2, f.counter(t, "stalls_total"))
	})
}
