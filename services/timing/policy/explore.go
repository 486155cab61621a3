package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/kairos-push/kairos/pkg/event"
)

// Arms of the exploration draw, beside those that follow the policy (event.FollowsPolicy), which are named after their threshold.
const (
	ArmFixed     = "fixed"     // no choice: critical, or a time that the sender fixed
	ArmImmediate = "immediate" // as soon as no gate forbids it
	ArmUniform   = "uniform"   // at a random time of what is left until the deadline
	ArmControl   = "control"   // not sent: what would have come anyway
)

// Draw is the one draw of a message.
type Draw struct {
	Arm        string  `cbor:"1,keyasint"`
	Propensity float64 `cbor:"2,keyasint"` // the probability of this arm
	// Threshold is the factor on the value of waiting.
	Threshold float64 `cbor:"3,keyasint"`
	// Where in its window an ArmUniform message goes, in [0, 1).
	Where float64 `cbor:"4,keyasint,omitempty"`
}

// NoDraw is that of a message without a choice.
func NoDraw() Draw { return Draw{Arm: ArmFixed, Propensity: 1, Threshold: 1} }

// Explore draws the arm of a message from the hash of its id and a seed, so that every replay draws the same. App and user are part of
// the hash: a campaign that uses one message id for all of its people would else put them all into one arm.
func Explore(x Exploration, seed int64, appID, userID string, m *event.Message) Draw {
	if m.Priority == event.Critical || m.Timing == event.TimingNow || m.Timing == event.TimingAt {
		return NoDraw()
	}
	if m.Priority != event.Promotional {
		x.Control = 0
	}
	h := sha256.Sum256([]byte("explore|" + strconv.FormatInt(seed, 10) + "|" + event.Key(appID, userID) + "|" + m.MessageID))
	unit := func(b []byte) float64 { return float64(binary.BigEndian.Uint64(b)>>11) / (1 << 53) }
	u, where := unit(h[:8]), unit(h[8:16])
	for _, a := range [...]struct {
		arm string
		p   float64
	}{{ArmControl, x.Control}, {ArmImmediate, x.Immediate}, {ArmUniform, x.Uniform}} {
		if u < a.p {
			return Draw{Arm: a.arm, Propensity: a.p, Threshold: 1, Where: where}
		}
		u -= a.p
	}
	if len(x.Thresholds) == 0 {
		x.Thresholds = []float64{1}
	}
	share := (1 - x.Immediate - x.Uniform - x.Control) / float64(len(x.Thresholds))
	i := min(int(u/share), len(x.Thresholds)-1)
	threshold := x.Thresholds[i]
	return Draw{Arm: event.PolicyArm + strconv.FormatFloat(threshold, 'g', -1, 64), Propensity: share, Threshold: threshold}
}

// Shares are the probabilities with which Explore draws the arms, for messages of a priority that have a choice.
func Shares(x Exploration, priority string) map[string]float64 {
	if priority != event.Promotional {
		x.Control = 0
	}
	if len(x.Thresholds) == 0 {
		x.Thresholds = []float64{1}
	}
	out := map[string]float64{ArmControl: x.Control, ArmImmediate: x.Immediate, ArmUniform: x.Uniform}
	for _, t := range x.Thresholds {
		out[event.PolicyArm+strconv.FormatFloat(t, 'g', -1, 64)] += (1 - x.Immediate - x.Uniform - x.Control) / float64(len(x.Thresholds))
	}
	return out
}
