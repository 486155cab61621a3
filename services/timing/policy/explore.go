package policy

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/kairos-push/kairos/pkg/event"
)

// Arms of the exploration draw.
const (
	ArmFixed     = "fixed"       // no choice: critical, or a time that the sender fixed
	ArmEager     = "policy_0.8"  // releases at 0.8 of the value of waiting
	ArmPolicy    = "policy_1"    // the policy itself
	ArmPatient   = "policy_1.25" // releases at 1.25 times the value of waiting
	ArmImmediate = "immediate"   // as soon as no gate forbids it
	ArmUniform   = "uniform"     // at a random time of what is left until the deadline
	ArmControl   = "control"     // not sent: what would have come anyway
)

// Draw is the one draw of a message.
type Draw struct {
	Arm        string  `cbor:"1,keyasint"`
	Propensity float64 `cbor:"2,keyasint"`           // the probability of this arm
	U          float64 `cbor:"3,keyasint,omitempty"` // a second, independent number in [0, 1): where in the window, for ArmUniform
}

// Threshold is the factor on the value of waiting.
func (d Draw) Threshold() float64 {
	switch d.Arm {
	case ArmEager:
		return 0.8
	case ArmPatient:
		return 1.25
	default:
		return 1
	}
}

// Explore draws the arm of a message from the hash of its id, so that every replay draws the same. The user and app are part
// of the hash: a campaign that reuses one message id for all its people would else put them all into one arm.
func Explore(x Exploration, appID, userID string, m *event.Message) Draw {
	if m.Priority == event.Critical || m.Timing == event.TimingNow || m.Timing == event.TimingAt {
		return Draw{Arm: ArmFixed, Propensity: 1}
	}
	if m.Priority != event.Promotional {
		x.Control = 0
	}
	h := sha256.Sum256([]byte("explore|" + event.Key(appID, userID) + "|" + m.MessageID))
	unit := func(b []byte) float64 { return float64(binary.BigEndian.Uint64(b)>>11) / (1 << 53) }
	u, where := unit(h[:8]), unit(h[8:16])
	third := (1 - x.Immediate - x.Uniform - x.Control) / 3
	for _, a := range []struct {
		arm string
		p   float64
	}{
		{ArmControl, x.Control},
		{ArmImmediate, x.Immediate},
		{ArmUniform, x.Uniform},
		{ArmEager, third},
		{ArmPatient, third},
	} {
		if u < a.p {
			return Draw{Arm: a.arm, Propensity: a.p, U: where}
		}
		u -= a.p
	}
	return Draw{Arm: ArmPolicy, Propensity: third, U: where}
}
