package timing

import (
	"slices"
	"time"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// Moments remembers how good this person's moments turned out: for each local daypart a histogram of the best p_seen of
// each sitting. It is counted while messages are held, as only then is anyone looking.
type Moments struct {
	_    struct{} `cbor:",toarray"`
	Bins []byte   // 8 dayparts × 16 counts; a daypart is halved when a count is full
	Best float32  // of the sitting in progress
}

const momentBytes = score.Dayparts * score.Bins

// IsZero says that nothing was counted.
func (m Moments) IsZero() bool { return len(m.Bins) == 0 && m.Best == 0 }

// add counts a sitting.
func (m *Moments) add(part int, best float32) {
	if len(m.Bins) == 0 {
		m.Bins = make([]byte, momentBytes)
	}
	row := m.Bins[part*score.Bins : (part+1)*score.Bins]
	bin := min(max(int(best*score.Bins), 0), score.Bins-1)
	if row[bin] == 255 {
		for i := range row {
			row[i] /= 2
		}
	}
	row[bin]++
}

// moments are the distributions F of the plan, by daypart, as tail sums: mass and worth of all bins from k on.
type moments struct {
	mass, worth [score.Dayparts][score.Bins + 1]float64
}

// pseudoMoments is the weight of the model's distribution against the person's own counts.
const pseudoMoments = 8

// fill shrinks the person's counts to the model's distribution. A moment counts with the lower edge of its bin: a plan that
// waits for the middle of a bin could wait for ever for a person whose best lies just below it.
func (m *moments) fill(own []byte, typical *[score.Bins]float64) {
	for part := range score.Dayparts {
		total := float64(pseudoMoments)
		if len(own) == momentBytes {
			for k := range score.Bins {
				total += float64(own[part*score.Bins+k])
			}
		}
		m.mass[part][score.Bins], m.worth[part][score.Bins] = 0, 0
		for k := score.Bins - 1; k >= 0; k-- {
			count := typical[k] * pseudoMoments
			if len(own) == momentBytes {
				count += float64(own[part*score.Bins+k])
			}
			f := count / total
			m.mass[part][k] = m.mass[part][k+1] + f
			m.worth[part][k] = m.worth[part][k+1] + f*float64(k)/score.Bins
		}
	}
}

// offer is Σ_k F_k·max(0, gain·p_k − floor): what a moment is expected to bring beyond a floor. inverse is 1/gain.
func (m *moments) offer(part uint8, gain, inverse, floor float64) float64 {
	k := 0
	if floor > 0 {
		if floor >= gain {
			return 0
		}
		k = int(floor*inverse*score.Bins) + 1 // the first bin whose lower edge is above the floor
	}
	k = min(k, score.Bins)
	return gain*m.worth[part][k] - floor*m.mass[part][k]
}

// observe follows the sitting in progress: it notes how good it has become, and counts it when it is over.
func (t *turn) observe() {
	if t.h.Profile == nil {
		return
	}
	before := sittingSince(t.h.Profile, t.now)
	if !before.IsZero() {
		if p := t.quality(t.h.Profile); p > t.h.Moments.Best {
			t.h.Moments.Best = p
		}
	}
	if best := t.h.Moments.Best; best > 0 && !sittingSince(t.p, t.now).Equal(before) {
		m := Moments{Bins: slices.Clone(t.h.Moments.Bins)}
		m.add(t.now.In(t.loc).Hour()/3, best)
		t.h.Moments = m
		t.keep(remembers)
	}
}

// sittingFor is how long a sign of use makes a sitting without another one.
const sittingFor = 10 * time.Minute

// sittingSince is when the person's present sitting began; zero if there is none.
func sittingSince(p *profile.Profile, now time.Time) time.Time {
	var began time.Time
	if p.AllowsDeviceData() {
		for i := range p.Devices {
			if start, sign, _ := score.Use(&p.Devices[i].Live); profile.Age(sign, now) < sittingFor && start.After(began) {
				began = start
			}
		}
	}
	if began.IsZero() && p.AllowsUserData() && profile.Age(p.Recency.AppEventAt, now) < sittingFor {
		began = p.Recency.AppEventAt
	}
	return began
}

// quality of the best moment of the sitting that p shows, up to now: p_seen, less as far as pushes are opened less then than
// at the best of times.
func (t *turn) quality(p *profile.Profile) float32 {
	c := score.Sense(p, t.now)
	var x score.Vector
	week := p.Presence.Week(&t.week, t.now)
	prior := score.Logit(float64(week[profile.HourOfWeek(t.now, t.loc)]))
	age := &c.App
	if c.InUse < score.Never {
		age = &c.InUse
	}
	now, best, lift := *age, 0.0, t.model.BestLift()
	for _, at := range looks {
		*age = min(at, now)
		c.At(0, prior, &x)
		best = max(best, t.model.PSeen(&x, 0)*min(t.model.Lift(&x)/lift, 1))
	}
	return float32(best)
}

// looks are the ages of a sitting, in seconds, at which its quality is looked at. It changes slowly between them.
var looks = [...]float64{0, 60, 120, 240, 360, 900, score.UsedFor}
