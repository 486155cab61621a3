// Package arms says what came of the messages of each arm of the exploration draw, from outcome rows alone. Life is what
// counts for one message: the page counts lives as they come, and kairos report draws its intervals from the same.
package arms

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
)

const (
	// SeenWithin is the time after the send within which a sign of the person on the push counts as attended reach.
	SeenWithin = 5 * time.Minute
	// CameWithin is the time after the release within which an open counts as coming to the app, as a visit does.
	CameWithin = time.Hour
)

// Life is what counts of one message, whatever the order of its rows and however often each comes. It tells of an arm only
// once the message was accepted: that row names it.
type Life struct {
	Arm string
	// Unix milliseconds of the first row that says so; 0 for none. Attended is a sign of the person on the push: displayed,
	// opened or dismissed.
	Accepted, Sent, Attended int64
	Opened, Disabled         bool
	Came                     bool // to the app within CameWithin, by the push or by themselves
}

// Add takes in an outcome row of the message.
func (l *Life) Add(o *event.Outcome) {
	first := func(t *int64) {
		if at := o.OccurredAt.UnixMilli(); *t == 0 || at < *t {
			*t = at
		}
	}
	switch o.Type {
	case event.OutcomeAccepted:
		first(&l.Accepted)
		l.Arm = o.Arm
	case event.OutcomeSent:
		first(&l.Sent)
	case event.OutcomeDisplayed, event.OutcomeDismissed:
		first(&l.Attended)
	case event.OutcomeOpened:
		first(&l.Attended)
		l.Opened = true
		l.Came = l.Came || o.AfterMS <= CameWithin.Milliseconds()
	case event.OutcomeDisabled:
		l.Disabled = true
	case event.OutcomeVisited:
		l.Came = true
	}
}

// Reached says whether the person was on the push within SeenWithin of the send.
func (l *Life) Reached() bool {
	return l.Sent != 0 && l.Attended != 0 && l.Attended-l.Sent <= SeenWithin.Milliseconds()
}

// Wait is the time from acceptance to send; Never for what was not sent (yet).
func (l *Life) Wait() time.Duration {
	if l.Sent == 0 {
		return Never
	}
	return time.Duration(l.Sent-l.Accepted) * time.Millisecond
}
