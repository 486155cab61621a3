package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestABatchBecomesFactsDeadLettersAndOutcomes(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	fixed(b)
	in, ok := b.cfg.Apps.ByTopic(topic.InMessages.Name)
	require.True(t, ok)
	rec := func(offset int64, value string) stream.Record {
		return stream.Record{
			Topic: topic.InMessages.Name, Partition: 2, Offset: offset, Key: []byte("u1"), Value: []byte(value),
			Headers: []stream.Header{{Key: "theirs", Value: []byte("x")}}, Time: now,
		}
	}
	out, err := b.batch(t.Context(), in, []stream.Record{
		rec(7, good[event.KindMessage].data),
		rec(8, `{"message_id":"m2","user_id":"u1","priority":"urgent"}`),
		rec(9, "\x00garbage"),
		{Topic: topic.InMessages.Name, Partition: 2, Offset: 10}, // a tombstone is no message
		rec(11, good[event.KindCancel].data),
	})
	require.NoError(t, err)
	topics := make([]string, len(out))
	for i := range out {
		topics[i] = out[i].Topic
	}
	dlq := topic.InMessages.DLQ().Name
	require.Equal(t, []string{topic.Facts.Name, dlq, topic.Outcomes.Name, dlq, dlq, topic.Facts.Name}, topics)
	require.Equal(t, "in.messages.v1/2/7", out[0].Header(stream.HeaderCause))
	require.Equal(t, "in.messages.v1/2/7", out[0].Header(stream.HeaderID), "the same after a crash")

	dead := out[1]
	require.Equal(t, rec(8, string(dead.Value)).Key, dead.Key)
	require.JSONEq(t, `{"message_id":"m2","user_id":"u1","priority":"urgent"}`, string(dead.Value))
	for name, want := range map[string]string{
		"theirs": "x", topic.DeadTopic: topic.InMessages.Name, topic.DeadPartition: "2", topic.DeadOffset: "8", topic.DeadStage: "ingest",
		topic.DeadReason: `priority must be one of critical, transactional, promotional (got "urgent")`,
		deadField:        "priority", deadRule: "must be one of critical, transactional, promotional",
	} {
		require.Equal(t, want, dead.Header(name), name)
	}
	require.Equal(t, "shop|u1", string(out[2].Key))
	require.Equal(t, 1, strings.Count(b.logs.String(), "records_refused"), "one line for the batch")
	require.NotContains(t, b.logs.String(), "m2")
}

// The topics of an app lead to facts, poison to dead letters, and a restart goes on where the last one ended.
func TestTopicsAreConsumedPastPoisonAndOverARestart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := pipetest.Start(t, pipetest.Embedded).Stream(t)
	require.NoError(t, client.Apply(ctx, topic.WithDLQs(), 4, 1))
	apps, err := service.NewApps(service.Demo)
	require.NoError(t, err)

	const users, poison = 40, 5
	produce := func(round int) {
		var recs []stream.Record
		for u := range users {
			recs = append(recs, stream.Record{Topic: topic.InMessages.Name, Key: fmt.Append(nil, "u", u), Value: fmt.Appendf(nil, `{"message_id":"m%d-%d","user_id":"u%d"}`, round, u, u)})
		}
		for i := range poison {
			recs = append(recs, stream.Record{Topic: topic.InMessages.Name, Key: fmt.Append(nil, "u", i), Value: []byte("{")})
		}
		require.NoError(t, client.Publish(ctx, recs))
	}
	count := func(in topic.Topic) (n int64) {
		ranges, err := client.Offsets(ctx, in)
		require.NoError(t, err)
		for _, r := range ranges {
			n += r.High - r.Low
		}
		return n
	}
	for round := range 2 {
		produce(round)
		s, err := New(Config{Apps: apps}, service.Deps{Kafka: client, Metrics: prometheus.NewRegistry(), Log: zerolog.Nop()})
		require.NoError(t, err)
		published := make(chan int, 1000)
		publish := s.publish
		s.publish = func(ctx context.Context, recs []stream.Record) error {
			err := publish(ctx, recs)
			published <- len(recs)
			return err
		}
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- s.Run(run) }()
		for n := 0; n < users+poison; {
			select {
			case k := <-published:
				n += k
			case <-ctx.Done():
				t.Fatal("the topics were not consumed")
			}
		}
		require.NoError(t, s.Ready(ctx))
		stop()
		require.NoError(t, <-done)
		require.Error(t, s.Ready(ctx))
		require.EqualValues(t, users*(round+1), count(topic.Facts), "nothing is read twice")
		require.EqualValues(t, poison*(round+1), count(topic.InMessages.DLQ()))
	}
}
