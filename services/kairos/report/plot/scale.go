package plot

import (
	"math"
	"strconv"
)

// scale maps values to places on the page.
type scale struct {
	log      bool
	any      bool
	min, max float64
	from, to float64
}

// take widens the scale to hold values; NaN and infinities are left out, and what a logarithm cannot show.
func (s *scale) take(values ...float64) {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || s.log && v <= 0 {
			continue
		}
		if !s.any {
			s.min, s.max, s.any = v, v, true
		}
		s.min, s.max = min(s.min, v), max(s.max, v)
	}
}

func (s *scale) at(v float64) float64 {
	lo, hi := s.min, s.max
	if s.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, s.min))
	}
	if hi <= lo || math.IsNaN(v) {
		return s.from
	}
	share := min(max((v-lo)/(hi-lo), 0), 1)
	return s.from + share*(s.to-s.from)
}

// ticks are about six round places.
func (s *scale) ticks() []Tick {
	var out []Tick
	if !s.any || s.max <= s.min {
		return out
	}
	if s.log {
		for e := math.Floor(math.Log10(s.min)); e <= math.Log10(s.max); e++ {
			if v := math.Pow(10, e); v >= s.min {
				out = append(out, Tick{v, strconv.FormatFloat(v, 'g', 3, 64)})
			}
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10((s.max-s.min)/5)))
	for _, k := range []float64{1, 2, 5, 10} {
		if (s.max-s.min)/(step*k) <= 6 {
			step *= k
			break
		}
	}
	for i := math.Ceil(s.min / step); i*step <= s.max*(1+1e-9); i++ {
		out = append(out, Tick{i * step, strconv.FormatFloat(i*step, 'g', 6, 64)})
	}
	return out
}
