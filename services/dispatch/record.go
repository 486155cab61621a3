package dispatch

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/pkg/event"
)

// Phase of a send record.
//
//	        ┌──────────── attempt again ───────────┐
//	        ▼                                      │
//	none ─► intent ─► (the provider's answer) ─► waiting
//	          │                    │
//	          │ its time is over   ▼
//	          └──── in doubt ──► ended
type Phase string

// Phases. The zero value is a push that was never tried.
const (
	None    Phase = ""
	Intent  Phase = "intent"  // somebody is asking the provider, until At at the latest
	Waiting Phase = "waiting" // for the next attempt, not before At
	Ended   Phase = "ended"
)

// Record is what Redis knows of one push: a release on one device. It is written before a provider is asked, and again
// with what came of it, so that whoever comes after a crash knows what may have happened.
type Record struct {
	Phase   Phase     `json:"phase"`
	Attempt int       `json:"attempt,omitzero"`
	At      time.Time `json:"at,omitzero"`
	// By is, of an intent, whose it is.
	By uint64 `json:"by,omitzero"`
	// Unasked is, of a wait after an intent that was given back, that intent's At in Unix milliseconds: it may be in the
	// journal, and nobody was asked under it.
	Unasked int64 `json:"unasked,omitzero"`
	// Doubt stays from an attempt that the provider may have taken although another one follows, as resend asks for.
	Doubt bool `json:"doubt,omitzero"`
	// End is set when the push has ended: what to say, again if need be.
	End *End `json:"end,omitzero"`
}

// End of a push.
type End struct {
	Type       string    `json:"type"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason,omitzero"`
	ProviderID string    `json:"provider_id,omitzero"`
	Prune      bool      `json:"prune,omitzero"`
	At         time.Time `json:"at"`
}

// Claim says what may be done with a push.
type Claim uint8

// Claims.
const (
	Go    Claim = iota // ask the provider, as the record's attempt
	Hold               // not before the record's At
	Pause              // likewise, once it is stored
	Doubt              // an attempt was begun and nobody knows how it went
	Done               // it has ended; say so again
)

// Take decides who may try a push. The record returned is to be stored, by comparing with the one given, before a
// provider is asked; with Hold and Done it is the one given. What may be tried, and not before it opens, is to wait: with
// Pause that is to be stored.
func (r Record) Take(now, until, opens time.Time, resend bool) (Record, Claim) {
	switch r.Phase {
	case Ended:
		return r, Done
	case Intent:
		switch {
		case now.Before(r.At):
			return r, Hold
		case !resend:
			return r, Doubt
		}
	case Waiting:
		if now.Before(r.At) {
			return r, Hold
		}
	case None:
	}
	doubt := r.Doubt || r.Phase == Intent
	if now.Before(opens) {
		return Record{Phase: Waiting, Attempt: r.Attempt, At: opens, Unasked: r.Unasked, Doubt: doubt}, Pause
	}
	return Record{Phase: Intent, Attempt: r.Attempt + 1, At: until, Doubt: doubt}, Go
}

// Knows says that what a log tells is nothing new: an end is the last word, and a wait is the answer to the intent of its
// attempt, or says that nobody was asked under it.
func (r Record) Knows(told Record) bool {
	switch {
	case r.Phase == Ended, r.Attempt > told.Attempt:
		return true
	case r.Phase == Waiting && told.Phase == Intent:
		return r.Attempt == told.Attempt || told.At.UnixMilli() <= r.Unasked
	case r.Phase == Waiting && told.Phase == Waiting && r.Attempt == told.Attempt:
		return !told.At.After(r.At) // a wait in the place of an intent given back is later than the one before it
	}
	return r == told
}

// Wait is the record of a push that is tried again at a time.
func (r Record) Wait(at time.Time) Record {
	return Record{Phase: Waiting, Attempt: r.Attempt, At: at, Doubt: r.Doubt}
}

// Back is the record to write in the place of an intent that nobody was asked under.
func (r Record) Back(at time.Time) Record {
	return Record{Phase: Waiting, Attempt: r.Attempt - 1, At: at, Unasked: r.At.UnixMilli(), Doubt: r.Doubt}
}

// Finish is the record of a push that has ended. The deadline and a cancel end one that the provider may have as unknown; an
// answer ends it as that says, and one that was replaced shows in no place of its own.
func (r Record) Finish(e End) Record {
	if r.Doubt && (e.Type == event.OutcomeExpired || e.Type == event.OutcomeCancelled) {
		e.Type, e.Status = event.OutcomeUnknown, event.ResultUnknown
	}
	return Record{Phase: Ended, Attempt: r.Attempt, End: &e}
}

// encode writes the record; nothing for one that was never tried.
func (r Record) encode() (string, error) {
	if r.Phase == None {
		return "", nil
	}
	b, err := json.Marshal(r, json.Deterministic(true))
	return string(b), err
}

func decodeRecord(s string) (Record, error) {
	var r Record
	if s == "" {
		return r, nil
	}
	err := json.Unmarshal([]byte(s), &r)
	switch {
	case err != nil:
		return r, fmt.Errorf("send record: %w", err)
	case r.Phase != Intent && r.Phase != Waiting && r.Phase != Ended, (r.Phase == Ended) != (r.End != nil), r.Attempt < 0:
		return r, fmt.Errorf("send record: impossible: %.200q", s)
	}
	return r, nil
}
