package timing

import (
	"context"
	"fmt"
	"net"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Config of timing.
type Config struct {
	Policy policy.Policy
	Fold   fold.Config
	// Listen is where ingest asks for the moments of a person; empty when it asks in the same process.
	Listen string
}

// Timing is the engine with its shell.
type Timing struct {
	listen  string
	engine  *Engine
	fold    *fold.Fold[*Holds, *profile.Enriched]
	kafka   *stream.Client
	redis   redis.UniversalClient
	clock   clock.Clock
	metrics *metrics
	log     zerolog.Logger
}

// New makes a timing; nothing is read before Run.
func New(cfg Config, deps service.Deps) (*Timing, error) {
	if err := cfg.Policy.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, fmt.Errorf("timing: register metrics: %w", err)
	}
	t := &Timing{
		listen: cfg.Listen, engine: NewEngine(cfg.Policy), kafka: deps.Kafka, redis: deps.Redis, clock: deps.Clock, metrics: m, log: deps.Log,
	}
	t.engine.since = deps.Clock.Now()
	if t.fold, err = fold.New(m.observed(Stage(t.engine)), cfg.Fold, deps); err != nil {
		return nil, err
	}
	t.fold.WakeAll() // the policy may be another one than before
	return t, nil
}

// Run folds, follows the models, and answers ingest, until ctx ends.
func (t *Timing) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if t.listen != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", t.listen)
		if err != nil {
			return fmt.Errorf("timing: %w", err)
		}
		group.Go(func() error { return service.Serve(ctx, l, t) })
	}
	group.Go(func() error { return t.fold.Run(ctx) })
	group.Go(func() error {
		err := t.kafka.Tail(ctx, topic.Models, stream.Start, t.model)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		return err
	})
	return group.Wait()
}

// Ready says whether all owned partitions are up to date with what was stored.
func (t *Timing) Ready(ctx context.Context) error { return t.fold.Ready(ctx) }

// model takes in a snapshot, by app. One that cannot be believed is refused, and the last good one stays.
func (t *Timing) model(r stream.Record) error {
	app := string(r.Key)
	if r.Value == nil {
		if t.engine.SetModel(app, nil, r.Time) {
			t.fold.WakeAll()
		}
		return nil
	}
	m, err := score.Parse(r.Value)
	if err != nil {
		t.metrics.refused.Inc()
		t.log.Error().Err(err).Str("app_id", app).Int64("offset", r.Offset).Msg("model refused")
		return nil
	}
	if !t.engine.SetModel(app, m, r.Time) {
		return nil
	}
	t.fold.WakeAll()
	t.log.Info().Str("app_id", app).Str("model_version", m.Version).Msg("model loaded")
	return nil
}
