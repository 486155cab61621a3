package learn

// visits compare how often people came to the app within an hour after a push that they did not open, and without one.
type visits struct {
	_                struct{} `cbor:",toarray"`
	Ignored, Control share
}

type share struct {
	_       struct{} `cbor:",toarray"`
	N, Came float64
}

func (s *share) count(came bool) {
	s.N++
	if came {
		s.Came++
	}
}

func (s share) rate() float64 { return (s.Came + 1) / (s.N + 2) }

// minControls have to be seen before any visit is credited to a push.
const minControls = 50

// credit is the part of such a visit that the push brought about: what is beyond the control arm's rate (the attributable
// fraction among the exposed, 1 − p₀/p₁). Without a control arm it is nothing: they may have come anyway.
func (v *visits) credit() float64 {
	if v.Control.N < minControls || v.Ignored.N < minControls {
		return 0
	}
	return max(0, 1-v.Control.rate()/v.Ignored.rate())
}
