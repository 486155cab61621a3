//go:build real

package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

func TestRealStories(t *testing.T) {
	for _, b := range []pipetest.Backend{pipetest.Real, pipetest.RealCluster} {
		t.Run(string(b), func(t *testing.T) { tellAll(t, b) })
	}
}

func TestRealDisturbances(t *testing.T) {
	for _, b := range []pipetest.Backend{pipetest.Real, pipetest.RealCluster} {
		t.Run(string(b), func(t *testing.T) { disturbAll(t, b) })
	}
}

// Any client with the Java partitioner can write the input and read the outcomes.
func TestRealForeignClient(t *testing.T) {
	w := pipeline.Start(t, pipetest.Real, pipeline.Options{})
	s := w.Tell(t, "stranger")
	full := func(t topic.Topic) string { return t.Full(w.Servers.Kafka.Prefix) }
	client, err := kgo.NewClient(kgo.SeedBrokers(w.Servers.Kafka.Brokers...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ConsumeTopics(full(topic.Outcomes)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	ctx := pipetest.Within(t, time.Minute)
	write := func(in topic.Topic, record any) {
		value, err := event.Encode(record)
		require.NoError(t, err)
		require.NoError(t, client.ProduceSync(ctx, &kgo.Record{Topic: full(in), Key: []byte(s.User), Value: value}).FirstErr())
	}
	// Records of one person on different topics are in no order until they are facts.
	s.Say(s.Phone("phone"), s.Shows("phone", event.SignalUnlocked, s.In(-150*time.Second)))
	want := map[string]string{}
	for _, timing := range []string{event.TimingNow, event.TimingBestMoment, event.TimingAt} {
		write(topic.InMessages, s.Message(timing, func(m *event.Message) {
			m.Timing, m.Priority = timing, event.Critical // no gap between them
			if timing == event.TimingAt {
				m.SendAt = s.In(2 * time.Second)
			}
		}))
		want[timing] = event.OutcomeSent
	}
	require.Equal(t, want, sent(ctx, t, client, len(want)))
}

// sent reads the outcomes topic until n messages are sent.
func sent(ctx context.Context, t *testing.T, client *kgo.Client, n int) map[string]string {
	t.Helper()
	out := map[string]string{}
	for len(out) < n {
		fetched := client.PollFetches(ctx)
		require.NoError(t, fetched.Err0())
		fetched.EachRecord(func(r *kgo.Record) {
			var o event.Outcome
			require.NoError(t, event.Decode(r.Value, &o), fmt.Sprintf("%s", r.Value))
			if o.Type == event.OutcomeSent {
				require.True(t, bytes.HasPrefix(r.Key, []byte("demo|")))
				out[o.MessageID] = o.Type
			}
		})
	}
	return out
}
