package learn

import (
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// Tape is the log of one person in memory, in its order. It lets a simulation play people side by side and have them
// learned from one after the other: the order of play does not matter then.
type Tape []entry

// entry is one record: one of the two is set.
type entry struct {
	enriched *profile.Enriched
	outcome  *event.Outcome
}

// Enriched records what enrich says.
func (t *Tape) Enriched(in *profile.Enriched) { *t = append(*t, entry{enriched: in}) }

// Outcome records what timing or dispatch says. Only rows that an example needs take memory.
func (t *Tape) Outcome(o *event.Outcome) {
	if len(o.Features) > 0 || o.Type == event.OutcomeVisited {
		*t = append(*t, entry{outcome: o})
	}
}

// Play learns from one person's tape. Nobody else's rows may be under way: it begins and ends with an empty memory of
// people. Round judges and believes what was learned.
func (l *Learner) Play(t Tape) {
	l.forget()
	for i, e := range t {
		if e.outcome != nil {
			l.Outcome(e.outcome)
		} else {
			l.Enriched(e.enriched, int64(i))
		}
	}
	l.sweep()
	l.forget()
}

// forget everybody, and what time it is.
func (l *Learner) forget() {
	clear(l.people)
	l.now = time.Time{}
}
