// Package fold is the shell around a pure step: it reads one ordered log per user, loads and stores each user's state in
// Redis, publishes effects, and fires wake-ups. enrich and timing are both a Stage; there is no second shell. Local runs
// the same Stage in memory, for replay and simulation.
//
// It is not a stream processing framework: no joins, no windows, no repartitioning, one input topic, state per user.
// It decides nothing; what becomes of a user is in Stage.Step and Stage.Wake.
//
// # The life of a partition
//
//	           assigned by the consumer group
//	                    │
//	                acquiring      owner number of each bucket raised: older owners are refused from here on
//	           ┌────────┴─────────┐
//	Redis is what was left   Redis is empty, behind, or of unknown age
//	           │                  │
//	           │              rebuilding    journal → published decisions → replay of the input; gate closed
//	           └────────┬─────────┘
//	                 running  ── input batch, wake-ups, settle, checkpoint, verify, in turn; one goroutine
//	        ┌───────────┼──────────────┬───────────────┐
//	  stop asked    generation      Redis lost,      batch not done
//	        │          over         or refused        in time
//	    draining        │              │               │
//	settle, checkpoint  │          acquiring       generation given up
//	        └───────────┴─ released ───┘               └─ released, joined again
//
// The gate is closed until running: no wake-up, no decision leaves, Ready says so.
//
// # The classes of effects
//
//	ordinary  published ─► state stored ─► committed
//	Once      state and decision stored together (outbox) ─► published ─► outbox emptied with a later store
//
// An ordinary effect is one that may be said again: it comes of the state and the input alone and has the same id each
// time. A Once effect is a decision: a wake-up is no record that could be read again, and two owners may come to
// different ones. So it is stored first, in the script that checks the fence. An owner that is refused never says it, and
// one that dies between leaves it in the outbox, with the user due at once, for the next owner to say.
//
// What others act on (Stage.Acts) is published when everything that was said with it is in the log: whoever reads the rows of
// several stages finds the cause before what came of it. That costs a round trip a batch, which benchmarks do not show.
//
// # What a crash leaves, step by step
//
//	before publish   nothing. The input is read again.
//	after publish    effects without their state. The input is read again; effects of the same ids are published again,
//	                 and a stage that reads them drops them by their cause.
//	during store     some buckets stored, others not. The input is read again; the stored buckets drop it by their marks.
//	after store      state and decisions in Redis, decisions not in Kafka. The next owner finds the users due and
//	                 publishes the outboxes, with the ids that they had.
//	after Once       all is said, Redis has the outboxes still. The next owner publishes them again, same ids: whoever
//	                 acts on a decision claims it by its id.
//	before commit    the input is read again and dropped by the marks.
//
// The answer of a publish can get lost: it is sent again, in the order of the partition (package stream). The answer of a
// store can get lost: the script knows its own sequence number and does nothing the second time.
//
// # Duplicates
//
// Each input has a source offset: its own, or the one in its kairos-cause header. enrich publishes one record per fact,
// in the order of the facts, and repeats only a stretch that it had published; so at any place of the log the sources
// seen are a prefix, and "below the highest seen" means "seen". The marks of a bucket keep that, written in one script
// with the states. Within a batch, and in a rebuild, each user's blob says the same of that user.
//
// # Time
//
// An input is applied at the present time, but not after the time at which the user's next input came to the log. So an
// owner that is behind, because its predecessor was frozen or a server was away, comes to no decision late that a cancel
// in the log was there to prevent. It sees as far ahead as one fetch. No user's time goes back. A wake-up waits until what
// was in the log at the assignment has been applied.
//
// # Two owners
//
// A member that was frozen may go on after its partition went to another. Its publishes of ordinary effects are
// harmless, as above. Its stores are refused, because the new owner raised the owner number of every bucket before it
// read anything. Hence its decisions are never said, and a cancel that the new owner applied wins. It needs no version
// per user: all states of a bucket change hands at once. Its journal records may come after the new owner's; they carry
// the sequence number of the store, by which a rebuild picks the newer, and the next checkpoint writes the newer again.
//
// # Redis is a view
//
// Every load and store compares owner and sequence of the bucket with what this owner left, and an idle partition looks
// from time to time. At the assignment there are two witnesses in Kafka: the committed offset, above which no mark may
// lag (all marks are moved before a commit), and the decisions, each of which names the store that it was part of. If
// Redis is behind either, or has no fence, it is rebuilt:
//
//  1. The journal: the newest blob of each user, by sequence, goes to Redis. What was there before is of an older life
//     and does not exist any more.
//  2. The decisions published since the checkpoint are read from the Echo topics.
//  3. The input is replayed from the checkpoint to where the last owner can have come: the committed offset, or the input
//     that the last published decision came after. Each record up to there is applied at its own time. Ordinary effects
//     below the commit are not repeated. A decision that the replay comes to and that was published is not made again. One
//     that it does not come to, because a wake-up made it, is handed to Stage.Reconcile before the first input that came
//     after it: the cause of a decision tells its place among the inputs, so that a later cancel stays later.
//  4. What decisions are left are taken in, the fences become valid, the gate opens.
//
// The journal gets a checkpoint every 30 s: the blobs of the users that changed (Redis keeps that list as well, for the
// next owner), then a record with the marks to read on from.
//
// # What is not promised
//
// A zombie and the loss of Redis at once are two faults: a decision that the zombie had stored and says only after the
// rebuild has read the Echo topics may stand beside another decision on the same message. It has its own id, and a
// release of the same message keeps its release id, so that it is still sent once at most. Redis must not evict
// (maxmemory-policy noeviction): a single key that vanishes is not noticed. A state that does not fit into a record
// (1,000,000 bytes) is not journaled until it does, which kairos_fold_unjournaled_states_total counts: if Redis is lost
// meanwhile, that user goes on from the last state that was. Partitions are made more while the pipeline is drained: a
// record in the partition of the old count goes to the dead letter topic.
//
// A dead letter of a stage with a Source cannot be put back where it was read, as by then the marks have passed its source
// offset. What brings it in again is its record of Source, published once more ("kairos dlq retry" does that); what an
// earlier stage drops by its id, as enrich does with events, signals and receipts, does not come through again.
//
// The model check (TestModel) runs this shell under random schedules of all this, TestControlRuns shows that it fails
// with a guard switched off.
package fold
