// Package enrich folds each fact of a person's log into what is known of that person, and passes the fact on with the
// profile as it then is: facts × profile → profile′. It is the only writer of profiles.
//
// It judges nothing: whether and when a message goes is for timing, whether a record is well-formed was for ingest. Step
// is a pure function; the shell around it (Kafka, Redis, the fence, the journal) is package fold.
//
// # What the order of arrival changes
//
// Phones are late, twice and out of order, so nothing here moves back: each reading, address and habit keeps its own time.
// Records that are at most profile.Lateness hours late lead to the same profile in any order and any number, but for two
// things that need the past: a person's local hours are those of the time zone known when the record came, and
// Reading.ChangedAt compares with the value known then. User records carry no time: their order in the log counts.
package enrich
