package service

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Deps is what a service is given. Redis is nil for services that keep no state.
type Deps struct {
	Kafka   *stream.Client
	Redis   redis.UniversalClient
	Clock   clock.Clock
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	Tracer  trace.Tracer
}

// Runner is a service: Run works until ctx ends, then drains and returns nil.
type Runner interface {
	Run(ctx context.Context) error
}

// Readier is a Runner that knows whether it can do its work now; /readyz asks it.
type Readier interface {
	Ready(ctx context.Context) error
}

// Func makes a Runner of a function.
type Func func(ctx context.Context) error

// Run calls f.
func (f Func) Run(ctx context.Context) error { return f(ctx) }
