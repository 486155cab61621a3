package population

import (
	"math"
	"math/rand/v2"
	"time"
)

// LogNormal is a log-normal distribution cut at Min and Max.
type LogNormal struct{ Median, Sigma, Min, Max float64 }

func (l LogNormal) draw(rng *rand.Rand) float64 {
	return min(max(l.Median*math.Exp(l.Sigma*rng.NormFloat64()), l.Min), l.Max)
}

// seconds draws a length of time.
func (l LogNormal) seconds(rng *rand.Rand) time.Duration { return span(l.draw(rng)) }

func span(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// lomax draws from a Lomax (Pareto type II) distribution of scale 1.
func lomax(rng *rand.Rand, shape float64) float64 {
	return math.Pow(1-rng.Float64(), -1/shape) - 1
}

// Beta draws from a Beta distribution with the given mean and concentration a+b.
func Beta(rng *rand.Rand, mean, concentration float64) float64 {
	a, b := gamma(rng, mean*concentration), gamma(rng, (1-mean)*concentration)
	return a / (a + b)
}

// gamma draws from a Gamma distribution of scale 1 (Marsaglia and Tsang, 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := math.Pow(1+c*x, 3)
		if v > 0 && math.Log(1-rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// Seeded is a generator for one purpose of one person: independent of every other, and the same for every policy, so
// that policies are compared on the same luck.
func Seeded(seed uint64, person, purpose int) *rand.Rand {
	return rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15+uint64(person), uint64(purpose)*0xd1342543de82ef95+1))
}
