package population

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// State is what goes on with the phone or its owner for a while.
type State uint8

// The states. What is shown of them is the phone's business.
const (
	Calling State = iota
	Driving       // at the wheel
	Riding        // in a vehicle, and not at its wheel
	Walking
	Headphones
	Charging
	DoNotDisturb
	NumStates
)

// hiding are the states in which nobody notices a push.
var hiding = [...]State{Calling, Driving, DoNotDisturb}

// Spells are a state that comes now and then.
type Spells struct {
	PerDay float64 // of the median person
	Length LogNormal
}

// act fills in the states. They follow the use of the phone, so that they come by day; of that, what a driver leaves
// alone is taken away.
func (p *Person) act(params *Params, rng *rand.Rand, length time.Duration) {
	perDay := float64(len(p.Sessions)) / (length.Hours() / 24)
	some := func(s Spells, fits func(Span) bool) (out []Span) {
		chance := s.PerDay * math.Exp(params.StateSpread*rng.NormFloat64()) / perDay
		end := time.Duration(0)
		for _, use := range p.Sessions {
			if rng.Float64() >= chance {
				continue
			}
			from := use.Start + span(rng.ExpFloat64()*params.StateAfter.Seconds())
			if spell := (Span{from, from + s.Length.seconds(rng)}); from > end && fits(spell) {
				out, end = append(out, spell), spell.To
			}
		}
		return out
	}
	anyTime := func(Span) bool { return true }

	trips := some(params.Trips, anyTime)
	for _, s := range trips {
		role := Riding
		if rng.Float64() < params.AtTheWheel {
			role = Driving
		}
		p.States[role] = append(p.States[role], s)
	}
	p.States[Walking] = some(params.Walks, apartFrom(trips))
	p.States[Calling] = some(params.Calls, anyTime)
	p.States[Headphones] = some(params.Headphones, anyTime)

	nights := p.nights(params, length)
	charged := slices.DeleteFunc(slices.Clone(nights), func(Span) bool { return rng.Float64() >= params.NightCharged })
	p.States[Charging] = inOrder(charged, some(params.DeskCharges, apartFrom(charged)))
	if rng.Float64() < params.DNDUsers {
		apart := apartFrom(nights)
		p.States[DoNotDisturb] = inOrder(nights, some(params.Meetings, func(s Span) bool {
			at := p.Local(s.From)
			return at.Weekday() != time.Saturday && at.Weekday() != time.Sunday && at.Hour() >= 9 && at.Hour() < 17 && apart(s)
		}))
	}
	p.Sessions = slices.DeleteFunc(p.Sessions, func(s Session) bool {
		return p.In(Driving, s.Start) && rng.Float64() >= params.DrivingUse
	})
}

// nights from bed to breakfast, at the person's own hours.
func (p *Person) nights(params *Params, length time.Duration) (out []Span) {
	for t := time.Duration(0); t < length; t += 24 * time.Hour {
		day := p.Local(t)
		at := func(days int, hour float64) time.Duration {
			return time.Date(day.Year(), day.Month(), day.Day()+days, 0, int(60*(hour+p.chronotype)), 0, 0, day.Location()).Sub(Epoch)
		}
		if s := (Span{at(0, params.Night[0]), at(1, params.Night[1])}); s.From > 0 && apartFrom(out)(s) { // a traveller may meet a night twice
			out = append(out, s)
		}
	}
	return out
}

// apartFrom says whether a span overlaps none of those.
func apartFrom(spans []Span) func(Span) bool {
	return func(s Span) bool {
		return !slices.ContainsFunc(spans, func(o Span) bool { return o.From <= s.To && s.From <= o.To })
	}
}

func inOrder(a, b []Span) []Span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return all
}

// last is the last span of a state that began by t.
func (p *Person) last(s State, t time.Duration) (Span, bool) {
	spans := p.States[s]
	i := sort.Search(len(spans), func(i int) bool { return spans[i].From > t })
	if i == 0 {
		return Span{}, false
	}
	return spans[i-1], true
}

// In says whether a state goes on at t.
func (p *Person) In(s State, t time.Duration) bool {
	last, ok := p.last(s, t)
	return ok && t < last.To
}

// Free is the first time from t on at which no state keeps a push from being noticed.
func (p *Person) Free(t time.Duration) time.Duration {
	for i := 0; i < len(hiding); i++ {
		if last, ok := p.last(hiding[i], t); ok && t < last.To {
			t, i = last.To, -1
		}
	}
	return t
}

// heed is how the states at an instant bear on a push.
type heed struct {
	hidden bool
	look   float64 // on the chance to look when it buzzes
	open   float64 // on the open chance
}

func (p *Person) heed(params *Params, t time.Duration) heed {
	h := heed{hidden: p.Free(t) > t, look: 1, open: 1}
	ended := func(s State) bool {
		last, ok := p.last(s, t)
		return ok && last.To <= t && t-last.To < params.Breakpoint
	}
	if ended(Calling) {
		h.look *= params.InHandLook
	}
	if ended(Calling) || ended(Walking) || ended(Driving) || ended(Riding) {
		h.open *= params.BreakpointOpen
	}
	if p.In(Headphones, t) {
		h.look *= params.HeadphonesLook
	}
	if p.In(Charging, t) {
		h.look *= params.ChargingLook
	}
	if p.In(Walking, t) {
		h.open *= params.WalkingOpen
	}
	return h
}

// noticed is what is left of a chance to notice.
func (h heed) noticed(chance float64) float64 {
	if h.hidden {
		return 0
	}
	return min(chance, 1)
}
