package timing

import (
	"fmt"
	"strings"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// why says a decision in one English sentence.
func (t *turn) why(h *Held, a *appraisal, action string) string {
	switch action {
	case event.ActionRelease:
		return t.whyRelease(h, a)
	case event.ActionHold:
		return t.whyHold(a)
	case event.ActionSuppress:
		return "Held out on purpose as a control at the moment at which it would have gone: what comes anyway can only be seen without the push."
	default:
		if a.closed != 0 {
			return fmt.Sprintf("Expired: its deadline came while %s.", forbids(a.closed))
		}
		return "Expired: its deadline came."
	}
}

func (t *turn) whyRelease(h *Held, a *appraisal) string {
	seen := fmt.Sprintf("chance to be seen %.2f", a.est.now.PSeen)
	switch a.reason {
	case reasonDeadline:
		return fmt.Sprintf("Released: its deadline at %s leaves no time to wait (%s).", t.local(h.Deadline), seen)
	case reasonBeforeItCloses:
		return fmt.Sprintf("Released: this is its last open moment before the deadline at %s (%s).", t.local(h.Deadline), seen)
	case reasonNow:
		return fmt.Sprintf("Released at once, as its sender asked (%s).", seen)
	case reasonAt:
		return fmt.Sprintf("Released at the time that its sender fixed (%s).", seen)
	case reasonExplore:
		return fmt.Sprintf("Released by the %s arm of the exploration draw, not by the score (%s).", h.Draw.Arm, seen)
	default:
		return fmt.Sprintf("Released: %s, %s; a release is worth %.3g now and waiting %.3g.", t.sign(a.est.x), seen, a.est.u, a.est.wait)
	}
}

func (t *turn) whyHold(a *appraisal) string {
	next := t.local(a.wake)
	if a.closed != 0 {
		return fmt.Sprintf("Held: %s; it is looked at again at %s.", forbids(a.closed), next)
	}
	return fmt.Sprintf("Held: %s, chance to be seen %.2f; waiting is worth %.3g and a release now %.3g, so it is looked at again at %s.",
		t.sign(a.est.x), a.est.now.PSeen, a.est.wait, a.est.u, next)
}

var because = map[string]string{
	"not_before":           "it may not go yet",
	"no_device":            "no device can be reached",
	"permission":           "the person does not allow pushes",
	"precondition":         "its precondition is false",
	"precondition_unknown": "its precondition names something unknown",
	"quiet_hours":          "quiet hours last",
	"delivery_window":      "it is outside its delivery window",
	"dnd":                  "do-not-disturb is on",
	"cap":                  "the person's cap is full",
	"category_cap":         "the category's cap is full",
	"minimum_gap":          "the last push was less than the minimum gap ago",
	"quota":                "better messages want what is left of the cap",
	"foreground":           "the person is in the app",
	"active_elsewhere":     "the person is busy on another device",
}

func forbids(s policy.Set) string {
	names := s.Names()
	for i, n := range names {
		names[i] = because[n]
	}
	return strings.Join(names, " and ")
}

// sign says what is known of the person now, in words.
func (t *turn) sign(x *score.Vector) string {
	for f := range x.All() {
		switch {
		case f >= score.InUse0 && f <= score.InUse2400:
			return "the phone is in use"
		case f >= score.Away0 && f <= score.Away2400:
			return "the phone was put away"
		case f >= score.App0 && f <= score.App1800:
			return "the app was used lately"
		}
	}
	if t.p.Presence.IsZero() {
		return "nothing is known of the person but the hour"
	}
	return "no fresh sign of the person, so their habits count"
}

// local is a time of day, with the date if it is another day.
func (t *turn) local(at time.Time) string {
	at = at.In(t.loc)
	if y, m, d := at.Date(); at.Sub(t.now) >= 24*time.Hour || d != t.now.In(t.loc).Day() {
		return fmt.Sprintf("%s on %d-%02d-%02d", at.Format("15:04"), y, m, d)
	}
	return at.Format("15:04:05")
}
