// Package ingest is where records enter: the HTTP API and the kairos.in.* topics. It validates each record, stamps it with
// the app and the time of receipt, and publishes it to the facts topic under the person's key; a request is answered, and
// an input offset committed, only after all in-sync replicas have the fact. It is stateless and judges nothing but form:
// who the person is, and whether the message may go, is for enrich and timing.
//
// What is refused is not lost: a record of a topic goes to that topic's dead letters with its bytes and the reason, a
// request gets problem+json, and a refused message that can be named is told as a "rejected" outcome too.
//
// Accept is the pure part; `kairos replay` calls the same function.
//
// # Idempotency
//
// The ids in the records are the idempotency keys: the same message_id, event_id, signal_id or receipt_id sent again
// changes nothing downstream, through either door, so a client that got no answer simply sends the request again. The
// Idempotency-Key header is for clients that make no ids of their own: a message without message_id gets one derived from
// the app, the header and its place in the array, so the same request with the same key is the same messages again.
// Nothing is remembered in ingest for that.
package ingest
