package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Doors by which records enter.
const (
	doorHTTP  = "http"
	doorTopic = "topic"
)

type metrics struct {
	accepted *prometheus.CounterVec   // kind, door
	rejected *prometheus.CounterVec   // topic, door
	requests *prometheus.CounterVec   // route, status
	seconds  *prometheus.HistogramVec // route
	shed     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, g *gate) *metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "kairos", Subsystem: "ingest", Name: name, Help: help}
	}
	m := &metrics{
		accepted: prometheus.NewCounterVec(opts("accepted_total", "Records that became facts."), []string{"kind", "door"}),
		rejected: prometheus.NewCounterVec(opts("rejected_total", "Records that were refused, by the input topic that they stand for."), []string{"topic", "door"}),
		requests: prometheus.NewCounterVec(opts("http_requests_total", "Requests by route and status."), []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "kairos", Subsystem: "ingest", Name: "http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"route"}),
		shed: prometheus.NewCounter(opts("shed_total", "Requests that got 429 because too much was pending.")),
	}
	pending := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "kairos", Subsystem: "ingest", Name: "pending_bytes", Help: "Bytes of requests that are read or wait for Kafka.",
	}, func() float64 { return float64(g.held.Load()) })
	for _, door := range []string{doorHTTP, doorTopic} {
		for _, kind := range []string{
			event.KindMessage, event.KindCancel, event.KindEvent, event.KindSignal, event.KindReceipt, event.KindDevice, event.KindUser,
		} {
			m.accepted.WithLabelValues(kind, door)
		}
		for _, t := range topic.Inputs {
			m.rejected.WithLabelValues(t.Name, door)
		}
	}
	reg.MustRegister(m.accepted, m.rejected, m.requests, m.seconds, m.shed, pending)
	return m
}
