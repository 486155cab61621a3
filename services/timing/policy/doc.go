// Package policy says what a release must respect: the policy file with its defaults, the gates that follow from local
// time, spacing and caps, and the exploration draw. Everything is a pure function of its arguments.
//
// It is not the score: a gate forbids or allows, it never weighs. Gates that depend on what the phone shows (do not
// disturb, foreground, devices) are decided by package timing, which knows the profile; their names are here.
package policy
