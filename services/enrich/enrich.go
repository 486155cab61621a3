package enrich

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/service"
)

// Config of enrich.
type Config struct {
	Fold fold.Config
}

// Enrich is the stage with its shell.
type Enrich struct {
	fold *fold.Fold[*profile.Profile, *event.Fact]
}

// New makes an enrich; nothing is read before Run.
func New(cfg Config, deps service.Deps) (*Enrich, error) {
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, fmt.Errorf("enrich: register metrics: %w", err)
	}
	stage := Stage()
	stage.Step = m.observed(stage.Step)
	f, err := fold.New(stage, cfg.Fold, deps)
	if err != nil {
		return nil, err
	}
	return &Enrich{fold: f}, nil
}

// Run folds until ctx ends.
func (e *Enrich) Run(ctx context.Context) error { return e.fold.Run(ctx) }

// Ready says whether all owned partitions are up to date with what was stored.
func (e *Enrich) Ready(ctx context.Context) error { return e.fold.Ready(ctx) }

type stepFunc func(*profile.Profile, *event.Fact, time.Time) (*profile.Profile, []fold.Effect)

type metrics struct {
	duplicates *prometheus.CounterVec // kind
	clamped    *prometheus.CounterVec // kind
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "kairos", Subsystem: "enrich", Name: name, Help: help}
	}
	m := &metrics{
		duplicates: prometheus.NewCounterVec(opts("duplicates_total", "Events, signals and receipts that had been seen before."), []string{"kind"}),
		clamped:    prometheus.NewCounterVec(opts("clamped_total", "Facts whose time or value was absurd and was bent to something possible."), []string{"kind"}),
	}
	for _, kind := range []string{event.KindEvent, event.KindSignal, event.KindReceipt} {
		m.duplicates.WithLabelValues(kind)
		m.clamped.WithLabelValues(kind)
	}
	for _, c := range []prometheus.Collector{m.duplicates, m.clamped} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// observed counts what a step made of its fact.
func (m *metrics) observed(do stepFunc) stepFunc {
	return func(p *profile.Profile, f *event.Fact, now time.Time) (*profile.Profile, []fold.Effect) {
		before := p.Clamped
		p, effects := do(p, f, now)
		if len(effects) == 0 {
			m.duplicates.WithLabelValues(f.Kind).Inc()
		}
		if p.Clamped > before { // an erased profile begins again at 0
			m.clamped.WithLabelValues(f.Kind).Inc()
		}
		return p, effects
	}
}
