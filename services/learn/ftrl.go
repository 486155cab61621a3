package learn

import "math"

// coord is one weight in training, by FTRL-Proximal (McMahan et al., "Ad Click Prediction: a View from the Trenches",
// KDD 2013, algorithm 1): Z is the shifted sum of gradients, N the sum of their squares. The weight is what is added to
// the prior's, so that without evidence the prior stands.
type coord struct {
	_ struct{} `cbor:",toarray"`
	Z float64
	N float64
}

// rate is how a kind of weights learns.
type rate struct{ alpha, beta, l1, l2 float64 }

var (
	// A weight is believed to lie within 1/√l2 = 0.2 of its prior until the evidence says more: what tells a push after two
	// minutes from one after four is a few opens in a hundred, and noise of that size moves all pushes (make sim).
	dense = rate{alpha: 0.1, beta: 1, l2: 30}
	// A hashed weight stays 0 until its evidence exceeds l1: a snapshot lists only those that matter.
	hashed = rate{alpha: 0.1, beta: 1, l1: 1, l2: 1}
)

func (r rate) stiffness(n float64) float64 { return (r.beta+math.Sqrt(n))/r.alpha + r.l2 }

func (r rate) weight(c coord) float64 {
	if math.Abs(c.Z) <= r.l1 {
		return 0
	}
	return (math.Copysign(r.l1, c.Z) - c.Z) / r.stiffness(c.N)
}

// update takes in the gradient of the loss at weight w.
func (r rate) update(c *coord, g, w float64) {
	sigma := (math.Sqrt(c.N+g*g) - math.Sqrt(c.N)) / r.alpha
	c.Z += g - sigma*w
	c.N += g * g
}

// evidence is how many squared gradients a weight must have seen to be believed as much as its prior.
const evidence = 10

// rebase keeps the sum of prior and weight, as far as the weight has evidence of its own, when the prior moves by shift.
func (r rate) rebase(c *coord, shift float64) {
	if w := r.weight(*c); w != 0 && shift != 0 {
		r.set(c, w-shift*c.N/(c.N+evidence))
	}
}

// set makes the weight w, as sure as it is.
func (r rate) set(c *coord, w float64) {
	if c.Z = 0; w != 0 {
		c.Z = -w*r.stiffness(c.N) - math.Copysign(r.l1, w)
	}
}

// sane sums are finite, and squares do not sum to less than nothing.
func (c coord) sane() bool {
	return !math.IsNaN(c.Z) && !math.IsInf(c.Z, 0) && c.N >= 0 && !math.IsInf(c.N, 0)
}
