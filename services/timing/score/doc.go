// Package score is the pure model: what a release is worth now.
package score
