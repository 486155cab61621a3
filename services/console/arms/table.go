package arms

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// Row is what came of the accepted messages of one arm.
type Row struct {
	Arm      string `json:"arm"`
	Accepted int    `json:"accepted"`
	Sent     int    `json:"sent"`
	Opened   int    `json:"opened"`
	Reached  int    `json:"reached"`
	Came     int    `json:"came"`
	Disabled int    `json:"disabled"`
	// MedianWaitMS is half of the messages' wait from acceptance to send at most; -1 when half of them were not sent (yet).
	MedianWaitMS int64 `json:"median_wait_ms"`
}

// Table counts lives by arm. It is a fold over outcome rows, in any order; a row that comes again changes nothing. The
// zero value is not ready; use New. It is not safe for concurrent use.
type Table struct {
	seed  maphash.Seed
	arms  map[string]*tally
	lives map[uint64]life
}

type tally struct {
	Row
	waits Waits
}

type life struct {
	Life
	at    int64 // Unix milliseconds of the last row
	ended bool
}

// New is an empty table.
func New() *Table {
	return &Table{seed: maphash.MakeSeed(), arms: map[string]*tally{}, lives: map[uint64]life{}}
}

// Add enters one row of the outcomes topic.
func (t *Table) Add(o *event.Outcome) {
	if o.MessageID == "" {
		return
	}
	id := maphash.Comparable(t.seed, [3]string{o.AppID, o.UserID, o.MessageID})
	l := t.lives[id]
	t.count(&l.Life, -1)
	l.Add(o)
	t.count(&l.Life, 1)
	l.at = max(l.at, o.OccurredAt.UnixMilli())
	l.ended = l.ended || slices.Contains(ledger.Endings, o.Type)
	t.lives[id] = l
}

func (t *Table) count(l *Life, n int) {
	if l.Accepted == 0 {
		return
	}
	a := t.arms[l.Arm]
	if a == nil {
		a = &tally{Row: Row{Arm: l.Arm}}
		t.arms[l.Arm] = a
	}
	l.Arm = a.Arm // one string for all
	a.Accepted += n
	a.waits[Bin(l.Wait())] += float64(n)
	for _, c := range []struct {
		yes bool
		in  *int
	}{{l.Sent != 0, &a.Sent}, {l.Opened, &a.Opened}, {l.Reached(), &a.Reached}, {l.Came, &a.Came}, {l.Disabled, &a.Disabled}} {
		if c.yes {
			*c.in += n
		}
	}
}

// Forget drops messages that ended, or of which the acceptance is not known, and that were not heard of since before. Their
// counts stay.
func (t *Table) Forget(before time.Time) {
	limit := before.UnixMilli()
	maps.DeleteFunc(t.lives, func(_ uint64, l life) bool { return (l.ended || l.Accepted == 0) && l.at < limit })
}

// Rows by the name of the arm.
func (t *Table) Rows() []Row {
	rows := make([]Row, 0, len(t.arms))
	for _, a := range t.arms {
		r := a.Row
		r.MedianWaitMS = -1
		if m := a.waits.Quantile(0.5); m != Never {
			r.MedianWaitMS = m.Milliseconds()
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Arm, b.Arm) })
	return rows
}
