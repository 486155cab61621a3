package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/services/kairos/faults/rig"
)

// sample is what a service needs at a moment.
type sample struct{ megabytes, goroutines float64 }

// watch is what the services needed over time.
type watch struct{ of map[string][]sample }

// observe takes a sample of each service every five seconds until stop is closed.
func observe(r *run, stop <-chan struct{}) *watch {
	w := &watch{of: map[string][]sample{}}
	tick := r.clock.Ticker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return w
		case <-tick.C:
		}
		for name, p := range r.Services {
			if s, ok := take(p); ok {
				w.of[name] = append(w.of[name], s)
			}
		}
	}
}

var (
	resident  = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
	highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
	routines  = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)
)

// take says no of a service that is down or frozen.
func take(p *rig.Process) (s sample, ok bool) {
	text, err := p.Metrics()
	if err != nil {
		return s, false
	}
	n := routines.FindStringSubmatch(text)
	if n == nil {
		return s, false
	}
	s.goroutines, err = strconv.ParseFloat(n[1], 64)
	mb, err1 := memory(p, resident)
	s.megabytes = mb
	return s, err == nil && err1 == nil
}

// memory of a process in MB.
func memory(p *rig.Process, kind *regexp.Regexp) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
	if err != nil {
		return 0, err
	}
	found := kind.FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("%s: the system does not tell %s", p.Name, kind)
	}
	kilobytes, err := strconv.ParseFloat(string(found[1]), 64)
	return kilobytes / 1024, err
}

// peaks are the most that the processes have had resident since they began.
func peaks(r *rig.Rig) (map[string]float64, error) {
	out := map[string]float64{}
	for name, p := range r.Services {
		mb, err := memory(p, highWater)
		if err != nil {
			return nil, err
		}
		out[name] = mb
	}
	return out, nil
}

// A quarter may need so much more than one before it: the collector lets a heap breathe.
const (
	breath  = 1.25
	leeway  = 10 // MB
	workers = 50 // goroutines: connections that a fault has made more of
)

// growth prints the medians of the second and of the last quarter, and says what has grown between them.
func (w *watch) growth() (broken []string) {
	fmt.Printf("%-10s %8s | %7s %7s %7s | %10s %10s %10s\n", "service", "samples", "MB q2", "MB q4", "most", "gorout. q2", "q4", "most")
	for _, name := range slices.Sorted(maps.Keys(w.of)) {
		all := w.of[name]
		q2, q4 := all[len(all)/4:len(all)/2], all[len(all)*3/4:]
		held := func(s sample) float64 { return s.megabytes }
		tasks := func(s sample) float64 { return s.goroutines }
		mb, mbLater, n, nLater := median(q2, held), median(q4, held), median(q2, tasks), median(q4, tasks)
		fmt.Printf("%-10s %8d | %7.0f %7.0f %7.0f | %10.0f %10.0f %10.0f\n", name, len(all), mb, mbLater, most(all, held), n, nLater, most(all, tasks))
		if mbLater > mb*breath+leeway {
			broken = append(broken, fmt.Sprintf("%s grew from %.0f to %.0f MB", name, mb, mbLater))
		}
		if nLater > n+workers {
			broken = append(broken, fmt.Sprintf("%s grew from %.0f to %.0f goroutines", name, n, nLater))
		}
	}
	return broken
}

func median(list []sample, of func(sample) float64) float64 {
	values := values(list, of)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

func most(list []sample, of func(sample) float64) float64 { return slices.Max(values(list, of)) }

// values are in order.
func values(list []sample, of func(sample) float64) []float64 {
	out := make([]float64, len(list))
	for i, s := range list {
		out[i] = of(s)
	}
	slices.Sort(out)
	return out
}
