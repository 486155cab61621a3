// Package raced gives tests a smaller size under the race detector, which makes pure computation ten times as slow and has
// seen all its code after a little of it. It is for sizes that are a matter of statistics, or of how much of a log goes
// through; never for what is asserted. CI runs these tests at their whole size without the detector: see .ci/run.
//
// Only tests import it.
package raced

// Size is whole without the race detector, and part with it.
func Size(whole, part int) int {
	if on {
		return part
	}
	return whole
}
