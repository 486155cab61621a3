package console

import (
	"container/list"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/arms"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// Bounds of what is kept of one message. The newest rows win: they explain where the message stands.
const (
	maxOutcomes  = 64
	maxDecisions = 64
)

// Message is what the console knows of one message.
type Message struct {
	AppID      string    `json:"app_id"`
	UserID     string    `json:"user_id"`
	MessageID  string    `json:"message_id"`
	CampaignID string    `json:"campaign_id,omitzero"`
	Category   string    `json:"category,omitzero"`
	Priority   string    `json:"priority,omitzero"`
	Revision   int       `json:"revision,omitzero"`
	State      string    `json:"state"` // type of the outcome that says most about where the message stands
	Held       bool      `json:"held"`  // accepted and not ended
	Reason     string    `json:"reason,omitzero"`
	AcceptedAt time.Time `json:"accepted_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	ChangedAt  time.Time `json:"changed_at"`
	HoldMS     int64     `json:"hold_ms,omitzero"`
	LocalTime  string    `json:"local_time,omitzero"`
	TimeZone   string    `json:"time_zone,omitzero"`
	NextWakeAt time.Time `json:"next_wake_at,omitzero"`
	Score      float64   `json:"score"`
	Waiting    float64   `json:"value_of_waiting"`
	Gates      []string  `json:"gates,omitzero"`
	Why        string    `json:"why,omitzero"`
}

// Detail is a message with the rows that tell its life.
type Detail struct {
	Message
	Outcomes  []event.Outcome  `json:"outcomes"`
	Decisions []event.Decision `json:"decisions"`
}

// rank orders the types by how much they say: a row that comes late never moves a message back.
var rank = map[string]int{
	event.OutcomeAccepted: 1, event.OutcomeHeld: 2, event.OutcomeReleased: 3, event.OutcomeProviderRejected: 3,
	event.OutcomeSent: 4, event.OutcomeExpired: 4, event.OutcomeCancelled: 4, event.OutcomeSuppressed: 4,
	event.OutcomeSuperseded: 4, event.OutcomeFailed: 4, event.OutcomeUnknown: 4, event.OutcomeControl: 4,
	event.OutcomeDelivered: 5, event.OutcomeVisited: 5, event.OutcomeDisplayed: 6,
	event.OutcomeIgnored: 7, event.OutcomeDismissed: 7, event.OutcomeDisabled: 7, event.OutcomeOpened: 8, event.OutcomeConverted: 9,
}

const rankEnded = 4

type key struct{ app, user, message string }

type entry struct {
	key    key
	detail Detail
	seen   map[string]bool // ids of the rows taken in, so that a repeated row changes nothing
	seq    uint64          // of the last change
	at     *list.Element
}

// view is a bounded picture of the newest messages, in the order of their last change. It is a fold over rows: no I/O,
// no clock. It is not safe for concurrent use.
type view struct {
	limit   int
	seq     uint64
	byKey   map[key]*entry
	byID    map[key]*entry // without the user: the message of that id that appeared last
	changed *list.List     // of *entry, latest change first
	book    *ledger.Book
	arms    *arms.Table
}

func newView(limit int) *view {
	return &view{limit: limit, byKey: map[key]*entry{}, byID: map[key]*entry{}, changed: list.New(), book: ledger.New(), arms: arms.New()}
}

// outcome takes in a row of the outcomes topic, of which the row's partition begins at begins.
func (v *view) outcome(o *event.Outcome, begins time.Time) {
	if o.MessageID == "" {
		return
	}
	v.book.Add(o, begins)
	v.arms.Add(o)
	e, fresh := v.touch(key{o.AppID, o.UserID, o.MessageID}, o.OutcomeID)
	if !fresh {
		return
	}
	d := &e.detail
	d.Outcomes = appendBounded(d.Outcomes, *o, maxOutcomes)
	d.AppID, d.UserID, d.MessageID = o.AppID, o.UserID, o.MessageID
	if o.CampaignID != "" {
		d.CampaignID = o.CampaignID
	}
	d.Category, d.Priority = o.Category, o.Priority
	if o.Type == event.OutcomeAccepted && d.AcceptedAt.IsZero() {
		d.AcceptedAt = o.OccurredAt
	}
	if later(&d.Message, o) {
		d.State, d.Reason, d.Revision = o.Type, o.Reason, o.Revision
	}
	if rank[o.Type] == rankEnded && d.EndedAt.IsZero() {
		d.EndedAt, d.HoldMS, d.NextWakeAt, d.Gates = o.OccurredAt, o.HoldMS, time.Time{}, nil
		if n := len(d.Decisions); n > 0 && d.Decisions[n-1].Action == event.ActionHold && o.Type != event.OutcomeSent {
			d.Why = "" // it explains why the message was held, not why it ended
		}
	}
	d.Held = v.book.Held(o)
	if o.OccurredAt.After(d.ChangedAt) {
		d.ChangedAt = o.OccurredAt
		if o.LocalTime != "" {
			d.LocalTime, d.TimeZone = o.LocalTime, o.TimeZone
		}
	}
}

func later(m *Message, o *event.Outcome) bool {
	return o.Revision > m.Revision || o.Revision == m.Revision && rank[o.Type] >= rank[m.State]
}

// decision takes in a row of the decisions topic.
func (v *view) decision(d *event.Decision) {
	e, fresh := v.touch(key{d.AppID, d.UserID, d.MessageID}, d.DecisionID)
	if !fresh {
		return
	}
	m := &e.detail
	m.AppID, m.UserID, m.MessageID = d.AppID, d.UserID, d.MessageID
	m.Decisions = appendBounded(m.Decisions, *d, maxDecisions)
	if n := len(m.Decisions); n > 1 && m.Decisions[n-1].OccurredAt.Before(m.Decisions[n-2].OccurredAt) {
		return // it came late
	}
	m.Score, m.Waiting, m.Why = d.Score, d.ValueOfWaiting, d.Why
	if m.EndedAt.IsZero() {
		m.NextWakeAt, m.Gates = d.NextWakeAt, d.Gates
	}
	if d.LocalTime != "" {
		m.LocalTime, m.TimeZone = d.LocalTime, d.TimeZone
	}
	if d.OccurredAt.After(m.ChangedAt) {
		m.ChangedAt = d.OccurredAt
	}
}

func appendBounded[T any](s []T, x T, limit int) []T {
	if len(s) >= limit {
		s = slices.Delete(s, 0, len(s)-limit+1)
	}
	return append(s, x)
}

// touch finds or makes the entry and moves it to the front; it is not fresh when the row id was seen before.
func (v *view) touch(k key, row string) (*entry, bool) {
	e := v.byKey[k]
	if e == nil {
		e = &entry{key: k, seen: map[string]bool{}}
		e.at = v.changed.PushFront(e)
		v.byKey[k] = e
		v.byID[key{app: k.app, message: k.message}] = e
		v.evict()
	}
	if e.seen[row] {
		return e, false
	}
	if len(e.seen) >= 4*(maxOutcomes+maxDecisions) {
		clear(e.seen)
	}
	e.seen[row] = true
	v.seq++
	e.seq = v.seq
	v.changed.MoveToFront(e.at)
	return e, true
}

// evict keeps the limit. The message that has been quiet longest goes, one that ended before one that is held.
func (v *view) evict() {
	if len(v.byKey) <= v.limit {
		return
	}
	victim := v.changed.Back()
	for e, looked := victim, 0; e != v.changed.Front() && looked < 64; e, looked = e.Prev(), looked+1 {
		if !e.Value.(*entry).detail.Held {
			victim = e
			break
		}
	}
	gone := victim.Value.(*entry)
	v.changed.Remove(victim)
	delete(v.byKey, gone.key)
	if id := (key{app: gone.key.app, message: gone.key.message}); v.byID[id] == gone {
		delete(v.byID, id)
	}
}

// lookup returns a copy of what is known of a message. Without a user it is the one of that id that appeared last.
func (v *view) lookup(app, user, message string) (Detail, bool) {
	e := v.byKey[key{app, user, message}]
	if user == "" {
		e = v.byID[key{app: app, message: message}]
	}
	if e == nil {
		return Detail{}, false
	}
	d := e.detail
	d.Outcomes, d.Decisions = slices.Clone(d.Outcomes), slices.Clone(d.Decisions)
	return d, true
}

// since returns the messages that changed after seq, latest first, at most limit.
func (v *view) since(seq uint64, limit int) []Message {
	var out []Message
	for el := v.changed.Front(); el != nil && len(out) < limit; el = el.Next() {
		e := el.Value.(*entry)
		if e.seq <= seq {
			break
		}
		out = append(out, e.detail.Message)
	}
	return out
}

// snapshot returns the messages that changed last, up to limit of those held and as many of those that ended.
func (v *view) snapshot(limit int) []Message {
	var out []Message
	held, ended := limit, limit
	for el := v.changed.Front(); el != nil && held+ended > 0; el = el.Next() {
		m := el.Value.(*entry).detail.Message
		left := &ended
		if m.Held {
			left = &held
		}
		if *left > 0 {
			*left--
			out = append(out, m)
		}
	}
	return out
}
