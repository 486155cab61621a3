package population

import (
	"math"
	"math/rand/v2"
	"time"
)

// Epoch is the start of simulated time, a Monday. Daylight saving begins in the second week (America).
var Epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Session is one use of the phone, from unlock to lock. Times are since the Epoch.
type Session struct {
	Start, End time.Duration
	Goal       time.Duration // the person is busy with what they came for until Start+Goal
	AppAt      time.Duration // when the own app is opened; 0 = not in this session
}

// Span is a stretch of time since the Epoch.
type Span struct{ From, To time.Duration }

// Move is a change of time zone.
type Move struct {
	At   time.Duration
	Zone string
}

// Person is one person: habits, tastes, and what they do with the phone when no push interferes.
type Person struct {
	ID       int
	Zones    []Move // the first is home, at 0
	IOS      bool   // the phone does not tell unlocks
	Muted    int    // the category they muted, -1 if none
	Sessions []Session
	Offline  []Span
	Shift    string            // of a worker with the same shift every week: early, late or night
	States   [NumStates][]Span // each in order, without overlaps; empty without Traits.States

	interest []float64 // open chance of a notice, by category
	buzz     float64   // chance to look when the locked phone buzzes
	daypart  [24]float64
	seed     uint64

	chronotype float64 // hours by which their day is late
}

// Traits choose the kinds of people of a regime.
type Traits struct {
	IOS, ShiftWorkers, Travellers float64 // shares

	SteadyShifts bool // shift workers keep theirs, instead of changing it every week
	States       bool // people call, drive, sleep with the phone on a charger and so on, and it matters
}

var homes = []string{"America/New_York", "America/Los_Angeles", "Europe/Berlin", "Europe/London", "Asia/Kolkata", "Asia/Tokyo"}

// Purposes of Seeded.
const (
	purposeTraits = iota
	purposeTimeline
	purposeMessages
	purposeReactions // + message index

	purposeStates = -100 // callers' own purposes are small and negative
)

// NewPerson makes the person of that number, with their use of the phone for the given time.
func NewPerson(p *Params, seed uint64, id int, traits Traits, length time.Duration) *Person {
	rng := Seeded(seed, id, purposeTraits)
	person := &Person{
		ID: id, Zones: []Move{{0, homes[rng.IntN(len(homes))]}}, IOS: rng.Float64() < traits.IOS, Muted: -1,
		buzz: Beta(rng, p.BuzzMean, p.BuzzSpread), seed: seed,
	}
	// One factor for the person and one for the person in each category: who and what decide.
	person.interest = append(person.interest, p.InterestMean...)
	level := Beta(rng, 0.5, p.InterestSpread) / 0.5
	for c := range person.interest {
		person.interest[c] = min(0.95, person.interest[c]*level*Beta(rng, 0.5, 4*p.InterestSpread)/0.5)
	}
	if rng.Float64() < p.Mutes {
		person.Muted = rng.IntN(len(p.InterestMean))
	}
	for h := range person.daypart {
		person.daypart[h] = math.Exp(p.DaypartSpread * rng.NormFloat64())
	}
	if rng.Float64() < traits.Travellers {
		for at := time.Duration(rng.IntN(7)) * 24 * time.Hour; at < length; at += time.Duration(2+rng.IntN(5)) * 24 * time.Hour {
			person.Zones = append(person.Zones, Move{at + 12*time.Hour, homes[rng.IntN(len(homes))]})
		}
	}
	shiftWorker := rng.Float64() < traits.ShiftWorkers
	person.live(p, Seeded(seed, id, purposeTimeline), shifts{works: shiftWorker, steady: traits.SteadyShifts}, length)
	if traits.States {
		person.act(p, Seeded(seed, id, purposeStates), length)
	}
	return person
}

// Zone is the person's time zone at t.
func (p *Person) Zone(t time.Duration) *time.Location {
	name := p.Zones[0].Zone
	for _, m := range p.Zones[1:] {
		if m.At <= t {
			name = m.Zone
		}
	}
	return location(name)
}

var locations = func() map[string]*time.Location {
	m := map[string]*time.Location{}
	for _, name := range homes {
		l, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		m[name] = l
	}
	return m
}()

func location(name string) *time.Location { return locations[name] }

// Local is the person's local time at t.
func (p *Person) Local(t time.Duration) time.Time { return Epoch.Add(t).In(p.Zone(t)) }

// live fills in the sessions and the spells without network.
func (p *Person) live(params *Params, rng *rand.Rand, shifts shifts, length time.Duration) {
	rhythm := newRhythm(params, rng, p, shifts, length)
	pace := params.SessionsPerDay.draw(rng) / params.SessionsPerDay.Median
	factor := math.Exp(params.LengthSpread * rng.NormFloat64())
	appShare := params.AppOpensPerDay.draw(rng) / (pace * params.SessionsPerDay.Median)
	for t := time.Duration(0); ; {
		gap := lomax(rng, params.GapShape) * params.GapScale.Seconds() / pace
		start := rhythm.advance(t, span(gap))
		if start >= length {
			break
		}
		kind := params.Sitting
		if rng.Float64() < params.GlanceShare {
			kind = params.Glance
		}
		s := Session{Start: start, End: start + span(factor*kind.draw(rng)), Goal: span(rng.ExpFloat64() * params.GoalPhase.Seconds())}
		if rng.Float64() < appShare*rhythm.app[rhythm.hour(start)] {
			s.AppAt = start + min(span(1+rng.ExpFloat64()*10), (s.End-s.Start)/2)
		}
		p.Sessions = append(p.Sessions, s)
		t = s.End
	}
	for t := span(rng.ExpFloat64() * 86400 / params.OfflinePerDay); t < length; {
		to := t + params.OfflineLength.seconds(rng)
		p.Offline = append(p.Offline, Span{t, to})
		t = to + span(rng.ExpFloat64()*86400/params.OfflinePerDay)
	}
}
