package score

import "math"

// Bins divide sittings by their length.
const Bins = 16

// lengths are where the bins begin, in seconds: ages at which the quality of a sitting is looked at.
var lengths = [Bins]float64{0, 15, 30, 45, 60, 90, 120, 150, 180, 240, 300, 420, 600, 900, 1800, 3600}

// Bin of a sitting that lasted for so many seconds.
func Bin(seconds float64) int {
	i := Bins - 1
	for i > 0 && seconds < lengths[i] {
		i--
	}
	return i
}

// Moments is what a good moment is worth before anything is known of it: the quality that a sitting has reached at the
// beginning of each bin (p_seen, less as far as a push that is seen is opened less then than at the best of times), and the
// share of sittings that end in it, before a person's own are known.
type Moments struct{ Quality, Share [Bins]float64 }

// BestLift is the lift of the best moments that a person's own phone or app can show: a sitting or a visit at the age at
// which pushes are opened most.
func (m *Model) BestLift() float64 {
	best := m.Open[InUse0]
	for f := InUse0; f <= App1800; f++ {
		best = max(best, m.Open[f])
	}
	return math.Exp(clamp(m.Open[Bias] + m.Open[Live] + best))
}

// quality of an instant, 0 to 1: p_seen, less as far as the lift falls short of the best.
func (m *Model) quality(x *Vector, best float64) float64 {
	return m.PSeen(x) * min(m.Lift(x)/best, 1)
}

// typicalHabit is the chance that a person looks at the phone within an hour in which moments are found.
const typicalHabit = 0.9

// wakingHours are those over which the unlocks of a day are spread.
const wakingHours = 16

// Sittings is the quality that sittings of a person who unlocks the phone so often in a day have reached at the beginning of
// each bin, in the hours in which moments are found.
func (m *Model) Sittings(unlocks float64) (quality [Bins]float64) {
	c := Unobserved()
	c.Untold = false
	c.Unlocks24h, c.Unlocks1h, c.Unlocks10m = unlocks, unlocks/wakingHours, unlocks/wakingHours/6
	c.Prepare()
	var x Vector
	best := m.BestLift()
	for i := range lengths {
		c.InUse = lengths[i]
		c.At(0, logit(typicalHabit), &x)
		quality[i] = m.quality(&x, best)
	}
	return quality
}

// SittingLengths is the share of sittings that end in each bin. It follows from the model, as p_seen of a phone in use is the
// chance that the sitting goes on for a minute more.
func (m *Model) SittingLengths() (share [Bins]float64) {
	c := Unobserved()
	c.Untold = false
	var x Vector
	still := 1.0
	const step = 15.0 // divides all lengths
	for i := range lengths {
		end := UsedFor + 0.0
		if i+1 < Bins {
			end = lengths[i+1]
		}
		before := still
		for c.InUse = lengths[i]; c.InUse < end; c.InUse += step {
			c.At(0, logit(typicalHabit), &x)
			still *= math.Pow(m.PSeen(&x), step/60)
		}
		share[i] = before - still
	}
	share[Bins-1] += still
	return share
}

// AppMoments are the visits of people of whom only own-app events are known: all alike, as nobody tells their end.
func (m *Model) AppMoments() (out Moments) {
	c := Unobserved()
	var x Vector
	best := m.BestLift()
	for _, c.App = range appKnots {
		c.At(0, logit(typicalHabit), &x)
		out.Quality[0] = max(out.Quality[0], m.quality(&x, best))
	}
	out.Share[0] = 1
	return out
}
