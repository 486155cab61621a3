package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
)

var (
	ctx = context.Background()
	clk clock.Clock
)

// latencies of the server that the ways are compared at.
var latencies = []time.Duration{0, 20 * time.Millisecond}

// paced is the rate at which the time until the answer of APNs is measured, as it is in operation: below what is possible.
const paced = 10_000

// result of a round. Processor time is that of this process: the sender's and the callers'.
type result struct {
	rate, cpu, server, allocs, bytes, p50, p99 float64 // per second; µs a push; a push; ms
}

func compare(rounds int, lasting time.Duration, only string) error {
	fmt.Printf("%s %s, %d processors; %d rounds of %s; median (lowest–highest)\n", runtime.Version(), runtime.GOARCH, runtime.NumCPU(), rounds, lasting)
	for _, latency := range latencies {
		head(fmt.Sprintf("Server latency %s, as fast as it goes", latency))
		err := interleave(rounds, picked(ways(), only), func(w way) (result, error) {
			return measure(w, latency, func(send func(int) error) spread { return flood(w, send, lasting) })
		})
		if err != nil {
			return err
		}
	}
	head(fmt.Sprintf("Server latency %s, %d pushes/s; times from when a push was due", latencies[1], paced))
	list := slices.DeleteFunc(picked(ways(), only), func(w way) bool { return w.answer != apnsAnswer })
	list = append(list, way{name: "nothing but the load", answer: apnsAnswer, open: asleep})
	return interleave(rounds, list, func(w way) (result, error) {
		return measure(w, latencies[1], func(send func(int) error) spread { return pace(send, lasting) })
	})
}

func picked(list []way, only string) []way {
	return slices.DeleteFunc(list, func(w way) bool { return !strings.HasPrefix(w.name, only) })
}

// asleep sends nothing and waits as long as the server would: what remains is the load's own cost, and the machine's.
func asleep(*target) (func(int) error, func(), error) {
	return func(int) error { return clk.Sleep(ctx, latencies[1]) }, func() {}, nil
}

func head(text string) {
	fmt.Printf("\n%s\n\n| | pushes/s | CPU µs/push | pushes per core-s | server CPU µs/push | allocs | B | p50 ms | p99 ms |\n|--|--:|--:|--:|--:|--:|--:|--:|--:|\n", text)
}

// interleave runs every way once a round, and prints a row for each.
func interleave(rounds int, list []way, one func(way) (result, error)) error {
	got := make([][]result, len(list))
	for range rounds {
		for i, w := range list {
			r, err := one(w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			got[i] = append(got[i], r)
		}
	}
	for i, w := range list {
		col := func(of func(result) float64, digits int) string {
			v := make([]float64, 0, rounds)
			for _, r := range got[i] {
				v = append(v, of(r))
			}
			slices.Sort(v)
			return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, v[len(v)/2], digits, v[0], digits, v[len(v)-1])
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.name,
			col(func(r result) float64 { return r.rate }, 0), col(func(r result) float64 { return r.cpu }, 1),
			col(func(r result) float64 { return 1e6 / r.cpu }, 0), col(func(r result) float64 { return r.server }, 1),
			col(func(r result) float64 { return r.allocs }, 0), col(func(r result) float64 { return r.bytes }, 0),
			col(func(r result) float64 { return r.p50 }, 1), col(func(r result) float64 { return r.p99 }, 1))
	}
	return nil
}

// spread is how long pushes took, and over what time they went out.
type spread struct {
	took    []int64
	elapsed time.Duration
}

func measure(w way, latency time.Duration, load func(send func(int) error) spread) (result, error) {
	w.answer.Latency = latency
	t, err := start(w.answer)
	if err != nil {
		return result{}, err
	}
	send, closed, err := w.open(t)
	if err != nil {
		return result{}, err
	}
	var failed atomic.Pointer[error]
	checked := func(i int) error {
		err := send(i)
		if err != nil {
			failed.Store(&err)
		}
		return err
	}
	for i := range 64 { // connections, tokens
		if err := checked(i); err != nil {
			return result{}, err
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processor()
	s := load(checked)
	used := processor() - cpu
	runtime.ReadMemStats(&after)
	closed()
	server, err := t.stop()
	if e := failed.Load(); e != nil {
		err = *e
	}
	slices.Sort(s.took)
	n := float64(len(s.took))
	return result{
		rate: n / s.elapsed.Seconds(), cpu: used.Seconds() * 1e6 / n, server: server.Seconds() * 1e6 / n,
		allocs: float64(after.Mallocs-before.Mallocs) / n, bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
		p50: float64(s.took[len(s.took)/2]) / 1e6, p99: float64(s.took[len(s.took)*99/100]) / 1e6,
	}, err
}

func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// flood has many callers send without a pause, or a goroutine for each push.
func flood(w way, send func(int) error, lasting time.Duration) spread {
	begun := clk.Now()
	end := begun.Add(lasting)
	took := make([][]int64, w.callers)
	var serial atomic.Int64
	one := func(list *[]int64) bool {
		at := clk.Now()
		if at.After(end) || send(int(serial.Add(1))) != nil {
			return false
		}
		*list = append(*list, int64(clk.Now().Sub(at)))
		return true
	}
	var wg sync.WaitGroup
	if !w.spawn {
		for i := range took {
			wg.Go(func() {
				for one(&took[i]) {
				}
			})
		}
	} else {
		slots := make(chan *[]int64, w.callers)
		for i := range took {
			slots <- &took[i]
		}
		for clk.Now().Before(end) {
			slot := <-slots
			wg.Go(func() {
				one(slot)
				slots <- slot
			})
		}
	}
	wg.Wait()
	return spread{slices.Concat(took...), clk.Now().Sub(begun)}
}

// pace starts so many pushes a second, whatever becomes of those before. A push's time begins when it is due: one that
// starts late, because all callers wait or because this process does not get its turn, is not excused.
func pace(send func(int) error, lasting time.Duration) spread {
	const step = 500 * time.Microsecond
	n := int(lasting.Seconds() * paced)
	took := make([]int64, n)
	jobs := make(chan int, n)
	begun := clk.Now()
	due := func(i int) time.Time { return begun.Add(time.Duration(i) * time.Second / paced) }
	var wg sync.WaitGroup
	for range 1024 {
		wg.Go(func() {
			for i := range jobs {
				if send(i) == nil {
					took[i] = int64(clk.Now().Sub(due(i)))
				}
			}
		})
	}
	for i := 0; i < n; {
		for now := clk.Now(); i < n && !due(i).After(now); i++ {
			jobs <- i
		}
		_ = clk.Sleep(ctx, step)
	}
	close(jobs)
	wg.Wait()
	return spread{took, cmp.Or(clk.Now().Sub(begun), 1)}
}
