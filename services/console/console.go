package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// Config of the console.
type Config struct {
	// Listen is the address of the page; empty when another server mounts the Console as its handler.
	Listen string
	// Messages is how many are kept in memory, about 4 kB each.
	Messages int
	// Forget is how long after its end a message still counts its openings and dismissals.
	Forget time.Duration
}

// Validate fills in defaults.
func (c *Config) Validate() error {
	if c.Messages == 0 {
		c.Messages = 10_000
	}
	if c.Forget == 0 {
		c.Forget = 48 * time.Hour
	}
	if c.Messages < 0 || c.Forget < 0 {
		return fmt.Errorf("console: messages %d and forget %s must be above zero", c.Messages, c.Forget)
	}
	return nil
}

// Console keeps the picture and answers HTTP. It is safe for concurrent use.
type Console struct {
	cfg     Config
	deps    service.Deps
	metrics *metrics
	mux     *http.ServeMux

	mu      sync.Mutex
	view    *view
	changed chan struct{} // closed and replaced at every change
	done    chan struct{} // closed when Run is asked to stop, so that event streams end
}

// New makes a console; it reads nothing before Run.
func New(cfg Config, deps service.Deps) (*Console, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Console{
		cfg: cfg, deps: deps, view: newView(cfg.Messages),
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	c.metrics = newMetrics(deps.Metrics, c.total)
	c.mux = c.routes()
	return c, nil
}

// Run follows the topics and serves the page until ctx ends. It may be called once.
func (c *Console) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	// Event streams end first: a server that stops waits for its requests.
	context.AfterFunc(ctx, func() { close(c.done) })
	begins := ledger.Begins{}
	g.Go(func() error {
		return follow(ctx, c, topic.Outcomes, func(v *view, o *event.Outcome, r *stream.Record) {
			v.outcome(o, begins.Of(r.Partition, r.Offset, r.Time))
		})
	})
	g.Go(func() error {
		return follow(ctx, c, topic.Decisions, func(v *view, d *event.Decision, _ *stream.Record) { v.decision(d) })
	})
	g.Go(func() error { return c.forget(ctx) })
	if c.cfg.Listen != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.cfg.Listen)
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		g.Go(func() error { return service.Serve(ctx, l, c) })
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// follow folds every row of t into the view. A row that does not decode is somebody else's fault and cannot be put
// aside by a reader; it is counted.
func follow[T any](ctx context.Context, c *Console, t topic.Topic, apply func(*view, *T, *stream.Record)) error {
	return c.deps.Kafka.Tail(ctx, t, stream.Start, func(rec stream.Record) error {
		row := new(T)
		if event.Decode(rec.Value, row) == nil {
			c.change(func(v *view) { apply(v, row, &rec) })
		} else {
			c.metrics.bad.WithLabelValues(t.Name).Inc()
		}
		return nil
	})
}

func (c *Console) forget(ctx context.Context) error {
	for {
		if err := c.deps.Clock.Sleep(ctx, time.Hour); err != nil {
			return err
		}
		before := c.deps.Clock.Now().Add(-c.cfg.Forget)
		c.mu.Lock()
		c.view.book.Forget(before)
		c.view.arms.Forget(before)
		c.mu.Unlock()
	}
}

func (c *Console) change(apply func(*view)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	apply(c.view)
	close(c.changed)
	c.changed = make(chan struct{})
}

// Lookup says where a message of an app stands, with the decisions so far. Only the newest messages are known. Without a
// user it is the message of that id that appeared last.
func (c *Console) Lookup(app, user, message string) (Detail, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view.lookup(app, user, message)
}

func (c *Console) total() ledger.Row {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ledger.Total(c.view.book.Rows())
}

type metrics struct {
	bad *prometheus.CounterVec
}

// newMetrics registers the conservation ledger as gauges: accepted = the sum of the others, at any time.
func newMetrics(reg prometheus.Registerer, total func() ledger.Row) *metrics {
	m := &metrics{bad: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "kairos", Subsystem: "console", Name: "bad_rows_total", Help: "Rows of a topic that did not decode.",
	}, []string{"topic"})}
	for _, t := range []topic.Topic{topic.Outcomes, topic.Decisions} {
		m.bad.WithLabelValues(t.Name)
	}
	reg.MustRegister(m.bad, &book{
		total: total, messages: prometheus.NewDesc("kairos_ledger_messages",
			"Messages of all apps by where they stand: accepted, held, or how they ended. accepted = the sum of the others. By app and campaign: kairos ledger.", []string{"state"}, nil),
		faults: prometheus.NewDesc("kairos_ledger_faults", "Messages that break the conservation law.", []string{"fault"}, nil),
	})
	return m
}

// book exposes the ledger when it is asked for.
type book struct {
	total            func() ledger.Row
	messages, faults *prometheus.Desc
}

// Describe tells the metrics.
func (b *book) Describe(ch chan<- *prometheus.Desc) { ch <- b.messages; ch <- b.faults }

// Collect reads the ledger.
func (b *book) Collect(ch chan<- prometheus.Metric) {
	r := b.total()
	gauge := func(d *prometheus.Desc, n int, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), label)
	}
	gauge(b.messages, r.Accepted, "accepted")
	gauge(b.messages, r.Held, "held")
	for _, t := range ledger.Endings {
		gauge(b.messages, r.Ended[t], t)
	}
	gauge(b.faults, r.Orphans, "orphan")
	gauge(b.faults, r.Contradictions, "contradiction")
}
