package timing_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// A message is held by the built-in model. A model arrives for which any moment is a good one: within the minute the
// message is looked at again, and goes. A model that cannot be believed changes nothing.
func TestANewModelPlansAnewWhatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30*24*time.Hour + 2*time.Hour) // a bubble begins with the year 2000; it is night
		servers := pipetest.Start(t, pipetest.Virtual)
		kafka, store, reg := servers.Stream(t), servers.Store(t), prometheus.NewRegistry()
		require.NoError(t, kafka.Apply(t.Context(), topic.WithDLQs(), 2, 1))
		rules := policy.Default()
		rules.Defaults.Exploration = policy.Exploration{}
		svc, err := timing.New(timing.Config{Policy: rules}, service.Deps{
			Kafka: kafka, Redis: store, Log: zerolog.Nop(), Metrics: reg,
		})
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		var mu sync.Mutex
		var decisions []event.Decision
		said := func() []event.Decision {
			mu.Lock()
			defer mu.Unlock()
			return append([]event.Decision(nil), decisions...)
		}
		var wg sync.WaitGroup
		ended := make(chan error, 1)
		go func() { ended <- svc.Run(ctx) }()
		wg.Go(func() {
			_ = kafka.Tail(ctx, topic.Decisions, stream.Start, func(r stream.Record) error {
				mu.Lock()
				defer mu.Unlock()
				var d event.Decision
				if err := event.Decode(r.Value, &d); err != nil {
					return err
				}
				decisions = append(decisions, d)
				return nil
			})
		})
		t.Cleanup(func() {
			cancel()
			wg.Wait()
			require.NoError(t, <-ended)
		})
		publish := func(r stream.Record) {
			require.NoError(t, kafka.Publish(t.Context(), []stream.Record{r}))
			time.Sleep(3 * time.Minute)
		}
		snapshot := func(m *score.Model) stream.Record {
			value, err := m.Encode(time.Now(), nil)
			require.NoError(t, err)
			return stream.Record{Topic: topic.Models.Name, Key: []byte("demo"), Value: value}
		}

		now := time.Now().UTC()
		p := profile.Profile{TimeZone: "UTC", Devices: []profile.Device{phone("phone")}}
		for at := now.AddDate(0, 0, -28); at.Before(now); at = at.Add(time.Hour) {
			if h := at.Hour(); h >= 8 && h < 23 {
				p.Presence.Count(at, time.UTC)
				p.Recency.Unlock(at)
				p.Recency.SeenAt = at
			}
		}
		value, err := event.Encode(&profile.Enriched{Profile: p, Fact: event.Fact{
			AppID: "demo", UserID: "ada", Kind: event.KindMessage, ReceivedAt: now,
			Message: &event.Message{MessageID: "m", UserID: "ada", Title: "Hi", Priority: event.Promotional, Timing: event.TimingBestMoment},
		}})
		require.NoError(t, err)
		cause := stream.Event{ID: "e", Cause: stream.Cause{Topic: topic.Facts.Name}}
		publish(stream.Record{Topic: topic.Enriched.Name, Key: []byte("demo|ada"), Value: value, Headers: cause.Headers(t.Context())})
		require.Len(t, said(), 1)
		require.Equal(t, event.ActionHold, said()[0].Action)
		require.Equal(t, score.DefaultVersion, said()[0].ModelVersion)

		bad := snapshot(score.Default())
		bad.Value = []byte(`{"version":"bad","seen":{"bias":99},"open":{}}`)
		publish(bad)
		require.Len(t, said(), 1)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP kairos_timing_models_refused_total Model snapshots that could not be believed.
			# TYPE kairos_timing_models_refused_total counter
			kairos_timing_models_refused_total 1
		`), "kairos_timing_models_refused_total"))

		always := score.Default()
		always.Version, always.Seen = "always", score.Weights{score.Bias: 15}
		publish(snapshot(always))
		all := said()
		require.Len(t, all, 2)
		require.Equal(t, "model", all[1].Trigger)
		require.Equal(t, event.ActionRelease, all[1].Action)
		require.Equal(t, "always", all[1].ModelVersion)
	})
}
