package timing

import (
	"slices"

	"github.com/kairos-push/kairos/pkg/score"
)

// Moments remembers how long this person's sittings last: for each local daypart a histogram of their lengths. It is counted
// while messages are held, as only then is anyone looking. What a sitting of some length is worth is the model's to say,
// and changes with it.
type Moments struct {
	_    struct{} `cbor:",toarray"`
	Bins []byte   // 8 dayparts × 16 counts; a daypart is halved when a count is full
}

const momentBytes = score.Dayparts * score.Bins

// IsZero says that nothing was counted.
func (m Moments) IsZero() bool { return len(m.Bins) == 0 }

// add counts a sitting that lasted for so many seconds.
func (m *Moments) add(part int, seconds float64) {
	if len(m.Bins) == 0 {
		m.Bins = make([]byte, momentBytes)
	}
	row := m.Bins[part*score.Bins : (part+1)*score.Bins]
	bin := score.Bin(seconds)
	if row[bin] == 255 {
		for i := range row {
			row[i] /= 2
		}
	}
	row[bin]++
}

// observe counts the sitting that has just ended.
func (t *turn) observe() {
	r := &t.p.Recency
	if t.h.Profile == nil || !r.LockAt.After(t.h.Profile.Recency.LockAt) || r.SessionSeconds <= 0 || !t.p.AllowsDeviceData() {
		return
	}
	m := Moments{Bins: slices.Clone(t.h.Moments.Bins)}
	m.add(r.LockAt.In(t.loc).Hour()/3, float64(r.SessionSeconds))
	t.h.Moments = m
	t.keep(remembers)
}

// moments are the distributions F of the plan: by daypart the share of sittings that last at least until the beginning of
// each bin, and what they are worth then.
type moments struct {
	reach   [score.Dayparts][score.Bins]float64
	quality [score.Bins]float64
}

// pseudoMoments is the weight of the model's distribution against the person's own counts.
const pseudoMoments = 8

// fill shrinks the person's counts to the model's distribution.
func (m *moments) fill(own []byte, typical *score.Moments) {
	m.quality = typical.Quality
	for part := range score.Dayparts {
		reach := &m.reach[part]
		total := 0.0
		for k := score.Bins - 1; k >= 0; k-- {
			total += typical.Share[k] * pseudoMoments
			if len(own) == momentBytes {
				total += float64(own[part*score.Bins+k])
			}
			reach[k] = total
		}
		for k := range reach {
			reach[k] /= total
		}
	}
}

// offer is what a moment that begins is expected to bring beyond a floor. Nobody knows at its beginning how long it will
// last: it is taken at one of the ages, or not at all if it ends before, so it brings max_k F(≥k)·(gain·q_k − floor). The
// sum over F of what each moment is worth at its best would be clairvoyant.
func (m *moments) offer(part uint8, gain, floor float64) float64 {
	best := 0.0
	reach := &m.reach[part]
	for k, q := range m.quality {
		best = max(best, reach[k]*(gain*q-floor))
	}
	return best
}
