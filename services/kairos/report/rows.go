package report

import (
	"cmp"
	"slices"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/arms"
	"github.com/kairos-push/kairos/services/kairos/cli"
)

// message is the life of one accepted message.
type message struct {
	arms.Life
	app, user, id, category, priority string
	propensity                        float64
	soon                              bool // opened within five minutes of the release
	policy, version                   string
	released                          *event.Decision
}

// key of a message.
type key struct{ app, user, id string }

// Log collects rows. Rows may come twice and in any order.
type Log struct {
	messages  map[key]*message
	decisions map[key]event.Decision // of releases
}

// NewLog is an empty log.
func NewLog() *Log { return &Log{messages: map[key]*message{}, decisions: map[key]event.Decision{}} }

// Read takes in a file of outcome rows and decision rows, JSON lines in any mix.
func (l *Log) Read(file string) error { return cli.ReadRows(file, l.Outcome, l.Decision) }

// Decision takes in a decision row; only releases matter here.
func (l *Log) Decision(d *event.Decision) {
	if d.Action == event.ActionRelease {
		l.decisions[key{d.AppID, d.UserID, d.MessageID}] = *d
	}
}

// Outcome takes in an outcome row.
func (l *Log) Outcome(o *event.Outcome) {
	k := key{o.AppID, o.UserID, o.MessageID}
	m := l.messages[k]
	if m == nil {
		m = &message{app: o.AppID, user: o.UserID, id: o.MessageID}
		l.messages[k] = m
	}
	m.Add(o)
	switch o.Type {
	case event.OutcomeAccepted: // with which the arm was drawn; a revision may change category and priority later
		m.category, m.priority, m.propensity, m.policy, m.version = o.Category, o.Priority, o.Propensity, o.Policy, o.PolicyVersion
	case event.OutcomeOpened:
		m.soon = m.soon || o.AfterMS <= arms.SeenWithin.Milliseconds()
	}
}

// person is all messages of one user of an app: the unit of resampling.
type person []*message

// people are the accepted messages by person, in an order of their own; one whose acceptance is not in the log is left
// out, as its arm is not known.
func (l *Log) people() []person {
	all := make([]*message, 0, len(l.messages))
	for k, m := range l.messages {
		if m.Accepted == 0 {
			continue
		}
		if d, ok := l.decisions[k]; ok {
			m.released = &d
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *message) int {
		return cmp.Or(cmp.Compare(a.app, b.app), cmp.Compare(a.user, b.user), cmp.Compare(a.id, b.id))
	})
	var out []person
	for i, m := range all {
		if i == 0 || m.app != all[i-1].app || m.user != all[i-1].user {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], m)
	}
	return out
}
