// Package score says what a release is worth now: one pure function of numbers, with named inputs.
//
// A Context is what is known of a person at one instant; Sense reads it off a profile. Model turns it into p_seen, the
// chance that a push is visible and attended within five minutes, and into the odds that it is opened once seen. A Model
// is data: Default holds the documented constants, learned ones arrive as snapshots (see Parse) and have the same shape.
//
// timing decides by it and learn trains it. It is not the decision: when to stop waiting is timing's, what is forbidden
// is its policy's.
package score
