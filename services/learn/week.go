package learn

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/profile"
)

// tally counts, by local hour of the week, how many people might have been seen at their phone in it, and how many were. It
// holds sums over people only.
type tally struct {
	Seen [profile.HoursOfWeek]float32 `cbor:"1,keyasint"`
	Of   [profile.HoursOfWeek]float32 `cbor:"2,keyasint"`
}

const (
	// pseudoPeople is the weight of everybody's week against that of a cohort, in weeks of people: those of a few say little,
	// and nothing can be told of one of them.
	pseudoPeople = 100
	// maxCohorts of an app have a week of their own: those of which most is known.
	maxCohorts = 32
	// weekHalfLife is that of a person's own counts.
	weekHalfLife = 8 * 7 * 24 * time.Hour
)

// hours tells, of the hours that have passed since the last record, that the person might have been seen in them, and in which
// they were. Nothing is known of somebody who has never been seen, or not been heard of for as long as people are remembered.
func (p *person) hours(in *profile.Profile, now time.Time, tell func(hourOfWeek int, seen bool)) {
	if p.habit.IsZero() || in.Presence.IsZero() || now.Sub(p.at) >= memory {
		return
	}
	const hour = int64(time.Hour / time.Second)
	for h := p.at.Unix()/hour + 1; h <= now.Unix()/hour; h++ {
		tell(profile.HourOfWeek(time.Unix(h*hour, 0), p.loc), false)
	}
	if h := in.Presence.Hour; h > p.habit.Hour {
		tell(profile.HourOfWeek(time.Unix(h*hour, 0), p.loc), true)
	}
}

// tell counts an hour of a person.
func (t *trainer) tell(cohort string, hourOfWeek int, seen bool) {
	names := [2]string{"", cohort}
	of := names[:1]
	if cohort != "" && t.app != "" { // what another app calls by that name may be anything
		of = names[:]
	}
	for _, name := range of {
		x := t.weeks[name]
		if x == nil {
			x = &tally{}
			t.weeks[name] = x
		}
		if seen {
			x.Seen[hourOfWeek]++
		} else {
			x.Of[hourOfWeek]++
		}
	}
}

// grow lets the tallies age from the end of the last round to that of this one, and the least cohorts go.
func (t *trainer) grow(end time.Time) {
	fade := float32(1)
	if !t.Through.IsZero() {
		fade = float32(math.Exp2(-float64(end.Sub(t.Through)) / float64(weekHalfLife)))
	}
	for _, x := range t.weeks {
		for h := range x.Of {
			x.Seen[h] *= fade
			x.Of[h] *= fade
		}
	}
	names := slices.SortedFunc(maps.Keys(t.weeks), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.weeks[b].people(), t.weeks[a].people()), cmp.Compare(a, b)) // everybody comes first
	})
	for _, name := range names[min(len(names), 1+maxCohorts):] {
		delete(t.weeks, name)
	}
}

func (x *tally) sane() bool {
	if x == nil {
		return false
	}
	for h := range x.Of {
		for _, n := range [2]float32{x.Seen[h], x.Of[h]} {
			if !(n >= 0 && n <= 1<<30) {
				return false
			}
		}
	}
	return true
}

// people that the tally stands for, by the hour of the week.
func (x *tally) people() (sum float32) {
	for _, n := range x.Of {
		sum += n
	}
	return sum
}

// weekly is the week of everybody and those of cohorts, given the prior's.
func (t *trainer) weekly(prior *profile.Week) map[string]*profile.Week {
	all := prior
	out := map[string]*profile.Week{}
	if x := t.weeks[""]; x != nil {
		all = x.week(prior)
		out[""] = all
	}
	for name, x := range t.weeks {
		if name != "" {
			out[name] = x.week(all)
		}
	}
	return out
}

// week is shrunk to a parent: its hours of the day first, then those of the week. What is learned is the shape. Its level stays
// the parent's, as people are seen by all of their phone or by one app alone, and the level is the first that is known of a
// person: the hours are taken for those of a process of which a part is seen.
func (x *tally) week(parent *profile.Week) *profile.Week {
	const day = 24
	var seen, expected, sum float64
	for h := range parent {
		seen += float64(x.Seen[h])
		expected += float64(x.Of[h]) * float64(parent[h])
		sum += float64(parent[h])
	}
	if seen == 0 || expected == 0 {
		return parent
	}
	level := seen / expected
	var rate [profile.HoursOfWeek]float64
	for d := range day {
		var c, e, mean float64
		for h := d; h < profile.HoursOfWeek; h += day {
			p := float64(parent[h]) * level
			c, e, mean = c+float64(x.Seen[h]), e+float64(x.Of[h])*p, mean+p/7
		}
		daily := level * (c + pseudoPeople*mean) / (e + pseudoPeople*mean)
		for h := d; h < profile.HoursOfWeek; h += day {
			p := (float64(x.Seen[h]) + pseudoPeople*float64(parent[h])*daily) / (float64(x.Of[h]) + pseudoPeople)
			rate[h] = -math.Log1p(-min(p, profile.MaxPresence))
		}
	}
	low, high := -8.0, 8.0 // of the logarithm of the part of which what is seen is one
	var out profile.Week
	for range 26 {
		middle := (low + high) / 2
		part := math.Exp(middle)
		total := 0.0
		for h, r := range rate {
			p := min(max(-math.Expm1(-r*part), profile.MinPresence), profile.MaxPresence)
			out[h] = float32(p)
			total += p
		}
		if total < sum {
			low = middle
		} else {
			high = middle
		}
	}
	out.Round()
	return &out
}
