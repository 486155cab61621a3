package timing

import (
	"math"
	"slices"
	"time"
)

// Fatigue is how tired a person is of one category (or, with category 0, of all pushes together), and how they answered.
type Fatigue struct {
	Category uint32  // see categoryHash; 0 stands for all
	Pressure float32 // leaky count of sends, as of At, at most 32
	At       int64   // Unix seconds
	// Stretch multiplies the half-life: a dismissal lengthens it, an open shortens it again.
	Stretch      float32
	Sends, Opens float32
}

const (
	maxCategories = 8
	maxStretch    = 4
	stretchStep   = 1.25
	maxAnswers    = 64 // counts of sends and opens are halved there: older answers fade
)

// categoryHash is 32 bits of the hash of a name; never 0. A person has few categories.
func categoryHash(name string) uint32 { return uint32(fnv1a("category\x00"+name)) | 1 }

// pressure of the entry at now.
func (f *Fatigue) pressure(now time.Time, halfLife time.Duration) float64 {
	age := math.Max(0, float64(now.Unix()-f.At))
	return float64(f.Pressure) * math.Exp2(-age/(halfLife.Seconds()*float64(f.Stretch)))
}

// tiredness is the entry of a category, zero if there is none.
func (h *Holds) tiredness(category uint32) Fatigue {
	for _, f := range h.Fatigue {
		if f.Category == category {
			return f
		}
	}
	return Fatigue{Category: category, Stretch: 1}
}

// both updates the entries of the person and of a category, at the present moment.
func (t *turn) both(category string, change func(*Fatigue)) {
	for _, c := range [2]uint32{0, categoryHash(category)} {
		f := t.h.tiredness(c)
		f.Pressure = float32(f.pressure(t.now, time.Duration(t.policy.Fatigue.HalfLife)))
		f.At = t.now.Unix()
		change(&f)
		if f.Sends > maxAnswers {
			f.Sends, f.Opens = f.Sends/2, f.Opens/2
		}
		f = f.stored()
		t.h.Fatigue = slices.DeleteFunc(t.h.Fatigue, func(x Fatigue) bool { return x.Category == c })
		t.h.Fatigue = append(t.h.Fatigue, f)
	}
	if len(t.h.Fatigue) > maxCategories+1 { // the least recent category goes; the entry of all is among the last two
		t.h.Fatigue = slices.Delete(t.h.Fatigue, 0, len(t.h.Fatigue)-maxCategories-1)
	}
	t.keep(remembers)
}

// remembers is how long fatigue and habits outlive the last push.
const remembers = 30 * 24 * time.Hour

// tire counts a release, so that what is planned in the same breath knows of it.
func (t *turn) tire(category string) { t.both(category, func(f *Fatigue) { f.Pressure++ }) }

// reached counts a push that a provider took.
func (t *turn) reached(category string) { t.both(category, func(f *Fatigue) { f.Sends++ }) }

// spared takes back a release that reached nobody.
func (t *turn) spared(category string) {
	t.both(category, func(f *Fatigue) { f.Pressure = max(0, f.Pressure-1) })
}

// unlearn forgets what the person no longer consents to: how they answered, and how long their sittings last. What was sent to
// them is Kairos' own doing.
func (t *turn) unlearn() {
	if !t.p.AllowsUserData() {
		for i := range t.h.Fatigue {
			f := &t.h.Fatigue[i]
			f.Stretch, f.Sends, f.Opens = 1, 0, 0
		}
	}
	if !t.p.AllowsDeviceData() {
		t.h.Moments, t.h.Sitting = Moments{}, time.Time{}
	}
}

// opened counts an answer, and lets the pressure leak faster again.
func (t *turn) opened(category string) {
	t.both(category, func(f *Fatigue) { f.Opens++; f.Stretch = max(1, f.Stretch/stretchStep) })
}

// dismissed makes the pressure of what was sent last longer.
func (t *turn) dismissed(category string) {
	t.both(category, func(f *Fatigue) { f.Stretch = min(maxStretch, f.Stretch*stretchStep) })
}
