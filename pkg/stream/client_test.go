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

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]stream.Config{
		"at least one host:port":       {},
		"must be host:port":            {Brokers: []string{"kafka"}},
		"at least 1024":                {Brokers: []string{"k:1"}, MaxMessageBytes: 10},
		"max in flight bytes":          {Brokers: []string{"k:1"}, MaxInFlightBytes: 10},
		"at least twice the heartbeat": {Brokers: []string{"k:1"}, Timeouts: stream.Timeouts{Heartbeat: time.Minute}},
		`sasl mechanism "KERBEROS"`:    {Brokers: []string{"k:1"}, SASL: stream.SASL{Mechanism: "KERBEROS"}},
	} {
		_, err := stream.New(cfg, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
		require.ErrorContains(t, err, want)
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	broker, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{SASL: true})
	require.NoError(t, err)
	defer broker.Close()
	for password, works := range map[string]bool{"admin": true, "wrong": false} {
		cfg := stream.Config{Brokers: []string{broker.Addr}, SASL: stream.SASL{Mechanism: "SCRAM-SHA-256", Username: "admin", Password: password}}
		c, err := stream.New(cfg, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if works {
			require.NoError(t, c.Apply(ctx, []topic.Topic{facts}, partitions, 1))
		} else {
			time.AfterFunc(200*time.Millisecond, cancel) // kfake just hangs up
			require.ErrorContains(t, c.Apply(ctx, []topic.Topic{facts}, partitions, 1), "the last error: kafka.(*Client).Metadata: unexpected EOF")
		}
		cancel()
		require.NoError(t, c.Close())
	}
}

func TestClosedClient(t *testing.T) {
	t.Parallel()
	f := start(t, pipetest.Embedded, facts)
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Publish(within(t), []stream.Record{{Topic: facts.Name, Pinned: true}}), stream.ErrClosed)
	_, err := f.Offsets(within(t), topic.Holds)
	require.ErrorIs(t, err, stream.ErrClosed)
}

// TestBackPressure has nothing acknowledged: what is held stays below the bound, and giving up frees it.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pipetest.Start(t, pipetest.Virtual)
		s.Kafka.MaxInFlightBytes, s.Kafka.MaxMessageBytes = 3000, 2000
		c := s.Stream(t)
		publish := func(ctx context.Context, topic string) error {
			return c.Publish(ctx, []stream.Record{{Topic: topic, Pinned: true, Value: make([]byte, 1900)}})
		}
		stuck, giveUp := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- publish(stuck, "nowhere.v1") }() // a topic that does not exist
		synctest.Wait()
		require.NoError(t, c.Apply(t.Context(), []topic.Topic{facts}, 1, 1))
		go func() { done <- publish(t.Context(), facts.Name) }()
		time.Sleep(time.Minute)
		require.Empty(t, done, "the second waits for the first")
		giveUp()
		require.ErrorIs(t, <-done, context.Canceled)
		require.NoError(t, <-done)
	})
}

// TestVirtualDays runs a producer, a group and its commits for a week inside a bubble.
func TestVirtualDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := pipetest.Start(t, pipetest.Virtual).Stream(t)
		require.NoError(t, f.Apply(t.Context(), []topic.Topic{facts}, partitions, 1))
		ctx, cancel := context.WithCancel(t.Context())
		got, done := make(chan string, 1), make(chan error, 1)
		go func() {
			done <- f.Consume(ctx, "g", []topic.Topic{facts}, each(func(r stream.Record) error { got <- string(r.Value); return nil }))
		}()
		began := time.Now()
		for h := range 7 * 24 {
			require.NoError(t, f.Publish(ctx, []stream.Record{{Topic: facts.Name, Key: fmt.Append(nil, h), Value: fmt.Append(nil, h)}}))
			require.Equal(t, fmt.Sprint(h), <-got)
			time.Sleep(time.Hour)
		}
		require.InDelta(t, 7*24, time.Since(began).Hours(), 1)
		rows, err := f.Lag(ctx, "g", []topic.Topic{facts})
		require.NoError(t, err)
		for _, row := range rows {
			require.Zero(t, row.Lag)
		}
		cancel()
		require.NoError(t, <-done)
	})
}
