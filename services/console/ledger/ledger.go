// Package ledger keeps the conservation law: of every message that was accepted, it is known how it ended or that it is
// still held. It computes from outcome rows alone, in any order that keeps one user's rows in order, and counts a row
// that is seen again once. It is not a store: it forgets messages that ended long ago and keeps their totals.
//
// It knows what the topic still tells. A message that is held for longer than the topic's retention (30 days) is not in
// it until it ends, and then counted as from before the log.
package ledger

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Endings are the outcomes that end a message; the first one counts, unless a revision of it was superseded by the next.
// What comes after (delivered, opened, …) does not change how it ended.
var Endings = []string{
	event.OutcomeSent, event.OutcomeExpired, event.OutcomeCancelled, event.OutcomeSuppressed, event.OutcomeSuperseded,
	event.OutcomeFailed, event.OutcomeUnknown, event.OutcomeControl,
}

// Types are all outcome types, in the order of a message's life.
var Types = append(append([]string{event.OutcomeAccepted, event.OutcomeRejected, event.OutcomeHeld, event.OutcomeReleased}, Endings...),
	event.OutcomeProviderRejected, event.OutcomeDelivered, event.OutcomeDisplayed, event.OutcomeOpened, event.OutcomeDismissed,
	event.OutcomeIgnored, event.OutcomeConverted, event.OutcomeDisabled, event.OutcomeVisited)

var (
	bit    = map[string]uint32{}
	ending uint32
	// mixed endings may stand beside each other: a message goes to several devices, and each has its own.
	mixed uint32
)

func init() { //nolint:gochecknoinits // the bits are the indices of Types
	for i, t := range Types {
		bit[t] = 1 << i
	}
	for _, t := range Endings {
		ending |= bit[t]
	}
	for _, t := range []string{event.OutcomeSent, event.OutcomeFailed, event.OutcomeUnknown, event.OutcomeExpired} {
		mixed |= bit[t]
	}
}

// Group is what a row of the ledger is about.
type Group struct {
	AppID      string `json:"app_id"`
	CampaignID string `json:"campaign_id"`
}

// Row is the account of one group. Accepted = the sum of Ended + Held, always.
type Row struct {
	Group
	Accepted int            `json:"accepted"`
	Held     int            `json:"held"`
	Ended    map[string]int `json:"ended"`
	// After counts messages by what was heard of them after they ended: opened, dismissed, …
	After map[string]int `json:"after"`
	// BeforeLog ended or were held and had been accepted before the log begins, of which retention has removed the start.
	BeforeLog int `json:"before_log"`
	// Orphans ended or were held without ever having been accepted.
	Orphans int `json:"orphans"`
	// Contradictions ended in two ways that exclude each other, for example cancelled and sent.
	Contradictions int `json:"contradictions"`
}

// Book is the ledger. The zero value is not ready; use New. It is not safe for concurrent use.
type Book struct {
	seed     maphash.Seed
	groups   map[Group]*Row
	messages map[uint64]account
}

type account struct {
	row      *Row
	seen     uint32 // bits of the types that were counted
	end      uint32 // bit of the ending
	revision int32  // that ended
	contra   bool
	before   bool  // accepted before the log begins
	at       int64 // Unix seconds of the last row
}

// New is an empty ledger.
func New() *Book {
	return &Book{seed: maphash.MakeSeed(), groups: map[Group]*Row{}, messages: map[uint64]account{}}
}

// Begins says when what is left of each partition of the outcomes topic begins.
type Begins map[int]time.Time

// Of is when the partition begins, by the first of its records that it is asked for; zero if nothing of it is missing.
func (b Begins) Of(partition int, offset int64, at time.Time) time.Time {
	begin, known := b[partition]
	if !known {
		if offset > 0 {
			begin = at
		}
		b[partition] = begin
	}
	return begin
}

// slack is how far the rows of a partition may be out of the order of their times: what was said late is dated when it happened.
const slack = 24 * time.Hour

