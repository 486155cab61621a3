package verify

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Report is what a run came to.
type Report struct {
	Accepted  int            `json:"accepted"` // messages acknowledged to clients
	Ended     map[string]int `json:"ended"`    // by how they ended; the first end counts
	Pushes    int            `json:"pushes"`   // taken by gateways
	Lost      int            `json:"lost"`     // without an end, or said to be sent and never taken by a gateway
	Ambiguous int            `json:"ambiguous"`
	// Duplicates are pushes of a revision to a device beyond its first: all, those of messages that do not allow a resend,
	// and those beyond the attempts that this very push is said to have taken.
	Duplicates       int `json:"duplicates"`
	DroppedTwice     int `json:"duplicates_of_drop"`
	Unexplained      int `json:"duplicates_unexplained"`
	CancelledYetSent int `json:"cancelled_yet_sent"`
	// Unasked are pushes and ends of messages that no client was told of.
	Unasked int `json:"unasked"`
	// Illegal are messages whose history is not that of any life a message may have.
	Illegal int `json:"illegal"`
	// Lateness of the messages that were due at a moment of their own.
	SkewP50 time.Duration `json:"skew_p50_ns"`
	SkewP99 time.Duration `json:"skew_p99_ns"`
	// Recovery is how long after the fault the last message left that was due before, or, if that is longer, by how much
	// a later one was late.
	Recovery time.Duration `json:"recovery_ns"`
	Findings []string      `json:"findings,omitempty"` // the first few messages that are wrong, and how
}

// Settled says whether every acknowledged message has an end, and every one that was sent its push.
func (r *Report) Settled() bool { return r.Lost == 0 }

type pushKey struct {
	message, device string
	revision        int
}

// life is all that is known of a message.
type life struct {
	entry    *Entry // the newest revision
	cancel   bool
	ends     []string
	attempts map[pushKey]int // beyond the first
	pushes   map[pushKey]int
	first    time.Time
}

// Judge compares the three logs. since is when the fault began, or was over if it lasted.
func Judge(acked []Entry, pushes []Push, rows []Row, since time.Time) *Report {
	r := &Report{Ended: map[string]int{}, Pushes: len(pushes)}
	r.histories(acked, pushes, rows) // first: a duplicate that is allowed must not take the place of an impossible life
	lives := gather(acked, pushes, rows)
	var skews []time.Duration
	for _, id := range sorted(lives) {
		l := lives[id]
		r.duplicates(id, l)
		for _, n := range l.attempts {
			r.Ambiguous += n
		}
		if l.entry == nil {
			r.Unasked++
			continue
		}
		r.Accepted++
		switch {
		case len(l.ends) == 0:
			r.Lost++
			r.find("%s has no end (pushes: %d, due %s)", id, len(l.pushes), l.entry.Due.Format(time.TimeOnly))
			continue
		case l.ends[0] == "sent" && len(l.pushes) == 0:
			r.Lost++
			r.find("%s is said to be sent, and no gateway has it", id)
		case slices.Contains(l.ends, "cancelled") && len(l.pushes) > 0:
			r.CancelledYetSent++
			r.find("%s was cancelled, yet sent", id)
		}
		r.Ended[l.ends[0]]++
		if l.ends[0] == "unknown" {
			r.Ambiguous++
		}
		if l.first.IsZero() {
			continue
		}
		late := l.first.Sub(l.entry.Due)
		if l.entry.Exact {
			skews = append(skews, late)
		}
		if l.entry.Due.Before(since) {
			late = l.first.Sub(since)
		}
		r.Recovery = max(r.Recovery, late)
	}
	slices.Sort(skews)
	r.SkewP50, r.SkewP99 = quantile(skews, 0.5), quantile(skews, 0.99)
	return r
}

func gather(acked []Entry, pushes []Push, rows []Row) map[string]*life {
	lives := map[string]*life{}
	of := func(id string) *life {
		l := lives[id]
		if l == nil {
			l = &life{attempts: map[pushKey]int{}, pushes: map[pushKey]int{}}
			lives[id] = l
		}
		return l
	}
	for i := range acked {
		l := of(acked[i].Message)
		switch {
		case acked[i].Op == OpCancel:
			l.cancel = true
		case l.entry == nil || l.entry.Revision < acked[i].Revision:
			l.entry = &acked[i]
		}
	}
	for _, p := range pushes {
		l := of(p.Message)
		l.pushes[pushKey{p.Message, p.Device, p.Revision}]++
		if l.first.IsZero() || p.At.Before(l.first) {
			l.first = p.At
		}
	}
	said := map[Row]bool{} // a row may be there twice; it is the same row
	for _, w := range rows {
		w.Appended = time.Time{}
		if said[w] || w.Message == "" {
			continue
		}
		said[w] = true
		if Ends(w.Type) {
			l := of(w.Message)
			l.ends = append(l.ends, w.Type)
			k := pushKey{w.Message, w.Device, w.Revision}
			l.attempts[k] = max(l.attempts[k], w.Attempt-1)
		}
	}
	return lives
}

func (r *Report) duplicates(id string, l *life) {
	for k, n := range l.pushes {
		if n < 2 {
			continue
		}
		if r.Duplicates += n - 1; l.entry != nil && !l.entry.Resend {
			r.DroppedTwice += n - 1
		}
		r.Unexplained += max(n-1-l.attempts[k], 0)
		r.find("%s revision %d came %d times (attempts told of beyond the first: %d)", id, k.revision, n, l.attempts[k])
	}
}

func (r *Report) find(format string, args ...any) {
	const most = 10
	if len(r.Findings) < most {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}

func sorted[V any](byID map[string]V) []string { return slices.Sorted(maps.Keys(byID)) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
