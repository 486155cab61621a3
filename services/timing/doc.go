// Package timing decides when a push is worth most to the person who gets it: it holds messages, evaluates them at every
// change of what is known, and releases each at its moment.
//
// Everything that decides is pure: Engine.Step and Engine.Wake fold one person's log into Holds and return what is to be
// published. They read no clock, do no I/O and log nothing; the shell is pkg/fold. The same Engine runs in the service, in
// kairos replay and in the simulator.
//
//	step.go      the step: which record does what
//	accept.go    messages, revisions, cancels
//	room.go      how much may be held of one person
//	evaluate.go  the joint evaluation of a person's held messages
//	ration.go    who gets the last slots of a cap
//	path.go      what the model says of the person if nothing more happens
//	moments.go   what the next sittings may bring
//	plan.go      optimal stopping against the deadline
//	fatigue.go   the pressure of what was sent of late
//	answers.go   what dispatch and the phone say afterwards
//	pack.go      how fatigue and sends are packed
//	policy/      the policy file and the gates
//
// What is kept of a person is two blobs, at most 1 kB together, as each has one writer: the profile is enrich's (habits,
// context, answers), and Holds are timing's (fatigue, moments, sends for the caps). Devices, held messages and the ids that
// deduplicate come on top.
//
// What a release is worth now is pkg/score's to say, as learn trains it.
//
// It is not the sender: a release is a decision on a topic. It does not learn: a score.Model comes from outside.
//
//	held ──► released ──► sent ──► closed (opened | dismissed | ignored) ──► forgotten
//	  │         └───────► failed | unknown | expired | cancelled | superseded ──► forgotten
//	  └─────────────────► expired | cancelled | suppressed | superseded | control ──► forgotten
//
// A cancel of what is released and not answered, and the erasure of the person, withdraw the release: dispatch says how it
// ended. Of an erased person no more is kept meanwhile than ids, so that each message accepted gets its last row.
package timing
