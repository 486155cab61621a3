package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/score"
)

// Moments remembers how long this person's sittings last: for each local daypart a histogram of their lengths. Counted are
// those that begin while messages are held, as only then is anyone looking. What a sitting of some length is worth is the model's to say,
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

// observe counts a sitting that began while a message was held, when it is over: whether or not the message went in it, or
// only those would be counted that were too short for it. One that was in progress when the message came is left out, as
// messages come in long sittings more often than in short ones.
func (t *turn) observe() {
	r, h := &t.p.Recency, t.h
	switch {
	case !t.p.AllowsDeviceData():
		return
	case h.Profile != nil && r.UnlockAt.After(h.Profile.Recency.UnlockAt):
		h.Sitting = r.UnlockAt
	case r.UnlockAt.After(h.Sitting): // how the one before ended was not told
		h.Sitting = time.Time{}
	}
	if h.Sitting.IsZero() || !r.LockAt.After(h.Sitting) {
		return
	}
	length := r.LockAt.Sub(h.Sitting).Seconds()
	h.Sitting = time.Time{}
	if length >= score.UsedFor {
		return
	}
	m := Moments{Bins: slices.Clone(h.Moments.Bins)}
	m.add(r.LockAt.In(t.loc).Hour()/3, length)
	h.Moments = m
	t.keep(remembers)
}

// moments are the distributions F of the plan, by daypart.
type moments struct {
	offers [score.Dayparts]envelope
	last   int // where the last offer was taken: that of the next point on the way is there or beside it
}

// envelope holds the ages at which it can be best to take a sitting, with the share of sittings that reach each and that share
// times their quality then. They are the corners of the upper hull of all ages, and of not taking any, by rising share.
type envelope struct {
	n            int
	reach, worth [score.Bins + 1]float64
}

// pseudoMoments is the weight of the model's distribution against the person's own counts.
const pseudoMoments = 8

// fill shrinks the person's counts to the model's distribution.
func (m *moments) fill(own []byte, typical *score.Moments) {
	for part := range score.Dayparts {
		var reach [score.Bins]float64
		total := 0.0
		for k := score.Bins - 1; k >= 0; k-- {
			total += typical.Share[k] * pseudoMoments
			if len(own) == momentBytes {
				total += float64(own[part*score.Bins+k])
			}
			reach[k] = total
		}
		e := &m.offers[part]
		e.n = 1 // not taking any
		for k := score.Bins - 1; k >= 0; k-- {
			e.add(reach[k]/total, reach[k]/total*typical.Quality[k])
		}
	}
}

// add extends the hull by a point to the right of all others.
func (e *envelope) add(reach, worth float64) {
	for ; e.n > 1; e.n-- {
		x, y := e.reach[e.n-2], e.worth[e.n-2]
		if (e.reach[e.n-1]-x)*(worth-y) < (e.worth[e.n-1]-y)*(reach-x) {
			break
		}
	}
	e.reach[e.n], e.worth[e.n] = reach, worth
	e.n++
}

// offer is what a moment that begins is expected to bring beyond a floor. Nobody knows at its beginning how long it will
// last: it is taken at one of the ages, or not at all if it ends before, so it brings max_k F(≥k)·(gain·q_k − floor). The
// sum over F of what each moment is worth at its best would be clairvoyant. Along the hull this has one summit.
func (m *moments) offer(part uint8, gain, floor float64) float64 {
	e := &m.offers[part]
	i := min(m.last, e.n-1)
	best := gain*e.worth[i] - floor*e.reach[i]
	for ; i+1 < e.n; i++ {
		next := gain*e.worth[i+1] - floor*e.reach[i+1]
		if next <= best {
			break
		}
		best = next
	}
	for ; i > 0; i-- {
		next := gain*e.worth[i-1] - floor*e.reach[i-1]
		if next <= best {
			break
		}
		best = next
	}
	m.last = i
	return best
}
