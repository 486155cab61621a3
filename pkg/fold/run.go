package fold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Config of a Fold; a zero field takes its default.
type Config struct {
	Checkpoint  time.Duration // between two checkpoints of the journal, while something changes; 30 s
	Verify      time.Duration // between two looks whether Redis is still there, while nothing happens; 5 s
	Batch       time.Duration // a batch that takes longer gives its partition up; 60 s
	Rebuild     time.Duration // a take-over that takes longer gives its partition up; 15 min
	CachedUsers int           // states in memory per partition; 20,000
}

func (c Config) withDefaults() Config {
	c.Checkpoint = cmp.Or(c.Checkpoint, 30*time.Second)
	c.Verify = cmp.Or(c.Verify, 5*time.Second)
	c.Batch = cmp.Or(c.Batch, time.Minute)
	c.Rebuild = cmp.Or(c.Rebuild, 15*time.Minute)
	c.CachedUsers = cmp.Or(c.CachedUsers, 20_000)
	return c
}

func (c Config) validate() error {
	for name, d := range map[string]time.Duration{"checkpoint": c.Checkpoint, "verify": c.Verify, "batch": c.Batch, "rebuild": c.Rebuild} {
		if d < 0 {
			return fmt.Errorf("fold: %s: must not be negative, got %v", name, d)
		}
	}
	if c.CachedUsers < 0 {
		return fmt.Errorf("fold: cached users: must not be negative, got %d", c.CachedUsers)
	}
	return nil
}

// Fold runs a stage on the partitions that its consumer group assigns.
type Fold[S, I any] struct {
	stage   Stage[S, I]
	cfg     Config
	deps    service.Deps
	metrics *metrics

	wakes atomic.Int64 // calls of WakeAll

	mu    sync.Mutex
	owned map[int]bool // partition → gate open
}

// New makes a Fold. The consumer group is the stage's name.
func New[S, I any](stage Stage[S, I], cfg Config, deps service.Deps) (*Fold[S, I], error) {
	if err := errors.Join(stage.validate(), cfg.validate()); err != nil {
		return nil, err
	}
	if deps.Kafka == nil || deps.Redis == nil {
		return nil, fmt.Errorf("fold: %s: Kafka and Redis are needed", stage.Name)
	}
	if deps.Tracer == nil {
		deps.Tracer = noop.NewTracerProvider().Tracer("fold")
	}
	m, err := newMetrics(deps.Metrics, stage.Name)
	if err != nil {
		return nil, fmt.Errorf("fold: %s: register metrics: %w", stage.Name, err)
	}
	deps.Log = deps.Log.With().Str("stage", stage.Name).Logger()
	return &Fold[S, I]{stage: stage, cfg: cfg.withDefaults(), deps: deps, metrics: m, owned: map[int]bool{}}, nil
}

// Run works until ctx ends; then it finishes the batches, checkpoints and commits. It returns an error for what no
// retry mends: a wrong bucket count, topics that do not fit together, a state that cannot be decoded.
func (f *Fold[S, I]) Run(ctx context.Context) error {
	if err := f.check(ctx); err != nil {
		return err
	}
	err := f.deps.Kafka.Consume(ctx, f.stage.Name, []topic.Topic{f.stage.Input}, f.handle)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return nil
	}
	return err
}

// WakeAll looks at everybody who has a wake-up again, spread over the next minute: for a Stage whose Due depends on more than
// the state, when that has changed. Who is not due by then is left alone, and in Redis keeps the time that was stored: such a
// Stage has it called at its start, too, which holds for each partition that is taken over later.
func (f *Fold[S, I]) WakeAll() { f.wakes.Add(1) }

// check waits for Redis and compares the bucket count.
func (f *Fold[S, I]) check(ctx context.Context) error {
	for {
		err := state.Check(ctx, f.deps.Redis)
		if err == nil || errors.Is(err, state.ErrBuckets) {
			return err
		}
		f.deps.Log.Warn().Err(err).Msg("redis_not_there_yet")
		if f.deps.Clock.Sleep(ctx, time.Second) != nil {
			return err
		}
	}
}

// Ready says whether every partition owned may decide: nil, or which are being taken over or rebuilt.
func (f *Fold[S, I]) Ready(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var closed []int
	for id, open := range f.owned {
		if !open {
			closed = append(closed, id)
		}
	}
	if len(closed) > 0 {
		slices.Sort(closed)
		return fmt.Errorf("%s: partitions %v are being taken over or rebuilt", f.stage.Name, closed)
	}
	return nil
}

// handle owns a partition for one generation, as often as it is lost to Redis or to another owner.
func (f *Fold[S, I]) handle(ctx context.Context, in *stream.Partition) error {
	o := &owner[S, I]{
		stage: &f.stage, cfg: f.cfg, id: in.ID, in: in, kafka: f.deps.Kafka,
		store: state.NewStore(f.deps.Redis, f.stage.Name), clock: f.deps.Clock,
		log: f.deps.Log.With().Int("partition", in.ID).Logger(), tracer: f.deps.Tracer, metrics: f.metrics,
		gate: func(open bool) { f.setGate(in.ID, open) }, wakes: f.wakes.Load,
	}
	f.setGate(in.ID, false)
	defer f.forget(in.ID)
	return o.keep(ctx)
}

// keep runs one ownership after the other while the generation lasts.
func (o *owner[S, I]) keep(ctx context.Context) error {
	for {
		err := o.run(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, stream.ErrStopping), !mendable(err):
			return err
		case errors.Is(err, state.ErrRefused):
			o.metrics.refused.Inc()
		default:
			o.metrics.lost.Inc()
		}
		o.log.Warn().Err(err).Msg("partition_let_go")
		// If another member owns it by right, this one's generation ends soon; until then they must not chase each other.
		if err := o.clock.Sleep(ctx, o.jitter(500*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (f *Fold[S, I]) setGate(id int, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owned[id] = open
	f.count()
}

func (f *Fold[S, I]) forget(id int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.owned, id)
	f.count()
}

// count is called with mu held.
func (f *Fold[S, I]) count() {
	closed := 0
	for open := range maps.Values(f.owned) {
		if !open {
			closed++
		}
	}
	f.metrics.partitions.Set(float64(len(f.owned)))
	f.metrics.closed.Set(float64(closed))
}

var _ service.Runner = (*Fold[struct{}, struct{}])(nil)
