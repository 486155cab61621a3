package profile

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// HoursOfWeek is the number of hours of a week.
const HoursOfWeek = 168

// Presence is the person's activity by local hour of week (Monday 00:00 is 0): in how many of those hours the person was
// there, decayed with a half-life of 8 weeks. An hour counts once, however often the phone was unlocked in it.
// An hour is put into the bin of the time zone that was known when it was folded.
type Presence struct {
	// Since is the first sign of presence: it tells how many weeks the counts stand for.
	Since time.Time `json:"since,omitzero"`
	// Hour is the latest hour counted (Unix time / 3600).
	Hour int64 `json:"hour,omitzero"`
	// Counted has bit i set when hour Hour−i was counted. Not on the topic.
	Counted uint64 `json:"-"`
	// Bins are 168 fixed-point counts, 336 bytes, empty for a person never seen. Read them with Week.
	Bins []byte `json:"bins,omitzero"`
}

// IsZero says that the person was never seen.
func (p Presence) IsZero() bool { return len(p.Bins) == 0 }

// Count takes in a sign of presence and says whether its hour counted: it does not when it was counted before or lies
// Lateness hours or more before the newest, so that whether it was counted is no longer known.
func (p *Presence) Count(at time.Time, loc *time.Location) bool {
	h := unixHour(at)
	latest := p.Hour
	if h-p.Hour > halfLifeHours { // nobody was looking in between, or the first date was wrong: that is no absence
		*p = Presence{}
	}
	switch {
	case p.IsZero():
		latest, p.Hour, p.Counted = h, h, 0
	case h > p.Hour:
		latest = h
	case h <= p.Hour-Lateness || p.Counted>>(p.Hour-h)&1 == 1:
		return false
	}
	p.Bins = moved(p.Bins, HoursOfWeek, p.Hour, latest)
	add(p.Bins, HourOfWeek(at, loc), weight(h, latest))
	p.Counted = p.Counted<<min(latest-p.Hour, Lateness) | 1<<(latest-h)
	p.Hour = latest
	if since := at.Truncate(time.Hour); p.Since.IsZero() || since.Before(p.Since) {
		p.Since = since
	}
	return true
}

// Week is a probability for each local hour of the week.
type Week [HoursOfWeek]float32

// pseudoHours is the weight of each level of the shrinkage against the one below it.
const pseudoHours = 24

// MinPresence and MaxPresence keep probabilities away from 0 and 1: no habit is certain.
const (
	MinPresence = 0.005
	MaxPresence = 0.985
)

// Week is the chance that the person is there in each local hour of the week, as of now, given the global shape.
// Each level is shrunk to the one before it with 24 pseudo-hours (timing.md §2):
//
//	user level        p₀[h] = g[h] · (C + 24ḡ) / (E + 24ḡ)           C counts, E expected under g
//	user hour of day  p₁[h] = p₀[h] · (C_d + 24p̄_d) / (E_d + 24p̄_d)  over the 7 hours of week of that hour of day
//	user hour of week p₂[h] = (c[h] + 24·p₁[h]) / (n + 24)           n decayed weeks since the first sign
//
// Without any history it is the global shape itself.
func (p *Presence) Week(global *Week, now time.Time) Week {
	if len(p.Bins) != 2*HoursOfWeek {
		return *global
	}
	weeks := max(float64(Age(p.Since, now))/float64(HoursOfWeek*time.Hour), 1.0/HoursOfWeek)
	n := float32((1 - math.Exp2(-weeks/8)) * 8 / math.Ln2)
	unit := float32(scale(p.Hour, now))

	var counts Week
	var total, expected float32
	bins := p.Bins[:2*HoursOfWeek]
	for h := range counts {
		c := float32(uint16(bins[2*h])|uint16(bins[2*h+1])<<8) * unit
		counts[h] = c
		total += c
		expected += global[h]
	}
	mean := expected / HoursOfWeek
	level := (total + pseudoHours*mean) / (n*expected + pseudoHours*mean)

	var week Week
	for d := range hoursOfDay {
		var c, e float32
		for h := d; h < HoursOfWeek; h += hoursOfDay {
			c += counts[h]
			e += global[h]
		}
		e = max(e*level, MinPresence)
		daily := level * (c + pseudoHours*e/7) / (n*e + pseudoHours*e/7)
		for h := d; h < HoursOfWeek; h += hoursOfDay {
			v := (counts[h] + pseudoHours*global[h]*daily) / (n + pseudoHours)
			week[h] = min(max(v, MinPresence), MaxPresence)
		}
	}
	return week
}

// Packed is the week as one uint16, big-endian, an hour: 65,535 times the chance.
func (w *Week) Packed() []byte {
	out := make([]byte, 0, 2*HoursOfWeek)
	for _, p := range w {
		out = binary.BigEndian.AppendUint16(out, fixed(p))
	}
	return out
}

// UnpackWeek reads what Packed wrote.
func UnpackWeek(data []byte) (*Week, error) {
	if len(data) != 2*HoursOfWeek {
		return nil, fmt.Errorf("want %d bytes, got %d", 2*HoursOfWeek, len(data))
	}
	w := &Week{}
	for h := range w {
		if w[h] = float32(binary.BigEndian.Uint16(data[2*h:])) / fixedOne; w[h] < fixedLeast || w[h] > MaxPresence {
			return nil, fmt.Errorf("hour %d: want a chance from %v to %v, got %v", h, MinPresence, MaxPresence, w[h])
		}
	}
	return w, nil
}

// Round makes the week what it is once it has been packed and unpacked.
func (w *Week) Round() {
	for h, p := range w {
		w[h] = float32(fixed(p)) / fixedOne
	}
}

const (
	fixedOne   = 1<<16 - 1
	fixedLeast = MinPresence - 1.0/fixedOne
)

func fixed(p float32) uint16 { return uint16(p * fixedOne) }

// DefaultWeek is the global shape until one has been learned: the chance that a phone owner looks at the phone at least
// once in a local hour. Waking hours around 0.6, a long evening, nights near 0.06, week-end mornings an hour and a half
// later; on average 0.43. It is worth one day of the person's own history, so its details do not outlive a first week.
func DefaultWeek() Week {
	workday := [24]float32{
		.20, .10, .06, .04, .05, .12, .32, .52, .58, .56, .56, .58,
		.64, .60, .56, .57, .60, .64, .66, .67, .68, .67, .58, .38,
	}
	weekend := [24]float32{
		.28, .17, .10, .06, .05, .07, .15, .30, .46, .56, .60, .61,
		.62, .60, .58, .58, .59, .61, .63, .64, .65, .64, .58, .43,
	}
	var w Week
	for h := range w {
		if h < 5*24 {
			w[h] = workday[h%24]
		} else {
			w[h] = weekend[h%24]
		}
	}
	return w
}
