// Package stats has the intervals of kairos report and kairos simulate. People, not messages, are resampled: messages
// of one person are alike, and intervals that ignore this are too narrow.
package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Interval is an estimate with its 95 % interval.
type Interval struct{ Value, Low, High float64 }

// Format writes "12.3 [11.0, 13.4]" with the given verb.
func (i Interval) Format(verb string) string {
	if math.IsNaN(i.Value) {
		return "–"
	}
	return fmt.Sprintf(verb+" ["+verb+", "+verb+"]", i.Value, i.Low, i.High)
}

// Times scales the interval by a factor ≥ 0.
func (i Interval) Times(k float64) Interval { return Interval{i.Value * k, i.Low * k, i.High * k} }

// Bootstrap computes statistics of n clusters and their percentile intervals (Efron, 1979): f gets how often each
// cluster was drawn, first once each for the estimate itself. The same seed draws the same clusters, so statistics of
// several policies on the same people, and their differences, are paired when one f computes them all.
func Bootstrap(n, rounds int, seed uint64, f func(drawn []float64) []float64) []Interval {
	drawn := make([]float64, n)
	for i := range drawn {
		drawn[i] = 1
	}
	values := f(drawn)
	samples := make([][]float64, len(values))
	rng := rand.New(rand.NewPCG(seed, 0xb007))
	for range rounds {
		clear(drawn)
		for range n {
			drawn[rng.IntN(n)]++
		}
		for k, v := range f(drawn) {
			if !math.IsNaN(v) {
				samples[k] = append(samples[k], v)
			}
		}
	}
	out := make([]Interval, len(values))
	for k, v := range values {
		slices.Sort(samples[k])
		out[k] = Interval{v, percentile(samples[k], 0.025), percentile(samples[k], 0.975)}
	}
	return out
}

// percentile of sorted values, by linear interpolation; NaN of none.
func percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Sum is Σ weight·value.
func Sum(weight, value []float64) float64 {
	s := 0.0
	for i, w := range weight {
		s += w * value[i]
	}
	return s
}

// Duration writes an interval of seconds for people; "never" for what most of a sample did not reach.
func (i Interval) Duration() string {
	return fmt.Sprintf("%s [%s, %s]", span(i.Value), span(i.Low), span(i.High))
}

func span(seconds float64) string {
	d := time.Duration(min(seconds, 1e9) * float64(time.Second))
	switch {
	case math.IsNaN(seconds):
		return "–"
	case d > 30*24*time.Hour:
		return "never"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute)/time.Minute))
	case d < 10*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d/time.Hour), int(d%time.Hour/time.Minute))
	default:
		return fmt.Sprintf("%dh", int(d.Round(time.Hour)/time.Hour))
	}
}
