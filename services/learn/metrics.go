package learn

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kairos-push/kairos/pkg/topic"
)

type metrics struct {
	rows     *prometheus.CounterVec // topic
	bad      *prometheus.CounterVec // topic
	lost     *prometheus.CounterVec // topic
	examples *prometheus.CounterVec // task
	dropped  *prometheus.CounterVec // reason
	refused  *prometheus.CounterVec // app, reason
	leftOut  *prometheus.CounterVec // app
	loss     *prometheus.GaugeVec   // app, task, model
	held     *prometheus.GaugeVec   // app, task
	behind   prometheus.Gauge
	people   prometheus.Gauge
	leading  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "kairos", Subsystem: "learn", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "kairos", Subsystem: "learn", Name: name, Help: help}
	}
	m := &metrics{
		rows:     counter("rows_total", "Rows learned from or looked at.", "topic"),
		bad:      counter("bad_rows_total", "Rows that could not be read; those of outcomes are kept in its dead letter topic.", "topic"),
		lost:     counter("lost_rows_total", "Rows that retention removed before they were read.", "topic"),
		examples: counter("examples_total", "Labelled examples.", "task"),
		dropped:  counter("dropped_total", "Rows dropped as duplicates, or because they came too late.", "reason"),
		refused:  counter("models_refused_total", "Models that were not published: the one before stays.", "app_id", "reason"),
		leftOut:  counter("features_left_out_total", "Features of snapshots gone on from that this program does not know.", "app_id"),
		loss: prometheus.NewGaugeVec(gauge("held_back_loss",
			"Mean log-loss on the examples held back in the last day, of the model before and of the candidate."), []string{"app_id", "task", "model"}),
		held:    prometheus.NewGaugeVec(gauge("held_back_examples", "Examples held back in the last day."), []string{"app_id", "task"}),
		behind:  prometheus.NewGauge(gauge("behind_seconds", "How far the snapshots are behind the log.")),
		people:  prometheus.NewGauge(gauge("people", "People in memory.")),
		leading: prometheus.NewGauge(gauge("leading", "1 while this instance learns, 0 while it waits.")),
	}
	for _, t := range []topic.Topic{topic.Enriched, topic.Outcomes} {
		m.rows.WithLabelValues(t.Name)
		m.bad.WithLabelValues(t.Name)
		m.lost.WithLabelValues(t.Name)
	}
	for t := range numTasks {
		m.examples.WithLabelValues(t.String())
	}
	for _, reason := range []string{"duplicate", "late"} {
		m.dropped.WithLabelValues(reason)
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.rows, m.bad, m.lost, m.examples, m.dropped, m.refused, m.leftOut, m.loss, m.held, m.behind, m.people, m.leading,
	} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("learn: register metrics: %w", err)
	}
	return m, nil
}

// round tells what a round came to; before are the counts at its beginning.
func (m *metrics) round(l *Learner, before Counts, out []Snapshot) {
	for t := range numTasks {
		m.examples.WithLabelValues(t.String()).Add(float64(l.Counts.Examples[t] - before.Examples[t]))
	}
	m.dropped.WithLabelValues("duplicate").Add(float64(l.Counts.Duplicates - before.Duplicates))
	m.dropped.WithLabelValues("late").Add(float64(l.Counts.Late - before.Late))
	m.people.Set(float64(len(l.people)))
	for i := range out {
		v := &out[i].verdict
		if v.reason != "" {
			m.refused.WithLabelValues(out[i].App, v.reason).Inc()
		}
		for t := range numTasks {
			m.held.WithLabelValues(out[i].App, t.String()).Set(float64(v.n[t]))
			if v.n[t] > 0 {
				m.loss.WithLabelValues(out[i].App, t.String(), "before").Set(v.before[t])
				m.loss.WithLabelValues(out[i].App, t.String(), "candidate").Set(v.after[t])
			}
		}
	}
}
