package policy

import (
	"slices"
	"time"
)

// CapOpens is the first time from t on at which one more release keeps every cap, given the times of the earlier ones
// in any order.
func CapOpens(caps []Cap, sends []time.Time, t time.Time) time.Time {
	for _, c := range caps {
		in := within(c, sends, t)
		if len(in) < c.Max {
			continue
		}
		// A slot is free once all but Max-1 of them have left the window.
		if at := in[len(in)-c.Max].Add(time.Duration(c.Per)); at.After(t) {
			t = at
		}
	}
	return t
}

// CapLeft is how many more releases the caps allow at t; -1 without caps.
func CapLeft(caps []Cap, sends []time.Time, t time.Time) int {
	left := -1
	for _, c := range caps {
		if n := max(c.Max-len(within(c, sends, t)), 0); left < 0 || n < left {
			left = n
		}
	}
	return left
}

// Longest is the longest window of the caps.
func Longest(caps []Cap) time.Duration {
	var d time.Duration
	for _, c := range caps {
		d = max(d, time.Duration(c.Per))
	}
	return d
}

// within are the sends that the cap counts at t, oldest first.
func within(c Cap, sends []time.Time, t time.Time) []time.Time {
	in := make([]time.Time, 0, len(sends))
	for _, s := range sends {
		if s.Add(time.Duration(c.Per)).After(t) {
			in = append(in, s)
		}
	}
	slices.SortFunc(in, time.Time.Compare)
	return in
}
