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
