package profile

import (
	"encoding/binary"
	"math"
	"time"
)

// Habits are histograms of counts that fade with a half-life of 8 weeks, packed as little-endian uint16.
//
// They decay forward (Cormode, Shkapenyuk, Srivastava & Xu, "Forward Decay", ICDE 2009): a count is added with the weight
// 2^(age of the histogram's reference / half-life) and the old ones are left alone, so no rounding piles up. The
// reference is a multiple of the half-life, a function of the newest hour alone; when it moves on, all bins are halved.
// The weight of the last week before that is even, so it makes no difference whether a record comes before or after
// the halving: the sums do not depend on the order in which records came, if none is a week late.
const (
	halfLifeHours = 8 * HoursOfWeek
	one           = 2048 // fixed point
)

// weights of a count in each week after the reference: one·2^((k+½)/8), the middle of the week.
var weights = [8]uint16{2139, 2332, 2543, 2774, 3025, 3298, 3597, 3922}

// unixHour is the hour since the Unix epoch.
func unixHour(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// reference hour of histograms whose newest count is of hour latest.
func reference(latest int64) int64 { return floorDiv(latest, halfLifeHours) * halfLifeHours }

// weight of a count of hour h in a histogram whose newest is of hour latest ≥ h.
func weight(h, latest int64) uint32 {
	week := floorDiv(h-reference(latest), HoursOfWeek)
	epochs := floorDiv(week, 8)
	return uint32(weights[week-epochs*8]) >> min(-epochs, 31)
}

// scale turns fixed-point sums into counts as of now.
func scale(latest int64, now time.Time) float64 {
	age := float64(now.Unix())/3600 - float64(reference(latest))
	return math.Exp2(-age/halfLifeHours) / one
}

// moved is a fresh copy of n bins whose newest hour goes from latest to next.
func moved(bins []byte, n int, latest, next int64) []byte {
	out := make([]byte, 2*n)
	if len(bins) != len(out) {
		return out
	}
	copy(out, bins)
	if shift := (reference(next) - reference(latest)) / halfLifeHours; shift > 0 {
		for i := range n {
			put(out, i, uint32(get(out, i))>>min(shift, 16))
		}
	}
	return out
}

func get(bins []byte, i int) uint16 { return binary.LittleEndian.Uint16(bins[2*i:]) }

func put(bins []byte, i int, v uint32) {
	binary.LittleEndian.PutUint16(bins[2*i:], uint16(min(v, math.MaxUint16)))
}

func add(bins []byte, i int, w uint32) { put(bins, i, uint32(get(bins, i))+w) }
