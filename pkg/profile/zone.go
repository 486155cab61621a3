package profile

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

// Location of the person; UTC while no zone is known.
func (p *Profile) Location() *time.Location {
	if p.TimeZone == "" {
		return time.UTC
	}
	if loc, err := event.Zone(p.TimeZone); err == nil {
		return loc
	}
	return time.UTC
}

// HourOfWeek is the local hour of the week by the wall clock, Monday 00:00 being 0. On the day of a change to or from
// daylight saving time an hour is skipped or comes twice, as it does for the person.
func HourOfWeek(t time.Time, loc *time.Location) int {
	t = t.In(loc)
	return (int(t.Weekday())+6)%7*24 + t.Hour()
}
