package fold

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one stage. All names begin with kairos_fold_ and carry the label stage.
type metrics struct {
	applied, dropped, effects, decisions, reissued, wakes, dead prometheus.Counter
	rebuilds, refused, lost, stalled, redisErrors, gaps         prometheus.Counter
	large, foreign                                              prometheus.Counter

	late, store, publish, rebuildTime, checkpoint prometheus.Histogram

	cached, partitions, closed prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, stage string) (*metrics, error) {
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"stage": stage}, reg)
	var errs []error
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "kairos_fold_" + name + "_total", Help: help})
		errs = append(errs, reg.Register(c))
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "kairos_fold_" + name, Help: help})
		errs = append(errs, reg.Register(g))
		return g
	}
	seconds := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kairos_fold_" + name + "_seconds", Help: help, Buckets: buckets})
		errs = append(errs, reg.Register(h))
		return h
	}
	quick := prometheus.ExponentialBuckets(0.0005, 2, 16)
	slow := prometheus.ExponentialBuckets(0.01, 2, 16)
	m := &metrics{
		applied:     counter("applied", "inputs applied"),
		dropped:     counter("dropped_duplicates", "inputs that had been applied before"),
		effects:     counter("effects", "effects published"),
		decisions:   counter("decisions", "decisions stored and published"),
		reissued:    counter("reissued_decisions", "decisions that an earlier owner had stored and perhaps not published"),
		wakes:       counter("wakes", "wake-ups"),
		dead:        counter("dead_letters", "inputs that could not be applied"),
		rebuilds:    counter("rebuilds", "rebuilds of a partition's states from Kafka"),
		refused:     counter("refused_writes", "writes refused because the bucket has a newer owner"),
		lost:        counter("losses", "times that Redis was found emptied or back in time while owned"),
		stalled:     counter("stalled", "batches that were not finished in time, each giving its partition up"),
		redisErrors: counter("redis_errors", "calls of Redis that were repeated"),
		large:       counter("unjournaled_states", "states that were too large for a record of the journal"),
		foreign:     counter("foreign_journal_records", "records in the journal that no owner wrote, found in a rebuild"),
		gaps:        counter("gap_records", "inputs that retention removed before a rebuild could read them"),
		late:        seconds("wake_lateness", "how long after its time a wake-up ran", quick),
		store:       seconds("store", "time of a write to Redis", quick),
		publish:     seconds("publish", "time of a publish", quick),
		rebuildTime: seconds("rebuild", "time from assignment to the end of a rebuild", slow),
		checkpoint:  seconds("checkpoint", "time of a checkpoint of the journal", slow),
		cached:      gauge("cached_users", "users in the cache of the partition that was busy last"),
		partitions:  gauge("partitions", "partitions owned"),
		closed:      gauge("closed_gates", "partitions owned and not ready: taking over or rebuilding"),
	}
	return m, errors.Join(errs...)
}

// observe counts a plan that was carried out.
func (m *metrics) observe(n counts, cached int) {
	m.applied.Add(float64(n.applied))
	m.dropped.Add(float64(n.dropped))
	m.dead.Add(float64(n.dead))
	m.effects.Add(float64(n.effects))
	m.decisions.Add(float64(n.decisions))
	m.reissued.Add(float64(n.reissued))
	m.wakes.Add(float64(len(n.late)))
	for _, d := range n.late {
		m.late.Observe(d.Seconds())
	}
	m.cached.Set(float64(cached))
}
