// Package enrich folds each fact of a person's log into what is known of that person, and passes the fact on with the
// profile as it then is: facts × profile → profile′. It is the only writer of profiles.
//
// It judges nothing: whether and when a message goes is for timing, whether a record is well-formed was for ingest. Step
// is a pure function; the shell around it (Kafka, Redis, the fence, the journal) is package fold.
//
// # What the order of arrival changes
//
// Phones are late, twice and out of order, so nothing here moves back: each reading, address and habit keeps its own time.
// Records that are at most profile.Lateness hours late lead to the same profile in any order and any number, but for three
// things that need the past: a person's local hours are those of the time zone known when the record came,
// Reading.ChangedAt compares with the value known then, and the times of a phone whose clock is behind are corrected by what
// its last 16 records tell. User records carry no time: their order in the log counts.
//
// # Clocks of phones
//
// How long ago a phone was taken up decides whether a push may go, so that a clock that is minutes behind had each push go at
// the unlock itself. A clock that is ahead does no harm: nothing is observed after it was received. If half of a phone's last
// 16 records came equally late, to 15 s, and by a quarter of a minute to a quarter of an hour, it is the clock that is behind
// (profile.Lags); from then on the profile and the enriched fact have the time that is right. A network that holds back
// everything by the same minutes would be taken for such a clock.
package enrich
