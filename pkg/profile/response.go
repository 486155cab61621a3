package profile

import (
	"math"
	"slices"
	"time"
)

// Response is how the person answered pushes, by local hour of day, decayed like Presence. Sends count in the hour of the
// send, opens in the hour of the open.
type Response struct {
	Hour  int64  `json:"hour,omitzero"`  // latest hour counted (Unix time / 3600)
	Sends []byte `json:"sends,omitzero"` // 24 fixed-point counts, 48 bytes each. Read them with Rates.
	Opens []byte `json:"opens,omitzero"`
	// Dismissed is one such count: pushes put away, and pushes switched off.
	Dismissed []byte `json:"dismissed,omitzero"`
}

// IsZero says that nothing was sent or answered.
func (r Response) IsZero() bool { return r.Hour == 0 }

// Sent counts a push that a provider took.
func (r *Response) Sent(at time.Time, loc *time.Location) {
	r.count(&r.Sends, at, at.In(loc).Hour(), hoursOfDay)
}

// Opened counts a push that was opened.
func (r *Response) Opened(at time.Time, loc *time.Location) {
	r.count(&r.Opens, at, at.In(loc).Hour(), hoursOfDay)
}

// Dismiss counts a push that was put away, or that made the person switch pushes off.
func (r *Response) Dismiss(at time.Time) { r.count(&r.Dismissed, at, 0, 1) }

const hoursOfDay = 24

func (r *Response) count(bins *[]byte, at time.Time, bin, n int) {
	h := unixHour(at)
	latest := max(r.Hour, h)
	if reference(latest) != reference(r.Hour) {
		for _, b := range []*[]byte{&r.Sends, &r.Opens, &r.Dismissed} {
			if len(*b) > 0 {
				*b = moved(*b, len(*b)/2, r.Hour, latest)
			}
		}
	}
	*bins = moved(*bins, n, latest, latest)
	w := weight(h, latest) >> answerShift
	if uint32(get(*bins, bin))+w > math.MaxUint16 { // then all of them fade, so that the rates stay as they are
		for _, b := range []*[]byte{&r.Sends, &r.Opens, &r.Dismissed} {
			*b = slices.Clone(*b)
			for i := range len(*b) / 2 {
				put(*b, i, uint32(get(*b, i))/2)
			}
		}
	}
	add(*bins, bin, w)
	r.Hour = latest
}

// answerShift makes the units of these counts smaller than those of habits: an hour is counted once, but many pushes can fall
// into one hour of the day. A bin has room for 267 to 490.
const answerShift = 4

// Rates are the decayed counts as of a moment.
type Rates struct {
	Sends, Opens [24]float64 // by local hour of day
	Dismissed    float64
}

// Rates as of now.
func (r *Response) Rates(now time.Time) Rates {
	var out Rates
	unit := scale(r.Hour, now) * (1 << answerShift)
	for h := range hoursOfDay {
		if len(r.Sends) == 2*hoursOfDay {
			out.Sends[h] = float64(get(r.Sends, h)) * unit
		}
		if len(r.Opens) == 2*hoursOfDay {
			out.Opens[h] = float64(get(r.Opens, h)) * unit
		}
	}
	if len(r.Dismissed) == 2 {
		out.Dismissed = float64(get(r.Dismissed, 0)) * unit
	}
	return out
}
