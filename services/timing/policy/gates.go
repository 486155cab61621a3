package policy

import (
	"math/bits"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Set is a set of gates that forbid a release.
type Set uint16

// The gates, strongest first.
const (
	NotBefore Set = 1 << iota
	NoDevice
	Permission
	Precondition
	PreconditionUnknown
	QuietHours
	DeliveryWindow
	DND
	PersonCap
	CategoryCap
	MinimumGap
	Quota // better messages of the person want the last slots of a cap
	Foreground
	ActiveElsewhere

	gates = iota
)

// Soft gates are wishes of the policy, or of a sender who said what to do at the deadline; a message whose deadline has
// come and that is to be sent then goes through them. It never goes through any other.
const Soft = PreconditionUnknown | Quota | Foreground | ActiveElsewhere

var names = [gates]string{
	"not_before", "no_device", "permission", "precondition", "precondition_unknown", "quiet_hours", "delivery_window",
	"dnd", "cap", "category_cap", "minimum_gap", "quota", "foreground", "active_elsewhere",
}

// Names lists the gates in the set.
func (s Set) Names() []string {
	if s == 0 {
		return nil
	}
	out := make([]string, 0, bits.OnesCount16(uint16(s)))
	for i, n := range names {
		if s&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

// First is the name of the strongest gate in the set, "" for none.
func (s Set) First() string {
	if s == 0 {
		return ""
	}
	return names[bits.TrailingZeros16(uint16(s))]
}

// Gates is all that forbids a release of one message to one person. The zero value with a Loc forbids nothing.
type Gates struct {
	Loc    *time.Location
	Quiet  *event.Window // no release inside
	Window *event.Window // no release outside
	until  [gates]time.Time
}

// never is when a gate opens that only an input can open.
var never = time.Unix(1<<36, 0)

// Forbid closes one gate until a time.
func (g *Gates) Forbid(gate Set, until time.Time) {
	if i := bits.TrailingZeros16(uint16(gate)); until.After(g.until[i]) {
		g.until[i] = until
	}
}

// Bar closes one gate until an input opens it.
func (g *Gates) Bar(gate Set) { g.Forbid(gate, never) }

// Only is a copy of g with just those gates.
func (g *Gates) Only(keep Set) Gates {
	out := *g
	for i := range out.until {
		if keep&(1<<i) == 0 {
			out.until[i] = time.Time{}
		}
	}
	if keep&QuietHours == 0 {
		out.Quiet = nil
	}
	if keep&DeliveryWindow == 0 {
		out.Window = nil
	}
	return out
}

// Closed says which gates forbid a release at t.
func (g *Gates) Closed(t time.Time) Set {
	var s Set
	for i, until := range g.until {
		if t.Before(until) {
			s |= 1 << i
		}
	}
	if g.Quiet != nil || g.Window != nil {
		local := t.In(g.Loc)
		m := event.LocalTime(local.Hour()*60 + local.Minute())
		if g.Quiet != nil && g.Quiet.Contains(m) {
			s |= QuietHours
		}
		if g.Window != nil && !g.Window.Contains(m) {
			s |= DeliveryWindow
		}
	}
	return s
}

// search bounds how far the gates look ahead: local-time patterns repeat daily, but for a change of the zone's offset.
const search = 9 * 24 * time.Hour

// NextOpen is the first time from t on at which no gate forbids a release. Zero: only an input can open one, or there is
// no such time within nine days (a delivery window inside the quiet hours).
func (g *Gates) NextOpen(t time.Time) time.Time {
	for _, until := range g.until {
		if until.After(t) {
			t = until
		}
	}
	if !t.Before(never) {
		return time.Time{}
	}
	for end := t.Add(search); g.Closed(t) != 0; t = g.nextChange(t) {
		if t.After(end) {
			return time.Time{}
		}
	}
	return t
}

// NextClose is the first time after t at which a gate forbids a release; zero if none does within nine days.
func (g *Gates) NextClose(t time.Time) time.Time {
	for end := t.Add(search); ; {
		if t = g.nextChange(t); t.IsZero() || t.After(end) {
			return time.Time{}
		}
		if g.Closed(t) != 0 {
			return t
		}
	}
}

// LastOpen is the last time in [from, to] at which a release is allowed, margin before a gate closes; zero if there is none
// in the last nine days of it.
func (g *Gates) LastOpen(from, to time.Time, margin time.Duration) time.Time {
	if recent := to.Add(-search); recent.After(from) {
		from = recent
	}
	var last time.Time
	for t := g.NextOpen(from); !t.IsZero() && !t.After(to); t = g.NextOpen(t) {
		shut := g.NextClose(t)
		if shut.IsZero() || shut.After(to) {
			return to
		}
		last = t
		if late := shut.Add(-margin); late.After(t) {
			last = late
		}
		t = shut
	}
	return last
}

// Closings are the times in [from, to), of its first nine days, at which a release is not allowed.
func (g *Gates) Closings(from, to time.Time) []event.Span {
	if end := from.Add(search); end.Before(to) {
		to = end
	}
	var out []event.Span
	for t := from; t.Before(to); {
		if g.Closed(t) == 0 {
			if t = g.NextClose(t); t.IsZero() {
				break
			}
			continue
		}
		open := g.NextOpen(t)
		if open.IsZero() || open.After(to) {
			open = to
		}
		out = append(out, event.Span{From: t, To: open})
		t = open
	}
	return out
}

// nextChange is the first time after t at which a local-time gate may open or close; zero without such gates.
func (g *Gates) nextChange(t time.Time) time.Time {
	var next time.Time
	for _, w := range [2]*event.Window{g.Quiet, g.Window} {
		if w == nil {
			continue
		}
		for _, m := range [2]event.LocalTime{w.Start, w.End} {
			if n := NextLocal(t, m, g.Loc); next.IsZero() || n.Before(next) {
				next = n
			}
		}
	}
	return next
}
