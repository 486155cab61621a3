package verify

import (
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// act is one thing that happened to a message: a client asked for it or took it back, a gateway took a push of it, or a
// row told of a change.
type act struct {
	what     string // ask, cancel, push, or the type of a row
	revision int
	attempts int // that a row tells of
}

const (
	actAsk    = "ask"
	actCancel = "cancel"
	actPush   = "push"
)

// revisions is how many the workload gives a message at most.
const revisions = 2

// lifecycle is where a message is, as its sender may understand it. It knows nothing of services.
type lifecycle struct {
	accepted, cancelled bool
	of                  [revisions]struct {
		asked, released  bool
		pushes, attempts int
		end              string
	}
}

// step says whether something may happen now, and where the message is after it.
func (s lifecycle) step(a act) (bool, lifecycle) {
	r := &s.of[a.revision]
	known := s.accepted && r.asked
	switch a.what {
	case actAsk:
		r.asked = true
		return true, s
	case actCancel:
		s.cancelled = true
		return true, s
	case "accepted":
		ok := r.asked && !s.accepted
		s.accepted = true
		return ok, s
	case "released":
		r.released = true
		return known && r.end == "", s
	case actPush:
		r.pushes++
		// An attempt that nobody knows the answer of may arrive yet, also when the one after it has been answered.
		return r.released && (r.end == "" || r.end == "unknown" || r.end == "sent" && r.pushes <= r.attempts), s
	}
	ok := known && r.end == ""
	r.attempts = a.attempts
	switch r.end = a.what; a.what {
	case "cancelled":
		ok = ok && s.cancelled && r.pushes == 0
	case "suppressed", "control": // superseded can also be an attempt that nobody knows the answer of
		ok = ok && r.pushes == 0
	case "sent":
		ok = ok && r.pushes > 0
	}
	return ok, s
}

var lifecycles = porcupine.Model{
	Init: func() any { return lifecycle{} },
	Step: func(state, in, _ any) (bool, any) {
		ok, next := state.(lifecycle).step(in.(act))
		return ok, next
	},
	DescribeOperation: func(in, _ any) string { return fmt.Sprintf("%s of revision %d", in.(act).what, in.(act).revision) },
}

// tick is how exactly a broker tells the time.
const tick = time.Millisecond

// histories finds the messages for which no order of what happened, that agrees with the times at which it happened, is a
// life that a message may have.
func (r *Report) histories(acked []Entry, pushes []Push, rows []Row) {
	of := map[string][]porcupine.Operation{}
	add := func(message string, a act, from, to time.Time) {
		of[message] = append(of[message], porcupine.Operation{
			ClientId: len(of[message]), Input: a, Call: from.UnixNano(), Return: to.UnixNano(),
		})
	}
	for _, e := range acked {
		what := actAsk
		if e.Op == OpCancel {
			what = actCancel
		}
		add(e.Message, act{what: what, revision: e.Revision}, e.Begun, e.At)
	}
	for _, p := range pushes {
		add(p.Message, act{what: actPush, revision: p.Revision}, p.At, p.At)
	}
	said := map[string]bool{}
	for _, w := range rows {
		if said[w.ID] || !Ends(w.Type) && w.Type != "accepted" && w.Type != "released" {
			continue
		}
		said[w.ID] = true // a row that is there again says nothing new
		add(w.Message, act{w.Type, w.Revision, w.Attempt}, w.Appended, w.Appended.Add(tick))
	}
	for _, id := range sorted(of) {
		if porcupine.CheckOperationsTimeout(lifecycles, of[id], 10*time.Second) != porcupine.Ok {
			r.Illegal++
			r.find("%s had a life that none may have: %s", id, tell(of[id]))
		}
	}
}

// tell writes a history in the order in which it began.
func tell(ops []porcupine.Operation) string {
	var text strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&text, "%s [%s, +%s]; ", lifecycles.DescribeOperation(op.Input, nil),
			time.Unix(0, op.Call).UTC().Format("04:05.000"), time.Duration(op.Return-op.Call).Round(time.Millisecond))
	}
	return text.String()
}
