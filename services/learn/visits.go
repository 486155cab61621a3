package learn

import (
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
)

// visits compare, for the messages of one category, how often people came to the app within an hour after a push that they
// did not open, and after one that was held out.
//
// Only what could have been held out counts and is credited: a promotional push at the policy's moment. After an order, or
// at another time of the day, people come as often as they do then. Which of these is held out is drawn with a share of the
// category's own, and those of a category that is opened a lot are rare among the unopened: over all categories the two
// sides are mixed differently, and weights by propensity would mend the first of that only. Within one, chance alone
// divides them, whatever its share is. Left is that people who open may come by themselves more or less than others.
type visits struct {
	_                struct{} `cbor:",toarray"`
	Ignored, Control share
}

// maxCategories are kept of an app; those with the fewest pushes give way.
const maxCategories = 256

// couldBeHeldOut says whether a push could have been held out as a control.
func couldBeHeldOut(o *event.Outcome) bool {
	return o.Priority == event.Promotional && event.FollowsPolicy(o.Arm)
}

// categoryOf a message, without its name: what is kept goes into snapshots.
func categoryOf(o *event.Outcome) int { return score.Slot("category", o.Category) }

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

// credit is the part of a visit after a push that the push brought about: what is beyond the control arm's rate (the attributable
// fraction among the exposed, 1 − p₀/p₁). Without a control arm it is nothing: they may have come anyway.
func (v visits) credit() float64 {
	if v.Control.N < minControls || v.Ignored.N < minControls {
		return 0
	}
	return max(0, 1-v.Control.rate()/v.Ignored.rate())
}
