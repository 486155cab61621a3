package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Holds is all that timing keeps of one person. Step owns the value it is given and may change it.
type Holds struct {
	App  string `cbor:"1,keyasint"`
	User string `cbor:"2,keyasint"`
	// Profile is the last snapshot, kept only while a message is held: a wake-up has no record to bring one.
	Profile *profile.Profile `cbor:"3,keyasint,omitempty"`
	Held    []Held           `cbor:"4,keyasint,omitempty"`
	Out     []Out            `cbor:"5,keyasint,omitempty"`
	Ended   []Memory         `cbor:"6,keyasint,omitempty"` // ids of messages that are over
	Cancels []Memory         `cbor:"7,keyasint,omitempty"` // what was cancelled, also before it came
	Sends   sends            `cbor:"8,keyasint,omitzero"`  // for the gap and the rolling caps, oldest first
	Fatigue fatigues         `cbor:"9,keyasint,omitzero"`  // by category, the most recent last
	Moments Moments          `cbor:"10,keyasint,omitzero"` // how good this person's moments turn out to be
	// Forget is when all of this is dropped if nothing more comes.
	Forget time.Time `cbor:"11,keyasint,omitzero"`
	// Model and Policy are the versions that planned what is held.
	Model  string `cbor:"12,keyasint,omitempty"`
	Policy string `cbor:"13,keyasint,omitempty"`
	// Sitting is when the one began that Moments waits for the end of.
	Sitting time.Time `cbor:"14,keyasint,omitzero"`
}

// Held is a message that waits for its moment.
type Held struct {
	Message    event.Message `cbor:"1,keyasint"`
	AcceptedAt time.Time     `cbor:"2,keyasint"`
	Deadline   time.Time     `cbor:"3,keyasint"`          // the message's own, or the category's
	WakeAt     time.Time     `cbor:"4,keyasint,omitzero"` // when to look again
	Draw       policy.Draw   `cbor:"5,keyasint"`
	// What the last decision row said; a row is written when it changes.
	Gates policy.Set `cbor:"6,keyasint,omitempty"`
	Rival uint64     `cbor:"7,keyasint,omitempty"`
	Said  bool       `cbor:"8,keyasint,omitempty"`
	Plan  time.Time  `cbor:"9,keyasint,omitzero"`
	// Held says that the outcome row held was written; once for a message, and once for each revision.
	Held bool `cbor:"10,keyasint,omitempty"`
}

// opens is when its time begins: as it came, or as its sender said.
func (h *Held) opens() time.Time {
	if h.Message.NotBefore.After(h.AcceptedAt) {
		return h.Message.NotBefore
	}
	return h.AcceptedAt
}

// Out is a released message, or one that was held out as a control: until dispatch answers with all of its content, then without, until its answer came and
// the attribution window is over.
type Out struct {
	Message    event.Message  `cbor:"1,keyasint"` // only ids once answered
	Release    *event.Release `cbor:"2,keyasint,omitempty"`
	AcceptedAt time.Time      `cbor:"3,keyasint"`
	ReleasedAt time.Time      `cbor:"4,keyasint"`
	DecisionID string         `cbor:"5,keyasint"`
	Draw       policy.Draw    `cbor:"6,keyasint"`
	Policy     string         `cbor:"7,keyasint,omitempty"`
	Version    string         `cbor:"8,keyasint,omitempty"`
	Model      string         `cbor:"9,keyasint,omitempty"`
	Features   event.Features `cbor:"10,keyasint,omitempty"` // of the release, until the message is closed
	RetryAt    time.Time      `cbor:"11,keyasint,omitzero"`  // when to say the release again
	Until      time.Time      `cbor:"12,keyasint,omitzero"`  // end of the attribution window
	Sent       bool           `cbor:"13,keyasint,omitempty"` // a provider took it on some device
	Doubt      bool           `cbor:"14,keyasint,omitempty"` // an answer was lost
	Closed     bool           `cbor:"15,keyasint,omitempty"` // opened or dismissed, or held out as a control
	Said       []uint32       `cbor:"16,keyasint,omitempty"` // receipts taken in
	TimeZone   string         `cbor:"17,keyasint,omitempty"` // of the person, for the rows of a wake-up without a profile
	Visited    bool           `cbor:"18,keyasint,omitempty"` // the person came to the app within the hour
	Erased     bool           `cbor:"19,keyasint,omitempty"` // the person: it is kept until dispatch says how it ended
}

// Memory is the hash of an id, and until when it is remembered.
type Memory struct {
	_        struct{} `cbor:",toarray"`
	Hash     uint64
	Revision int
	Until    int64 // Unix seconds
}

// Send is one release that spacing and caps count.
type Send struct {
	Message     uint32 // of the hash of its id
	Category    uint32 // see categoryHash
	At          int64  // Unix milliseconds
	Promotional bool
}

// IsEmpty says that nothing has to be kept.
func (h *Holds) IsEmpty() bool {
	return len(h.Held)+len(h.Out)+len(h.Ended)+len(h.Cancels)+len(h.Sends)+len(h.Fatigue) == 0 && h.Moments.IsZero()
}

// Due is when Wake wants to be called next; zero if never.
func (h *Holds) Due() time.Time {
	due := h.Forget
	if len(h.Held)+len(h.Out) > 0 { // nothing is forgotten while a message is under way
		due = time.Time{}
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	for i := range h.Held {
		sooner(h.Held[i].WakeAt)
	}
	for i := range h.Out {
		if o := &h.Out[i]; o.Release != nil {
			sooner(o.RetryAt)
		} else {
			sooner(o.Until)
		}
	}
	return due
}

// held is the index of the held message of that id, -1 if there is none.
func (h *Holds) held(messageID string) int {
	return slices.IndexFunc(h.Held, func(m Held) bool { return m.Message.MessageID == messageID })
}

// out is the released message of that id, nil if there is none.
func (h *Holds) out(messageID string) *Out {
	for i := range h.Out {
		if h.Out[i].Message.MessageID == messageID {
			return &h.Out[i]
		}
	}
	return nil
}

// remembered is the entry of a hash that has not run out.
func remembered(list []Memory, hash uint64, now time.Time) *Memory {
	for i := range list {
		if list[i].Hash == hash && now.Unix() < list[i].Until {
			return &list[i]
		}
	}
	return nil
}

// remember adds an entry, or renews the one that is there.
func remember(list []Memory, m Memory) []Memory {
	for i := range list {
		if list[i].Hash == m.Hash {
			list[i].Until = max(list[i].Until, m.Until)
			list[i].Revision = max(list[i].Revision, m.Revision)
			return list
		}
	}
	return append(list, m)
}

// trim drops what has run out.
func (h *Holds) trim(now time.Time, spacing time.Duration) {
	over := func(m Memory) bool { return m.Until <= now.Unix() }
	h.Ended = slices.DeleteFunc(h.Ended, over)
	h.Cancels = slices.DeleteFunc(h.Cancels, over)
	h.Sends = slices.DeleteFunc(h.Sends, func(s Send) bool { return s.At <= now.Add(-spacing).UnixMilli() })
	if !h.Forget.IsZero() && !now.Before(h.Forget) && len(h.Held)+len(h.Out) == 0 {
		*h = Holds{App: h.App, User: h.User}
	}
	if len(h.Held) == 0 {
		h.Profile, h.Model, h.Policy = nil, "", ""
	}
}

// fnv1a is a 64-bit hash of what is remembered without its text.
func fnv1a(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
