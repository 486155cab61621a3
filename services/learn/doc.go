// Package learn trains the models that timing decides by: p_seen, the chance that a push is visible and attended within
// five minutes, on what people did with their phones anyway; p_open on the closing outcomes, which carry the features of
// their release. The snapshots go to the models topic, one per app, and one for all apps that a new app begins with.
//
// The learning itself is pure: a Learner folds rows into examples and examples into weights, with no I/O and no clock.
// The shell feeds it rounds. A round is what the log got between two multiples of Config.Every, merged by the time of the
// records; its end is a set of offsets. So the same log gives the same rounds, the same order and the same snapshots,
// byte for byte, whoever reads it and whenever.
//
// Offsets are in the snapshot, not in the consumer group: weights and offsets are one record, so a row is learned from
// once, without a fence. Everything older than the snapshot is in its weights; what is kept of people, and their examples that
// are held back to judge by, is not in it (a compacted topic would keep it after they erased themselves) and is rebuilt from
// the last two days of the log (memory, testimony).
// Rebuilding all by replay would forget what lies beyond the retention of the log. The group only elects: whoever owns
// partition 0 of the models topic leads, the others wait. Two leaders at once, after a lost session, write the same bytes.
//
// It does not decide, and nothing waits for it: without it timing goes on with the models it has.
package learn
