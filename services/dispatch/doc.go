// Package dispatch sends released messages through APNs, FCM and Web Push, and says what became of them.
//
//	releases ─► owned (reader, watermark) ─► queue (lanes, apps in turn, rates) ─► worker
//	  worker: claim in Redis ─► circuit ─► Sender ─► record the answer ─► outcomes, facts (result)
//	                   ▲                                   │
//	                   └──────────── later ◄── back-off ───┘
//
// What a provider's answer means is data (apns.Table, fcm.Table, webpush.Table); what follows from it is a pure
// function (After); who may try a push is another (Record.Take). Everything else here moves things about.
//
// # At most once, unless asked otherwise
//
// Before a provider is asked, the push's record in Redis says intent, with the time at which the attempt will be over, and
// then the topic attempts says so too (note). The answer is recorded, then published, then the release counts as done. A
// crash after the intent leaves an attempt that nobody knows the answer of; after its time it is in doubt, and the
// message's on_ambiguous decides: drop (the default) ends as "unknown", resend tries again with the same apns-id and
// collapse id. A crash after the answer was recorded publishes it once more, with the same ids.
//
// That time is by the clock of who wrote the intent. An owner whose clock is ahead of it by more than the margin (5 s) takes
// an attempt that is under way for one in doubt: with resend it is made again, with drop it ends as "unknown" and is still
// made once. So the processes' clocks have to be synchronised, as NTP does it.
//
// A record is replaced only by comparing it with what was seen, so two owners of a partition (one of them a zombie)
// never both ask a provider about the same attempt. If Redis forgets (no mark in a bucket) or goes back (a mark behind
// the commit), the records are rebuilt before anything is sent: what has ended from the outcomes, what was begun from
// the attempts. The last of both is read again with each take-over of a partition, because a Redis that lost its last
// seconds may still have the marks (BenchmarkTakeOver). So nothing that Redis alone knew matters, also when dispatch dies at
// the same instant, but for one thing, which errs to the safe side: that an intent in the journal was given back because Redis, the
// journal or a gate stood in the way. Who knows of it by the journal alone takes the attempt for one in doubt.
//
// The price is a second wait for Kafka before each push, which is batched as the ends are (BenchmarkReleases).
//
// # Order
//
// Releases of one user and lane are first tried in the order of the log (order). A retry waits for itself alone,
// and is given up when a release has come that shows in its place on the phone (Replaced).
//
// # Withdrawn
//
// A cancel, or the erasure of the person, may come when a release is out and not answered: it waits for its next attempt, or
// dispatch is down. Timing then says the release again, withdrawn, without its content and addresses. What no provider was
// asked about ends as cancelled, what one may have taken as unknown, and what has ended is said again as it did. After the
// deadline it ends as expired: its record may be gone by then. A release that is read together with its withdrawal is not tried
// at all; one whose withdrawal is further on in the log may be.
//
// # Retries and the log
//
// Retries end at the message's deadline, which can be a day away; the log must not wait that long, nor memory fill.
// So a release whose next attempt is further away than ParkAfter is parked: its record is in Redis, and the watermark
// passes it. It is kept in memory while there is room (MaxParked). After a crash, or when there is none, it comes back
// because timing repeats a release until it hears a final result; the record then says when the next attempt may be,
// and what has been sent. A second schedule in Redis would be a second truth of the same thing.
//
// No attempt is made while the person's quiet hours or the message's delivery window forbid it (Opens): the release says when
// that is. It waits as any other retry does. Both are looked at again when an attempt has been claimed and written down, since
// that can take until it may not be made any more; then the claim is given back.
//
// # What it is not
//
// Dispatch decides nothing about whether or when a person should get a message; it does not change content; and it
// keeps no address: those that are dead go back to the profile through the log.
package dispatch
