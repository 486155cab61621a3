package fold

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// What Local costs beside the step: a stage that does nothing.
func BenchmarkLocal(b *testing.B) {
	l := NewLocal(Stage[int, int]{
		New:  func(string) int { return 0 },
		Step: func(s, in int, _ time.Time) (int, []Effect) { return s + in, nil },
		Due:  func(s int) time.Time { return time.UnixMilli(int64(s)) },
		Wake: func(s int, _ time.Time) (int, []Effect) { return s, nil },
	})
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("app|", i)
	}
	now := time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Apply(keys[i%len(keys)], 1+i%1000, now)
	}
}

func BenchmarkShell(b *testing.B) { shell(b, pipetest.Embedded) }

// shell is one whole stage on one machine: records per second through fetch, load, step, publish, store and commit, with
// one effect an input; then as many decisions of wake-ups that are all due at once; then the rebuild of all users.
func shell(b *testing.B, backend pipetest.Backend) {
	const users, perUser, partitions = 10_000, 4, 8
	for b.Loop() {
		e := newBench(b, backend, partitions)
		var recs []stream.Record
		due := time.Now().Add(time.Hour).UnixMilli()
		for i := range perUser {
			for u := range users {
				recs = append(recs, e.input(fmt.Sprintf("app|%d", u), order{Item: fmt.Sprint(i), Due: due})...)
			}
		}
		e.publish(recs...)
		begin := time.Now()
		e.start()
		e.await("all applied", func() bool { return testutil.ToFloat64(e.fold.metrics.applied) == users*perUser })
		b.ReportMetric(users*perUser/time.Since(begin).Seconds(), "inputs/s")
		e.stop()

		require.NoError(b, e.redis.FlushDB(b.Context()).Err())
		begin = time.Now()
		e.start()
		e.await("rebuilt", func() bool { return testutil.ToFloat64(e.fold.metrics.rebuilds) == partitions })
		b.ReportMetric(users/time.Since(begin).Seconds(), "rebuilt-users/s")
		begin = time.Now()
		recs = recs[:0]
		due = time.Now().Add(2 * time.Second).UnixMilli()
		for u := range users {
			recs = append(recs, e.input(fmt.Sprintf("app|%d", u), order{Item: "now", Due: due})...)
		}
		e.publish(recs...)
		e.await("all woken", func() bool { return testutil.ToFloat64(e.fold.metrics.wakes) == users })
		b.ReportMetric(users/(time.Since(begin)-2*time.Second).Seconds(), "wakes/s")
		e.stop()
		require.Len(b, e.read(topic.Releases), users)
	}
}
