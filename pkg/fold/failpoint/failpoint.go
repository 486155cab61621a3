// Package failpoint marks the places in the shell between two steps that must not be one. Built with the tag
// "failpoint", tests can stop, delay or kill a process there, and switch guards off to see that they are needed. Built
// without it, as every program is, Hit does nothing, no guard can be off, and both cost nothing.
//
// With the tag a process reads KAIROS_FAILPOINTS, for example "after_store=kill:3,before_commit=sleep:2s", and
// KAIROS_GUARDS_OFF, for example "fence,cause"; a test calls Set and Disable. KAIROS_CLOCK_SKEW, for example "-5m", puts
// the process's clock wrong.
package failpoint

// The places, in the order of a batch.
const (
	Woken         = "woken"          // a wake-up has decided, nothing of it is stored or published
	BeforePublish = "before_publish" // an input is applied, nothing of it is published
	AfterPublish  = "after_publish"  // effects are published, the state is not stored
	AfterStore    = "after_store"    // the state is stored, its decisions are not published
	BeforeCommit  = "before_commit"  // all is done, the offset is not committed
)

// The places of an attempt to send, in dispatch.
const (
	BeforeIntent = "before_intent" // nothing is written
	AfterIntent  = "after_intent"  // the intent is written, the provider is not asked
	AfterSend    = "after_send"    // the provider has answered, nothing is written of it
)

// The guards.
const (
	Fence   = "fence"   // a write is refused when the bucket has a newer owner or went back
	Session = "session" // a batch under way is given up when the generation is over
	Cause   = "cause"   // a record of a cause that was applied is dropped
	Commit  = "commit"  // an input is committed when its effects are published and its state is stored, not before
	Echo    = "echo"    // a rebuild takes published decisions in
	Claim   = "claim"   // dispatch writes an intent, and asks nobody about a push that has one or has ended
	Journal = "journal" // dispatch puts an attempt into its journal before it makes it
)
