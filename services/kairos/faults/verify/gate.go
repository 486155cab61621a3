package verify

import (
	"fmt"
	"strings"
	"time"
)

// Gate is what a run must keep to.
type Gate struct {
	// Destroyed says that the fault destroys answers of providers: then a push that allows a resend may come twice, but
	// not more often than it was attempted.
	Destroyed bool
	// Recovery is the longest it may take; 0 is not judged.
	Recovery time.Duration
}

// Check says what a report breaks.
func (g Gate) Check(r *Report) []string {
	var broken []string
	fail := func(bad bool, format string, args ...any) {
		if bad {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	fail(r.Accepted == 0, "nothing was accepted")
	fail(r.Lost > 0, "%d lost", r.Lost)
	fail(r.CancelledYetSent > 0, "%d cancelled, yet sent", r.CancelledYetSent)
	fail(r.Unasked > 0, "%d pushes or ends of unknown messages", r.Unasked)
	fail(r.Illegal > 0, "%d with an impossible history", r.Illegal)
	fail(r.DroppedTwice > 0, "%d duplicates of messages with drop", r.DroppedTwice)
	fail(!g.Destroyed && r.Duplicates > 0, "%d duplicates, and no answer was destroyed", r.Duplicates)
	fail(r.Unexplained > 0, "%d duplicates beyond the attempts told of", r.Unexplained)
	fail(g.Recovery > 0 && r.Recovery > g.Recovery, "recovery took %s, not %s", r.Recovery.Round(time.Millisecond), g.Recovery)
	return broken
}

// Join is the list as one line.
func Join(broken []string) string { return strings.Join(broken, "; ") }
