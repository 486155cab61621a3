package enrich

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// What a phone sent before a restart is still known after it, by the topics alone.
func TestProfilesOutliveARestart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	servers := pipetest.Start(t, pipetest.Embedded)
	client, redis := servers.Stream(t), servers.Store(t)
	require.NoError(t, client.Apply(ctx, topic.WithDLQs(), 4, 1))

	enriched := make(chan profile.Enriched, 16)
	go func() {
		_ = client.Tail(ctx, topic.Enriched, stream.Start, func(r stream.Record) error {
			var e profile.Enriched
			if err := event.Decode(r.Value, &e); err != nil {
				return err
			}
			enriched <- e
			return nil
		})
	}()
	next := func() profile.Enriched {
		select {
		case e := <-enriched:
			return e
		case <-ctx.Done():
			t.Fatal("nothing was enriched")
			return profile.Enriched{}
		}
	}
	for round, facts := range [][]*event.Fact{
		{device(t0, "addr"), signal(event.SignalUnlocked, t0)},
		{signal(event.SignalLocked, after(time.Minute))},
	} {
		require.NoError(t, redis.FlushAll(ctx).Err())
		e, err := New(Config{}, service.Deps{Kafka: client, Redis: redis, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		require.NoError(t, err)
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- e.Run(run) }()

		var recs []stream.Record
		for _, f := range facts {
			value, err := event.Encode(f)
			require.NoError(t, err)
			recs = append(recs, stream.Record{Topic: topic.Facts.Name, Key: []byte(f.Key()), Value: value})
		}
		require.NoError(t, client.Publish(ctx, recs))
		var last profile.Enriched
		for range facts {
			last = next()
		}
		d := last.Profile.Device("d1")
		require.NotNil(t, d)
		require.Equal(t, "addr", d.Address)
		require.Equal(t, t0, last.Profile.Recency.UnlockAt)
		if round == 1 {
			require.InDelta(t, 60, last.Profile.Recency.SessionSeconds, 0)
		}
		stop()
		require.NoError(t, <-done)
	}
}

func TestDuplicatesAndAbsurditiesAreCounted(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(prometheus.NewRegistry())
	require.NoError(t, err)
	do := m.observed(Step)
	f := signal(event.SignalBatteryLevel, t0, event.Scalar{Text: "900", Number: true})
	p, _ := do(&profile.Profile{}, f, t0)
	do(p, f, t0)
	require.InDelta(t, 1, testutil.ToFloat64(m.duplicates.WithLabelValues(event.KindSignal)), 0)
	require.InDelta(t, 1, testutil.ToFloat64(m.clamped.WithLabelValues(event.KindSignal)), 0)
}
