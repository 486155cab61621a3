package dispatch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

type metrics struct {
	attempts *prometheus.CounterVec   // app_id, channel, class
	seconds  *prometheus.HistogramVec // channel
	ended    *prometheus.CounterVec   // app_id, channel, type
	circuit  *prometheus.GaugeVec     // app_id, channel
	refused  prometheus.Counter
	stuck    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, d *Dispatch) *metrics {
	name := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "kairos", Subsystem: "dispatch", Name: name, Help: help}
	}
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts(name("attempts_total", "Requests to providers by what the answer means.")), []string{"app_id", "channel", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "kairos", Subsystem: "dispatch", Name: "attempt_seconds", Help: "Time until a provider's answer.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"channel"}),
		ended:   prometheus.NewCounterVec(prometheus.CounterOpts(name("pushes_ended_total", "Pushes that ended, by outcome.")), []string{"app_id", "channel", "type"}),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts(name("circuit_open", "1 while an app's way to a provider is open, or its credentials are wrong.")), []string{"app_id", "channel"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts(name("refused_total", "Releases that could not be read and went to the DLQ."))),
		stuck:   prometheus.NewCounter(prometheus.CounterOpts(name("store_failures_total", "Times that Redis or Kafka did not take a record and it was tried again."))),
	}
	for _, ch := range []string{"apns", "fcm", "webpush"} {
		m.seconds.WithLabelValues(ch)
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.attempts, m.seconds, m.ended, m.circuit, m.refused, m.stuck)
	for lane, label := range map[Lane]string{Urgent: "urgent", Bulk: "bulk"} {
		g := prometheus.GaugeOpts(name("queue_depth", "Pushes ready to be sent."))
		g.ConstLabels = prometheus.Labels{"lane": label}
		reg.MustRegister(prometheus.NewGaugeFunc(g, func() float64 { return float64(d.queue.depth(lane)) }))
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts(name("retries_waiting", "Pushes that wait for their next attempt.")), func() float64 { return float64(d.later.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts(name("releases_parked", "Releases in memory that the log no longer waits for.")), func() float64 { return float64(d.parked.Load()) }),
	)
	return m
}

func (m *metrics) answered(app, channel string, v push.Verdict, took time.Duration) {
	m.attempts.WithLabelValues(app, channel, v.Class.String()).Inc()
	m.seconds.WithLabelValues(channel).Observe(took.Seconds())
}
