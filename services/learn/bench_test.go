package learn

import "testing"

// One example of presence into the models of the app and of all apps.
func BenchmarkExample(b *testing.B) {
	l := NewLearner(DefaultLimits())
	for _, r := range life("demo", 1, 2, 1) {
		l.apply(r)
	}
	var e *example
	for _, ring := range l.apps["demo"].held {
		if len(ring) > 0 {
			e = ring[0]
		}
	}
	if e == nil {
		l.judges = func(uint64) bool { return true }
		for _, r := range life("demo", 2, 2, 1) {
			l.apply(r)
		}
		e = l.apps["demo"].held[taskSeen][0]
	}
	trained := *e
	trained.held = false
	b.ReportAllocs()
	for b.Loop() {
		l.apps["demo"].train(&trained)
		l.global.train(&trained)
	}
}

// One row of the log, decoded: what it labels, and what it asks.
func BenchmarkRow(b *testing.B) {
	rows := crowd("demo", 20, 3, 1)
	b.ReportAllocs()
	for i, l := 0, (*Learner)(nil); b.Loop(); i++ {
		if i%len(rows) == 0 {
			l = NewLearner(DefaultLimits())
		}
		l.apply(rows[i%len(rows)])
	}
}