// Add enters one row of the outcomes topic. begins is that of its partition.
func (b *Book) Add(o *event.Outcome, begins time.Time) {
	t := bit[o.Type]
	if t == 0 || o.MessageID == "" || o.Type == event.OutcomeRejected {
		return // a rejected record never was a message of ours
	}
	id := b.id(o)
	a, known := b.messages[id]
	if !known {
		a.row = b.row(Group{o.AppID, o.CampaignID})
	}
	before := a
	a.at = max(a.at, o.OccurredAt.Unix())
	accepted := o.OccurredAt.Add(-time.Duration(o.HoldMS+o.AfterMS) * time.Millisecond)
	a.before = a.before || !begins.IsZero() && accepted.Before(begins.Add(slack))
	first := a.seen&t == 0
	a.seen |= t
	if t&ending != 0 {
		switch {
		case a.end == 0, a.end == bit[event.OutcomeSuperseded] && int32(o.Revision) > a.revision: // a revision took its place
			a.end, a.revision = t, int32(o.Revision)
		case a.end != t && (a.end|t)&^mixed != 0 && a.revision == int32(o.Revision):
			a.contra = true
		}
	} else if first && o.Type != event.OutcomeAccepted && o.Type != event.OutcomeHeld && o.Type != event.OutcomeReleased {
		a.row.After[o.Type]++
	}
	a.row.move(before, a)
	b.messages[id] = a
}

// move takes an account out of the counts as it was and puts it in as it is.
func (r *Row) move(before, now account) {
	r.count(before, -1)
	r.count(now, 1)
}

func (r *Row) count(a account, n int) {
	if a.seen == 0 {
		return
	}
	if a.contra {
		r.Contradictions += n
	}
	if a.seen&bit[event.OutcomeAccepted] == 0 {
		switch {
		case a.seen&(ending|bit[event.OutcomeHeld]|bit[event.OutcomeReleased]) == 0: // heard of long after it ended
		case a.before:
			r.BeforeLog += n
		default:
			r.Orphans += n
		}
		return
	}
	r.Accepted += n
	if a.end == 0 {
		r.Held += n
		return
	}
	for _, t := range Endings {
		if a.end == bit[t] {
			r.Ended[t] += n
		}
	}
}

// Held says whether a message of an outcome is accepted and has not ended.
func (b *Book) Held(o *event.Outcome) bool {
	a := b.messages[b.id(o)]
	return a.seen&bit[event.OutcomeAccepted] != 0 && a.end == 0
}

// Forget drops messages that ended and were not heard of since before; their counts stay.
func (b *Book) Forget(before time.Time) {
	limit := before.Unix()
	maps.DeleteFunc(b.messages, func(_ uint64, a account) bool { return a.end != 0 && a.at < limit })
}

// Rows are the accounts by app and campaign.
func (b *Book) Rows() []Row {
	rows := make([]Row, 0, len(b.groups))
	for _, r := range b.groups {
		c := *r
		c.Ended, c.After = maps.Clone(r.Ended), maps.Clone(r.After)
		rows = append(rows, c)
	}
	slices.SortFunc(rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(x.AppID, y.AppID), cmp.Compare(x.CampaignID, y.CampaignID))
	})
	return rows
}

// Total adds rows up.
func Total(rows []Row) Row {
	t := Row{Ended: map[string]int{}, After: map[string]int{}}
	for _, r := range rows {
		t.Accepted += r.Accepted
		t.Held += r.Held
		t.BeforeLog += r.BeforeLog
		t.Orphans += r.Orphans
		t.Contradictions += r.Contradictions
		for k, n := range r.Ended {
			t.Ended[k] += n
		}
		for k, n := range r.After {
			t.After[k] += n
		}
	}
	return t
}

// EndedTotal is how many messages ended, in any way.
func (r Row) EndedTotal() int {
	n := 0
	for _, k := range r.Ended {
		n += k
	}
	return n
}

// Balanced says whether the law holds: nothing ended twice in ways that exclude each other, nothing came from nowhere.
func (r Row) Balanced() bool {
	return r.Accepted == r.EndedTotal()+r.Held && r.Contradictions == 0 && r.Orphans == 0
}

func (b *Book) row(g Group) *Row {
	r := b.groups[g]
	if r == nil {
		r = &Row{Group: g, Ended: map[string]int{}, After: map[string]int{}}
		b.groups[g] = r
	}
	return r
}

func (b *Book) id(o *event.Outcome) uint64 {
	return maphash.Comparable(b.seed, [3]string{o.AppID, o.UserID, o.MessageID})
}
