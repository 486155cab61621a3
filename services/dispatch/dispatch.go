package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Config of dispatch. Only Apps is required.
type Config struct {
	// Apps loads the apps and their credentials, again every ReloadEvery (default 5 s).
	Apps        Loader
	ReloadEvery time.Duration
	// Dial opens connections to providers; nil is TCP.
	Dial Dialer
	// Concurrency is how many attempts run side by side (default 1024), of which one app's on one channel take half at
	// the most; UrgentWorkers more serve urgent pushes only (default 64).
	Concurrency   int
	UrgentWorkers int
	// InMemory bounds the releases in memory, per lane, that are not parked (default 20,000).
	InMemory int
	// SendTimeout bounds an attempt (default 10 s).
	SendTimeout time.Duration
	// PublishTimeout bounds the wait for Kafka's acknowledgement before a result is published again (default 10 s).
	PublishTimeout time.Duration
	// ParkAfter is the wait beyond which a retry does not hold up the log (default 10 s); MaxParked is how many such
	// releases stay in memory (default 20,000).
	ParkAfter time.Duration
	MaxParked int
	// Window is how long after its deadline a push's record is kept, and how far back outcomes are read to rebuild the
	// records (default 24 h).
	Window time.Duration
	// CommitEvery is how often the log is committed (default 500 ms).
	CommitEvery time.Duration
}

// Validate fills in defaults and checks the rest.
func (c *Config) Validate() error {
	def(&c.ReloadEvery, 5*time.Second)
	def(&c.Concurrency, 1024)
	def(&c.UrgentWorkers, 64)
	def(&c.InMemory, 20_000)
	def(&c.SendTimeout, 10*time.Second)
	def(&c.PublishTimeout, 10*time.Second)
	def(&c.ParkAfter, 10*time.Second)
	def(&c.MaxParked, 20_000)
	def(&c.Window, 24*time.Hour)
	def(&c.CommitEvery, 500*time.Millisecond)
	switch {
	case c.Apps == nil:
		return errors.New("dispatch: apps: a loader is needed")
	case c.Concurrency < 0 || c.UrgentWorkers < 0 || c.InMemory < 2 || c.MaxParked < 0:
		return errors.New("dispatch: concurrency, urgent workers and bounds of memory must be above zero")
	case c.SendTimeout < 0 || c.PublishTimeout < 0 || c.ParkAfter < 0 || c.Window < 0 || c.CommitEvery < 0 || c.ReloadEvery < 0:
		return errors.New("dispatch: times must be above zero")
	}
	return nil
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Dispatch is the service.
type Dispatch struct {
	cfg     Config
	kafka   *stream.Client
	clock   clock.Clock
	log     zerolog.Logger
	tracer  trace.Tracer
	metrics *metrics

	routes    *routes
	store     *store
	publisher *batch[[]stream.Record, error]
	queue     *queue
	later     *later
	windows   [lanes]*window
	parked    atomic.Int64
	restoring chan struct{} // a place for each partition whose records are being restored: more than processors only need memory
}

// trips is how many round trips to Redis, and to Kafka, run side by side.
const trips = 4

// New reads the apps and makes the service.
func New(cfg Config, deps service.Deps) (*Dispatch, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Tracer == nil {
		deps.Tracer = noop.NewTracerProvider().Tracer("dispatch")
	}
	d := &Dispatch{
		cfg: cfg, kafka: deps.Kafka, clock: deps.Clock, log: deps.Log, tracer: deps.Tracer,
		store:   newStore(deps.Redis),
		windows: [lanes]*window{newWindow(cfg.InMemory), newWindow(cfg.InMemory)},

		restoring: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	d.metrics = newMetrics(deps.Metrics, d)
	d.routes = &routes{load: cfg.Apps, dial: cfg.Dial, clock: deps.Clock, log: deps.Log, metrics: d.metrics}
	if err := d.routes.reload(); err != nil {
		return nil, fmt.Errorf("dispatch: apps: %w", err)
	}
	d.queue = newQueue(d.clock, d.routes.limiter, [lanes]int{Urgent: cfg.UrgentWorkers, Bulk: cfg.Concurrency})
	d.later = newLater(d.clock, d.queue.push)
	d.publisher = newBatch(256, d.publish)
	return d, nil
}

// Run sends until ctx ends, then lets attempts under way come to their end.
func (d *Dispatch) Run(ctx context.Context) error {
	// The workers outlive ctx: partitions drain through them.
	wctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { d.store.swaps.serve(wctx, trips) })
	wg.Go(func() { d.publisher.serve(wctx, trips) })
	wg.Go(func() { d.later.run(wctx) })
	wg.Go(func() { d.routes.watch(wctx, d.cfg.ReloadEvery) })
	for range d.cfg.Concurrency {
		wg.Go(func() { d.work(wctx, Bulk) })
	}
	for range d.cfg.UrgentWorkers {
		wg.Go(func() { d.work(wctx, Urgent) })
	}
	err := d.kafka.Consume(ctx, "dispatch", []topic.Topic{topic.Releases}, d.own)
	stop()
	wg.Wait()
	d.routes.close()
	return err
}

// tell publishes the records of one end, or of one step to it. They are in the log when it returns nil.
func (d *Dispatch) tell(ctx context.Context, recs []stream.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.PublishTimeout)
	defer cancel()
	refused, err := d.publisher.do(ctx, recs)
	return cmp.Or(err, refused)
}

// publish writes what several have to tell at once, and says whose records Kafka refused: those of the others are written.
func (d *Dispatch) publish(ctx context.Context, in [][]stream.Record) ([]error, error) {
	var all []stream.Record
	var of []int
	for i, recs := range in {
		all = append(all, recs...)
		for range recs {
			of = append(of, i)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.PublishTimeout)
	defer cancel()
	out := make([]error, len(in))
	err := d.kafka.Publish(ctx, all)
	refused, ok := errors.AsType[stream.Refused](err)
	if !ok {
		return out, err
	}
	for _, r := range refused {
		out[of[r.Index]] = r
	}
	return out, nil
}

// refuse keeps a release that cannot be read in the dead letter topic.
func (d *Dispatch) refuse(ctx context.Context, r *stream.Record, reason error) error {
	d.metrics.refused.Inc()
	return d.kafka.Publish(ctx, []stream.Record{stream.DeadLetter(r, "dispatch", reason.Error())})
}

// readRelease decodes a release and checks what dispatch relies on.
func readRelease(r *stream.Record) (*event.Release, error) {
	rel := new(event.Release)
	if err := event.Decode(r.Value, rel); err != nil {
		return nil, err
	}
	for field, v := range map[string]string{
		"release_id": rel.ReleaseID, "app_id": rel.AppID, "user_id": rel.UserID, "message.message_id": rel.Message.MessageID,
	} {
		if v == "" {
			return nil, &event.Invalid{Field: field, Rule: "must be given"}
		}
	}
	switch {
	case rel.Deadline.IsZero():
		return nil, &event.Invalid{Field: "deadline", Rule: "must be given"}
	case string(r.Key) != event.Key(rel.AppID, rel.UserID):
		return nil, &event.Invalid{Field: "key", Rule: "must be app_id|user_id of the record", Value: string(r.Key[:min(len(r.Key), 200)])}
	}
	return rel, nil
}
