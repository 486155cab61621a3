package timing_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
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
)

func TestMain(m *testing.M) { pipetest.Main(m) }

// rig is a Kafka and a Redis for one timing after the other, and the decisions that they said.
type rig struct {
	*testing.T
	kafka *stream.Client
	redis redis.UniversalClient

	mu        sync.Mutex
	decisions []event.Decision
}

// newRig begins at two in the night.
func newRig(t *testing.T) *rig {
	t.Helper()
	time.Sleep(30*24*time.Hour + 2*time.Hour) // a bubble begins with the year 2000
	servers := pipetest.Start(t, pipetest.Virtual)
	r := &rig{T: t, kafka: servers.Stream(t), redis: servers.Store(t)}
	require.NoError(t, r.kafka.Apply(t.Context(), topic.WithDLQs(), 2, 1))
	r.background(func(ctx context.Context) error {
		err := r.kafka.Tail(ctx, topic.Decisions, stream.Start, func(rec stream.Record) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			var d event.Decision
			if err := event.Decode(rec.Value, &d); err != nil {
				return err
			}
			r.decisions = append(r.decisions, d)
			return nil
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		return err
	})
	return r
}

func (r *rig) said() []event.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.decisions)
}

func (r *rig) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	end := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	stop = func() { require.NoError(r, end()) }
	r.Cleanup(stop)
	return stop
}

// start runs a timing by a policy without exploration.
func (r *rig) start(rules string, reg *prometheus.Registry) (stop func()) {
	r.Helper()
	p := mustPolicy(r.T, "defaults: {exploration: {immediate: 0, uniform: 0, control: 0, thresholds: [1]}}\n"+rules)
	svc, err := timing.New(timing.Config{Policy: p}, service.Deps{Kafka: r.kafka, Redis: r.redis, Log: zerolog.Nop(), Metrics: reg})
	require.NoError(r, err)
	return r.background(svc.Run)
}

func (r *rig) publish(rec stream.Record) {
	r.Helper()
	require.NoError(r, r.kafka.Publish(r.Context(), []stream.Record{rec}))
	time.Sleep(3 * time.Minute)
}

// message of a person who is on the phone in most waking hours.
func (r *rig) message() {
	r.Helper()
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
	require.NoError(r, err)
	cause := stream.Event{ID: "e", Cause: stream.Cause{Topic: topic.Facts.Name}}
	r.publish(stream.Record{Topic: topic.Enriched.Name, Key: []byte("demo|ada"), Value: value, Headers: cause.Headers(r.Context())})
}

// A message is held by the built-in model. A model arrives for which any moment is a good one: within the minute the
// message is looked at again, and goes. A model that cannot be believed changes nothing.
func TestANewModelPlansAnewWhatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, reg := newRig(t), prometheus.NewRegistry()
		r.start("", reg)
		snapshot := func(m *score.Model) stream.Record {
			value, err := m.Encode(time.Now(), nil)
			require.NoError(t, err)
			return stream.Record{Topic: topic.Models.Name, Key: []byte("demo"), Value: value}
		}
		r.message()
		require.Len(t, r.said(), 1)
		require.Equal(t, event.ActionHold, r.said()[0].Action)
		require.Equal(t, score.DefaultVersion, r.said()[0].ModelVersion)

		bad := snapshot(score.Default())
		bad.Value = []byte(`{"version":"bad","seen":{"bias":99},"open":{}}`)
		r.publish(bad)
		require.Len(t, r.said(), 1)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP kairos_timing_models_refused_total Model snapshots that could not be believed.
			# TYPE kairos_timing_models_refused_total counter
			kairos_timing_models_refused_total 1
		`), "kairos_timing_models_refused_total"))

		always := score.Default()
		always.Version, always.Seen = "always", score.Weights{score.Bias: 15}
		r.publish(snapshot(always))
		all := r.said()
		require.Len(t, all, 2)
		require.Equal(t, "model", all[1].Trigger)
		require.Equal(t, event.ActionRelease, all[1].Action)
		require.Equal(t, "always", all[1].ModelVersion)
	})
}

// A message is held for the morning. Timing comes back with a policy by which waiting costs nearly all: within the minute
// the message is looked at again, and goes. The same policy again changes nothing.
func TestANewPolicyPlansAnewWhatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		stop := r.start("", prometheus.NewRegistry())
		r.message()
		stop()
		stop = r.start("", prometheus.NewRegistry())
		time.Sleep(3 * time.Minute)
		require.Len(t, r.said(), 1)
		require.Equal(t, event.ActionHold, r.said()[0].Action)
		stop()
		r.start("name: impatient\ncategories: {'': {delay_cost: 30}}", prometheus.NewRegistry())
		time.Sleep(3 * time.Minute)
		all := r.said()
		require.Len(t, all, 2)
		require.Equal(t, "policy", all[1].Trigger)
		require.Equal(t, event.ActionRelease, all[1].Action)
		require.Equal(t, "impatient", all[1].Policy)
	})
}
