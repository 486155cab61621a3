package timing

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
)

type metrics struct {
	outcomes  *prometheus.CounterVec // type
	decisions *prometheus.CounterVec // action
	held      prometheus.Histogram
	late      prometheus.Histogram
	refused   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	name := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "kairos", Subsystem: "timing", Name: name, Help: help}
	}
	spread := func(n, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "kairos", Subsystem: "timing", Name: n, Help: help, Buckets: buckets,
		})
	}
	m := &metrics{
		outcomes:  prometheus.NewCounterVec(prometheus.CounterOpts(name("outcomes_total", "Outcome rows by type.")), []string{"type"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts(name("decisions_total", "Decision rows by action.")), []string{"action"}),
		held:      spread("hold_seconds", "From acceptance to release.", 1, 10, 60, 300, 1800, 3600, 14400, 43200, 86400, 259200),
		late:      spread("lateness_seconds", "From the planned to the actual release.", .001, .005, .02, .1, .5, 1, 5, 30, 300),
		refused:   prometheus.NewCounter(prometheus.CounterOpts(name("models_refused_total", "Model snapshots that could not be believed."))),
	}
	for typ := range terminal {
		m.outcomes.WithLabelValues(typ)
	}
	for _, typ := range []string{event.OutcomeAccepted, event.OutcomeHeld, event.OutcomeReleased, event.OutcomeIgnored, event.OutcomeRejected} {
		m.outcomes.WithLabelValues(typ)
	}
	for _, typ := range outcomeOf {
		m.outcomes.WithLabelValues(typ)
	}
	for _, action := range []string{event.ActionRelease, event.ActionHold, event.ActionSuppress, event.ActionExpire} {
		m.decisions.WithLabelValues(action)
	}
	for _, c := range []prometheus.Collector{m.outcomes, m.decisions, m.held, m.late, m.refused} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// observed counts what the stage decides.
func (m *metrics) observed(s fold.Stage[*Holds, *profile.Enriched]) fold.Stage[*Holds, *profile.Enriched] {
	step, wake := s.Step, s.Wake
	s.Step = func(h *Holds, in *profile.Enriched, now time.Time) (*Holds, []fold.Effect) {
		h, effects := step(h, in, now)
		m.count(effects)
		return h, effects
	}
	s.Wake = func(h *Holds, now time.Time) (*Holds, []fold.Effect) {
		h, effects := wake(h, now)
		m.count(effects)
		return h, effects
	}
	return s
}

func (m *metrics) count(effects []fold.Effect) {
	for i := range effects {
		switch v := effects[i].Value.(type) {
		case event.Outcome:
			m.outcomes.WithLabelValues(v.Type).Inc()
			if v.Type == event.OutcomeReleased {
				m.held.Observe(float64(v.HoldMS) / 1000)
				m.late.Observe(float64(v.LatenessMS) / 1000)
			}
		case event.Decision:
			m.decisions.WithLabelValues(v.Action).Inc()
		}
	}
}
