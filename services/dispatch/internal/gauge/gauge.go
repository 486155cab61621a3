// Package gauge measures senders for benchmarks. On a machine that does other things too, only the processor time and
// the allocations of a push tell two senders apart.
package gauge

import (
	"syscall"
	"testing"
	"time"
)

const callers = 64

// Run has many callers send b.N pushes side by side, and reports rate, processor time and allocations.
func Run(b *testing.B, send func(i int) error) {
	b.Helper()
	if err := send(0); err != nil { // connection and token
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	cpu := CPU()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := send(i); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
	b.ReportMetric(float64((CPU()-cpu).Microseconds())/float64(b.N), "cpu-µs/push")
}

// CPU is the processor time of this process so far.
func CPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
