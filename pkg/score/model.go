package score

import (
	"math"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// Dayparts divide the local day into eight parts of three hours.
const Dayparts = 8

// HashBits is the size of the table of hashed weights: 2^18.
const HashBits = 18

// Weights of the features.
type Weights [NumFeatures]float64

// Model turns a context into probabilities. It is read-only once built.
type Model struct {
	Version string
	Seen    Weights // log-odds that a push is seen
	Open    Weights // log-odds that a push that is seen is opened
	// Hashed weights add to the log-odds of Open for category, campaign, channel, priority and cohort. Empty, or 2^18
	// entries. They hold no ids of people.
	Hashed []float32
	// Weeks are, by cohort, the week that those begin with of whom nothing is known; "" is everybody's. See Week.
	Weeks map[string]*profile.Week
}

var defaultWeek = profile.DefaultWeek()

// Week is the shape to which a person's own week is shrunk: that of their cohort, or of everybody.
func (m *Model) Week(cohort string) *profile.Week {
	for _, name := range [2]string{cohort, ""} {
		if w := m.Weeks[name]; w != nil {
			return w
		}
	}
	return &defaultWeek
}

// PSeen is the chance that a push is visible and attended within five minutes.
func (m *Model) PSeen(x *Vector) float64 { return sigmoid(m.Seen.dot(x)) }

// Lift is the odds that a push is opened once seen, as far as the context decides; Offset multiplies them.
func (m *Model) Lift(x *Vector) float64 { return math.Exp(clamp(m.Open.dot(x))) }

// Pressure is the feature of a leaky count of pushes.
func Pressure(count float64) float64 { return math.Log1p(max(count, 0)) }

// Tired is what the pushes of late add to the log-odds of an open: all those to the person, and those of the category.
func (m *Model) Tired(user, category float64) float64 {
	return m.Open[PressureUser]*Pressure(user) + m.Open[PressureCategory]*Pressure(category)
}

// Opens turns odds into a probability.
func Opens(odds float64) float64 { return odds / (1 + odds) }

// Moment is what the score of one message at one instant is made of.
type Moment struct {
	Value     float64 // worth of an open
	Relevance float64 // 0 … 1
	PSeen     float64
	POpen     float64
	Fatigue   float64
	Budget    float64
}

// Utility is what a release is worth: timing.md §2.
func (u Moment) Utility() float64 {
	return u.Value*u.Relevance*u.PSeen*u.POpen - u.Fatigue - u.Budget
}

// Hashed weight of a crossed feature, such as "category" × its name; 0 in a model without any.
func (m *Model) hashed(kind, name string) float64 {
	if len(m.Hashed) == 0 || name == "" {
		return 0
	}
	return float64(m.Hashed[Slot(kind, name)])
}

// Slot of a crossed feature in the hashed weights: FNV-1a of "kind=name", folded to HashBits.
func Slot(kind, name string) int {
	h := uint32(2166136261)
	for _, s := range [3]string{kind, "=", name} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return int((h ^ h>>HashBits) & (1<<HashBits - 1))
}

// MessageOffset is what the message itself adds to the log-odds of an open.
func (m *Model) MessageOffset(msg *event.Message, channel, cohort string) float64 {
	return m.hashed("category", msg.Category) + m.hashed("campaign", msg.CampaignID) + m.hashed("priority", msg.Priority) +
		m.hashed("channel", channel) + m.hashed("cohort", cohort)
}

// Shrunk is the offset in log-odds that a person's own answers justify: their rate of opens against the rate that was
// expected, pulled towards it by pseudo-sends.
func Shrunk(opens, sends, expected, pseudo float64) float64 {
	if sends <= 0 {
		return 0
	}
	opens = min(max(opens, 0), sends)
	rate := (opens + pseudo*expected) / (sends + pseudo)
	return logit(rate) - logit(expected)
}

// Logit of a probability, kept finite.
func Logit(p float64) float64 { return logit(min(max(p, 1e-6), 1-1e-6)) }

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-clamp(z))) }

func clamp(z float64) float64 { return min(max(z, -30), 30) }

func (w *Weights) dot(x *Vector) float64 {
	sum := 0.0
	for i := range x.n {
		sum += w[x.which[i]] * x.values[i]
	}
	return sum
}

// FoundLater is what is left of the chance of an open when a push is not seen within five minutes: it waits in the shade, and
// answers count for a day. Without it, opens in the morning of what was sent at night would teach that nights are
// irresistible. An assumption of moderate size.
const FoundLater = 0.5

// BaseRate is the chance that a push that is seen is opened, in no particular context.
func (m *Model) BaseRate() float64 { return sigmoid(m.Open[Bias]) }

// Shift moves a probability by an offset in log-odds.
func Shift(p, offset float64) float64 { return sigmoid(logit(p) + offset) }
