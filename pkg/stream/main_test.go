package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// facts is the topic of most tests, with few partitions.
var facts = topic.Facts

const partitions = 4

// fixture is a client on some servers with an independent client, franz-go, beside it.
type fixture struct {
	*stream.Client
	cfg  stream.Config
	reg  *prometheus.Registry
	peer *kgo.Client
}

func open(t *testing.T, cfg stream.Config) *fixture {
	t.Helper()
	f := &fixture{cfg: cfg, reg: prometheus.NewRegistry()}
	var err error
	f.Client, err = stream.New(cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel), clock.Clock{}, f.reg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	opts := []kgo.Opt{kgo.SeedBrokers(cfg.Brokers...), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.ZstdCompression())}
	if cfg.Dial != nil {
		opts = append(opts, kgo.Dialer(cfg.Dial))
	}
	f.peer, err = kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(f.peer.Close)
	return f
}

// start is a fixture with the topics made.
func start(t *testing.T, b pipetest.Backend, topics ...topic.Topic) *fixture {
	t.Helper()
	f := open(t, pipetest.Start(t, b).Kafka)
	if len(topics) > 0 {
		require.NoError(t, f.Apply(within(t), topics, partitions, 1))
	}
	return f
}

func within(t *testing.T) context.Context {
	t.Helper()
	return pipetest.Within(t, time.Minute)
}

// counter reads the sum of a counter over its labels.
func (f *fixture) counter(t *testing.T, name string) int {
	t.Helper()
	families, err := f.reg.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, fam := range families {
		if fam.GetName() == "kairos_stream_"+name {
			for _, m := range fam.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return int(sum)
}

// all reads everything that a topic holds, by partition.
func (f *fixture) all(t *testing.T, of topic.Topic) [][]stream.Record {
	t.Helper()
	ranges, err := f.Offsets(within(t), of)
	require.NoError(t, err)
	logs := make([][]stream.Record, len(ranges))
	for p := range ranges {
		require.NoError(t, f.Read(within(t), of, p, -1, -1, func(recs []stream.Record) error {
			logs[p] = append(logs[p], recs...)
			return nil
		}))
	}
	return logs
}
