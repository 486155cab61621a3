package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// told is a row of revision 0 at a time.
func told(typ string, at float64) verify.Row {
	return verify.Row{ID: typ, Message: "m", Type: typ, Appended: after(at)}
}

func cancelled(from, to float64) verify.Entry {
	return verify.Entry{Op: verify.OpCancel, Message: "m", Begun: after(from), At: after(to)}
}

func TestHistories(t *testing.T) {
	t.Parallel()
	ask := verify.Entry{Op: verify.OpMessage, Message: "m", Begun: t0, At: after(1)}
	again := verify.Entry{Op: verify.OpMessage, Message: "m", Revision: 1, Begun: after(20), At: after(21)}
	second := verify.Row{ID: "sent", Message: "m", Type: "sent", Attempt: 2, Appended: after(6)}
	out := verify.Row{ID: "released1", Message: "m", Revision: 1, Type: "released", Appended: after(25)}
	revised := verify.Row{ID: "sent1", Message: "m", Revision: 1, Type: "sent", Appended: after(31)}
	for _, c := range []struct {
		name   string
		acked  []verify.Entry
		pushes []verify.Push
		rows   []verify.Row
		legal  bool
	}{
		{"asked, accepted, pushed, sent", []verify.Entry{ask}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 2), told("released", 4), told("sent", 6)}, true},
		{"taken back", []verify.Entry{ask, cancelled(2, 3)}, nil, []verify.Row{told("accepted", 1), told("cancelled", 2.5)}, true},
		{"taken back before it came", []verify.Entry{cancelled(-2, -1), ask}, nil, []verify.Row{told("accepted", 1), told("cancelled", 1)}, true},
		{"taken back when it was released and not sent", []verify.Entry{ask, cancelled(3, 4)}, nil, []verify.Row{told("accepted", 1), told("released", 2), told("cancelled", 6)}, true},
		{"taken back too late", []verify.Entry{ask, cancelled(2, 3)}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 2), told("sent", 6)}, true},
		{"a push that nobody knew of comes late", []verify.Entry{ask}, []verify.Push{push("m", 0, 9)}, []verify.Row{told("accepted", 1), told("released", 1), told("unknown", 6)}, true},
		{"the first of two attempts comes last", []verify.Entry{ask}, []verify.Push{push("m", 0, 5), push("m", 0, 9)}, []verify.Row{told("accepted", 1), told("released", 1), second}, true},
		{"revised when it was out", []verify.Entry{ask, again}, []verify.Push{push("m", 0, 5), push("m", 1, 30)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 6), out, revised}, true},
		{"a row there twice", []verify.Entry{ask}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 6), told("accepted", 8), told("sent", 9)}, true},

		{"a push after the cancel", []verify.Entry{ask, cancelled(2, 3)}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 1), told("cancelled", 4)}, false},
		{"a cancel after the push", []verify.Entry{ask, cancelled(2, 30)}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 1), told("cancelled", 9)}, false},
		{"released and cancelled", []verify.Entry{ask, cancelled(2, 3)}, nil, []verify.Row{told("accepted", 1), told("cancelled", 4), told("released", 5)}, false},
		{"cancelled though nobody asked for it", []verify.Entry{ask}, nil, []verify.Row{told("accepted", 1), told("cancelled", 4)}, false},
		{"cancelled before anybody asked for it", []verify.Entry{ask, cancelled(5, 6)}, nil, []verify.Row{told("accepted", 1), told("cancelled", 4)}, false},
		{"a push before it was released", []verify.Entry{ask}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 2), told("released", 6), told("sent", 7)}, false},
		{"released when it had ended", []verify.Entry{ask}, nil, []verify.Row{told("accepted", 2), told("expired", 4), told("released", 5)}, false},
		{"two ends", []verify.Entry{ask}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 6), told("expired", 7)}, false},
		{"sent before it arrived", []verify.Entry{ask}, []verify.Push{push("m", 0, 5)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 4)}, false},
		{"a push after the only attempt was answered", []verify.Entry{ask}, []verify.Push{push("m", 0, 5), push("m", 0, 9)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 6)}, false},
		{"three of two attempts", []verify.Entry{ask}, []verify.Push{push("m", 0, 4), push("m", 0, 5), push("m", 0, 9)}, []verify.Row{told("accepted", 1), told("released", 1), second}, false},
		{"a push after the deadline", []verify.Entry{ask}, []verify.Push{push("m", 0, 9)}, []verify.Row{told("accepted", 1), told("released", 1), told("expired", 6)}, false},
		{"accepted before it was asked for", []verify.Entry{ask}, nil, []verify.Row{told("accepted", -1)}, false},
		{"a push before it was accepted", []verify.Entry{ask}, []verify.Push{push("m", 0, 1)}, []verify.Row{told("accepted", 2), told("sent", 6)}, false},
		{"a push of a revision before it was asked for", []verify.Entry{ask, again}, []verify.Push{push("m", 0, 5), push("m", 1, 10)}, []verify.Row{told("accepted", 1), told("released", 1), told("sent", 6), revised}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := verify.Judge(c.acked, c.pushes, c.rows, t0)
			require.Equal(t, c.legal, r.Illegal == 0, r.Findings)
		})
	}
}
