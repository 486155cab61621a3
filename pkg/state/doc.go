// Package state keeps the rolling state of users in Redis: which keys there are, the scripts that change them, and the
// fence that makes one owner the only writer. Redis is a view: everything here can be rebuilt from Kafka, and every
// answer of Redis is checked for being the view that the owner left.
//
// Per bucket (see Bucket) and stage there are, all under one hash tag and so in one slot of a Redis Cluster:
//
//	{b017}:fence:timing       hash: owner, seq, life, and marks
//	{b017}:due:timing         sorted set: user → Unix milliseconds of the next wake-up
//	{b017}:dirty:timing       set: users that changed since the last checkpoint of the journal
//	{b017}:timing:app|user    the user's Blob
//
// The fence:
//   - owner numbers the owners. An owner raises it when it takes the bucket over, and each write names the number it
//     got: after the next owner came, writes of the one before are refused (ErrRefused). One number for the bucket makes
//     a version per user needless: within one ownership there is one writer. Nobody releases a bucket; the next owner
//     takes it.
//   - seq counts the writes. A write names the number it expects; a lower or a missing one means that Redis was
//     emptied, restored from an older file, or failed over to a replica that was behind (ErrLost). A write that finds
//     its own number done already is a resend whose first answer was lost, and succeeds without being done again.
//     A fence without seq is not valid: the bucket is new. One with "b7" is not valid either: a rebuild has not come to
//     its end, and has done 7 writes, which are counted for the same reason.
//   - life is the owner number of the last rebuild. A blob of another life is left over from before it and does not
//     exist: that spares a scan over the keyspace.
//   - a mark, for example "facts.v1/3" → 117, says that everything before that offset of that topic and partition is in
//     the bucket's states.
//
// It is not a cache and not a general Redis library: fold is its caller, and dispatch uses the key functions.
package state
