package stream

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	published, publishedBytes *prometheus.CounterVec // topic
	consumed, consumedBytes   *prometheus.CounterVec // topic
	errors                    *prometheus.CounterVec // call
	refused                   *prometheus.CounterVec // topic
	lag                       *prometheus.GaugeVec   // group, topic, partition
	gaps                      *prometheus.CounterVec // topic
	stalls                    *prometheus.CounterVec // topic
	rebalances                *prometheus.CounterVec // group
	slowHandlers              *prometheus.CounterVec // group
	publishSeconds            *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "kairos", Subsystem: "stream", Name: name, Help: help}, labels)
	}
	m := &metrics{
		published:      counter("published_records_total", "Records acknowledged by all in-sync replicas.", "topic"),
		publishedBytes: counter("published_bytes_total", "Bytes of the acknowledged records, before compression.", "topic"),
		consumed:       counter("consumed_records_total", "Records handed out.", "topic"),
		consumedBytes:  counter("consumed_bytes_total", "Bytes of the records handed out, before compression.", "topic"),
		errors:         counter("errors_total", "Failed calls to brokers; each is tried again unless it can never succeed.", "call"),
		refused:        counter("refused_records_total", "Records that Kafka will never take as they are.", "topic"),
		gaps:           counter("gap_records_total", "Records that were gone from the log before the group had read them.", "topic"),
		stalls:         counter("stalls_total", "Times a partition had lag but yielded nothing for the stall timeout.", "topic"),
		rebalances:     counter("generations_total", "Generations of a consumer group that this member took part in.", "group"),
		slowHandlers:   counter("slow_handlers_total", "Handlers that did not let go of a revoked partition in time.", "group"),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "kairos", Subsystem: "stream", Name: "lag_records", Help: "Records of an owned partition not yet fetched.",
		}, []string{"group", "topic", "partition"}),
		publishSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "kairos", Subsystem: "stream", Name: "publish_seconds", Help: "From handing a batch to a broker to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"topic"}),
	}
	for _, col := range []prometheus.Collector{
		m.published, m.publishedBytes, m.consumed, m.consumedBytes, m.errors, m.refused, m.lag, m.gaps, m.stalls,
		m.rebalances, m.slowHandlers, m.publishSeconds,
	} {
		if err := reg.Register(col); err != nil {
			return nil, err
		}
	}
	for _, call := range []string{"produce", "fetch", "admin", "group", "commit"} {
		m.errors.WithLabelValues(call)
	}
	return m, nil
}

func (m *metrics) handedOut(topic string, recs []Record) {
	size := 0
	for i := range recs {
		size += recs[i].size()
	}
	m.consumed.WithLabelValues(topic).Add(float64(len(recs)))
	m.consumedBytes.WithLabelValues(topic).Add(float64(size))
}
