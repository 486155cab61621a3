package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
)

// Config of ingest.
type Config struct {
	// Apps are served: their API keys, input topics and receipt secrets.
	Apps *service.Apps
	// Listen is the address of the HTTP API; empty for none, or when another server mounts the Ingest as its handler.
	Listen string
	// MaxPending bounds the bytes of requests that are being read or wait for Kafka; a request beyond it gets 429.
	MaxPending int64
	// Timeout bounds the wait for Kafka's acknowledgement; after it the request gets 503 and may simply be sent again.
	Timeout time.Duration

	// Lookup answers GET /v1/messages/{id}. Outcomes and decisions are not ingest's: the console follows them, in the same
	// process or at a URL (MessagesAt). Nil: the route answers 503.
	Lookup Lookup
	// Moments answers GET /v1/users/{id}/moments, likewise: timing has the model and the policy (MomentsAt).
	Moments Moments
}

// Validate fills in defaults and checks the rest.
func (c *Config) Validate() error {
	if c.MaxPending == 0 {
		c.MaxPending = 64 << 20
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	switch {
	case c.Apps == nil:
		return errors.New("ingest: apps: at least one is needed")
	case c.MaxPending < maxBody:
		return fmt.Errorf("ingest: max pending %d: must be at least the size of one request, %d", c.MaxPending, maxBody)
	case c.Timeout < 0:
		return fmt.Errorf("ingest: timeout %s: must be above zero", c.Timeout)
	}
	return nil
}

// Ingest is both doors: the HTTP API and the input topics. It is safe for concurrent use.
type Ingest struct {
	cfg     Config
	deps    service.Deps
	metrics *metrics
	mux     *http.ServeMux
	gate    gate
	publish func(ctx context.Context, recs []stream.Record) error
	closing atomic.Bool
}

// New makes an ingest; nothing is read before Run, but the HTTP API may be mounted and used at once.
func New(cfg Config, deps service.Deps) (*Ingest, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Tracer == nil {
		deps.Tracer = noop.NewTracerProvider().Tracer("ingest")
	}
	s := &Ingest{cfg: cfg, deps: deps, gate: gate{limit: cfg.MaxPending}}
	if deps.Kafka != nil {
		s.publish = deps.Kafka.Publish
	}
	s.metrics = newMetrics(deps.Metrics, &s.gate)
	s.mux = s.routes()
	return s, nil
}

// Run serves both doors until ctx ends; then requests that are running finish, batches are committed and the group is left.
func (s *Ingest) Run(ctx context.Context) error {
	defer s.closing.Store(true)
	defer context.AfterFunc(ctx, func() { s.closing.Store(true) })()
	g, ctx := errgroup.WithContext(ctx)
	if inputs := s.cfg.Apps.Inputs(); len(inputs) > 0 {
		g.Go(func() error { return s.deps.Kafka.Consume(ctx, "ingest", inputs, s.consume) })
	}
	if s.cfg.Listen != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen)
		if err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
		g.Go(func() error { return service.Serve(ctx, l, s) })
	}
	g.Go(func() error { <-ctx.Done(); return nil })
	return g.Wait()
}

// Ready says whether new requests are welcome: not while stopping.
func (s *Ingest) Ready(context.Context) error {
	if s.closing.Load() {
		return errors.New("stopping")
	}
	return nil
}

// gate bounds the bytes that requests hold, and so the memory of a burst or of a Kafka that does not answer.
type gate struct {
	limit int64
	held  atomic.Int64
}

// enter takes n bytes, or says that there is no room.
func (g *gate) enter(n int64) bool {
	if g.held.Add(n) > g.limit {
		g.held.Add(-n)
		return false
	}
	return true
}

func (g *gate) leave(n int64) { g.held.Add(-n) }
