package population

import (
	"math"
	"math/rand/v2"
	"time"
)

// step is the grid on which the day's rhythm is constant.
const step = 10 * time.Minute

// rhythm says how fast a person's own time runs: pauses are drawn in own time, which stands nearly still at night.
type rhythm struct {
	speed []float64 // by step since the Epoch
	hours []int8    // local hour of day by step
	app   [24]float64
}

// shifts that a person works, if they do.
type shifts struct{ works, steady bool }

// The shifts, and by how many hours they move the day.
var (
	shiftNames = [...]string{"early", "late", "night"}
	shiftHours = [...]float64{-2, 4, 10}
)

func newRhythm(p *Params, rng *rand.Rand, person *Person, shifts shifts, length time.Duration) *rhythm {
	r := &rhythm{}
	var daily [24]float64
	for h := range daily {
		daily[h] = math.Exp(p.HabitSpread * rng.NormFloat64())
		r.app[h] = math.Exp(p.AppHabitSpread*rng.NormFloat64() - p.AppHabitSpread*p.AppHabitSpread/2)
	}
	var weekly [168]float64
	for h := range weekly {
		weekly[h] = math.Exp(p.WeeklyHabitSpread * rng.NormFloat64())
	}
	person.chronotype = p.ChronotypeHours * rng.NormFloat64()
	firstShift := rng.IntN(3)
	if shifts.works && shifts.steady {
		person.Shift = shiftNames[firstShift]
	}
	for t := time.Duration(0); t < length; t += step {
		local := person.Local(t)
		day, hour := int(local.Weekday()), float64(local.Hour())+float64(local.Minute())/60
		shift := person.chronotype
		if shifts.works { // early, late and night weeks in turn
			week := int(t / (7 * 24 * time.Hour))
			if shifts.steady {
				week = 0
			}
			shift += shiftHours[(firstShift+week)%len(shiftHours)]
		}
		curve := &p.Weekday
		if day == 0 || day == 6 {
			curve = &p.Weekend
		}
		own := math.Mod(hour-shift+48, 24)
		h := int(own)
		value := curve[h] + (own-float64(h))*(curve[(h+1)%24]-curve[h])
		r.speed = append(r.speed, value*daily[local.Hour()]*weekly[day*24+local.Hour()])
		r.hours = append(r.hours, int8(local.Hour()))
	}
	return r
}

// advance is the time at which own, spent from t on in the person's own time, is over.
func (r *rhythm) advance(t, own time.Duration) time.Duration {
	for i := int(t / step); i < len(r.speed); i++ {
		rest := time.Duration(i+1)*step - t
		spent := time.Duration(float64(rest) * r.speed[i])
		if spent >= own {
			return t + time.Duration(float64(own)/r.speed[i])
		}
		own -= spent
		t += rest
	}
	return time.Duration(len(r.speed)) * step
}

func (r *rhythm) hour(t time.Duration) int8 { return r.hours[min(int(t/step), len(r.hours)-1)] }
