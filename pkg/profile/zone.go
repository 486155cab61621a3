package profile

import (
	"sync"
	"time"
	_ "time/tzdata" // the same zones on every machine and in images without a zone database
)

// zones caches what LoadLocation found: it reads and parses a file each time. Only real zones enter, some 600 of them.
var zones sync.Map // string → *time.Location

// Zone is the location of an IANA zone name; false if there is no such zone. "Local" is none: it would be the server's.
func Zone(name string) (*time.Location, bool) {
	if l, ok := zones.Load(name); ok {
		return l.(*time.Location), true
	}
	if name == "" || name == "Local" {
		return nil, false
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	zones.Store(name, l)
	return l, true
}

// Location of the person; UTC while no zone is known.
func (p *Profile) Location() *time.Location {
	if l, ok := Zone(p.TimeZone); ok {
		return l
	}
	return time.UTC
}

// HourOfWeek is the local hour of the week by the wall clock, Monday 00:00 being 0. On the day of a change to or from
// daylight saving time an hour is skipped or comes twice, as it does for the person.
func HourOfWeek(t time.Time, loc *time.Location) int {
	t = t.In(loc)
	return (int(t.Weekday())+6)%7*24 + t.Hour()
}
