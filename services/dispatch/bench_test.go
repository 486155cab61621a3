package dispatch_test

import (
	"testing"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// BenchmarkReleases takes releases from the topic to their last word, through Kafka, Redis and a gateway that answers after
// 20 ms, all in this process. With -tags failpoint, KAIROS_GUARDS_OFF=journal leaves the journal of attempts out.
func BenchmarkReleases(b *testing.B) {
	r := newRig(b, backends[0])
	r.b.Add(sandbox.Rule{Gateway: sandbox.APNs, Latency: 20 * time.Millisecond})
	rels := make([]*event.Release, b.N)
	for i := range rels {
		rels[i] = r.release(sandbox.APNs, nil)
	}
	r.start()
	b.ResetTimer()
	r.publish(rels...)
	r.until("all", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.results) >= b.N
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "releases/s")
}

// BenchmarkTakeOver is the time from the start of a dispatch to its first word when 20,000 pushes were sent just before:
// their attempts and outcomes are read again before anything is sent.
func BenchmarkTakeOver(b *testing.B) {
	r := newRig(b, backends[0])
	said := func(n int) func() bool {
		return func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.results) >= n
		}
	}
	n := 20_000
	rels := make([]*event.Release, n)
	for i := range rels {
		rels[i] = r.release(sandbox.APNs, nil)
	}
	stop := r.start()
	r.publish(rels...)
	r.until("all", said(n))
	stop()
	for b.Loop() {
		stop := r.start()
		r.publish(rels[0]) // said again
		n++
		r.until("one more", said(n))
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
