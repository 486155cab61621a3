package policy

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// NextLocal is the first instant after t at which the local clock shows m, or jumps. A zone's offset is constant between
// two of its transitions, so inside such a span local time is plain arithmetic; a transition itself counts, as it may
// carry the local time into or out of a window.
func NextLocal(t time.Time, m event.LocalTime, loc *time.Location) time.Time {
	const day = 24 * 60 * 60
	local := t.In(loc)
	_, offset := local.Zone()
	into := (local.Unix() + int64(offset)) % day
	ahead := (int64(m)*60 - into + day) % day
	if ahead == 0 { // the same second: its next pass is a day away
		ahead = day
	}
	next := time.Unix(local.Unix()+ahead, 0)
	if _, end := local.ZoneBounds(); !end.IsZero() && !end.After(next) {
		next = end
	}
	return next.UTC()
}

// LocalInstant is the instant at which the clock in loc shows the wall time of t (whose own zone is ignored). Of two
// passes it is the first; a time that the clock jumps over is the instant of the jump.
func LocalInstant(t time.Time, loc *time.Location) time.Time {
	y, mo, d := t.Date()
	wall := time.Date(y, mo, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	// Offsets before and after any transition near the wall time; no zone shifts by more than a day.
	_, before := wall.Add(-26 * time.Hour).In(loc).Zone()
	for probe := wall.Add(-26 * time.Hour).In(loc); ; {
		_, offset := probe.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		_, end := probe.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			if offset != before && at.Before(probe) { // the jump from the span before passed over it
				at = probe
			}
			return at.UTC()
		}
		probe, before = end.In(loc), offset
	}
}
