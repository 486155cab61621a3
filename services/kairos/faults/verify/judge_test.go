package verify_test

import (
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func after(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }

func asked(id string, due float64, resend bool) verify.Entry {
	return verify.Entry{Op: verify.OpMessage, Message: id, Begun: t0, At: t0, Due: after(due), Exact: true, Resend: resend}
}

func push(id string, revision int, at float64) verify.Push {
	return verify.Push{Message: id, Device: "d", Revision: revision, At: after(at)}
}

// row tells of an end, after everything else.
func row(id, typ string, attempt int) verify.Row {
	return verify.Row{ID: fmt.Sprint(id, typ, attempt), Message: id, Device: "d", Type: typ, Attempt: attempt, Appended: after(60)}
}

// begun are the rows that the messages of the log begin with.
func begun(acked []verify.Entry) (rows []verify.Row) {
	say := func(e verify.Entry, typ string) {
		rows = append(rows, verify.Row{ID: fmt.Sprint(e.Message, typ, e.Revision), Message: e.Message, Revision: e.Revision, Type: typ, Appended: t0})
	}
	for _, e := range acked {
		if e.Op != verify.OpMessage {
			continue
		}
		if e.Revision == 0 {
			say(e, "accepted")
		}
		say(e, "released")
	}
	return rows
}

func TestJudge(t *testing.T) {
	t.Parallel()
	strict, destroyed := verify.Gate{Recovery: 30 * time.Second}, verify.Gate{Recovery: 30 * time.Second, Destroyed: true}
	for _, c := range []struct {
		name   string
		gate   verify.Gate
		acked  []verify.Entry
		pushes []verify.Push
		rows   []verify.Row
		broken string // part of what is said; empty: the gate holds
	}{
		{"sent", strict, []verify.Entry{asked("m", 1, false)}, []verify.Push{push("m", 0, 1)}, []verify.Row{row("m", "sent", 1)}, ""},
		{"nothing", strict, nil, nil, nil, "nothing was accepted"},
		{"no end", strict, []verify.Entry{asked("m", 1, false)}, nil, []verify.Row{row("m", "held", 0)}, "1 lost"},
		{"a push without an end", strict, []verify.Entry{asked("m", 1, false)}, []verify.Push{push("m", 0, 1)}, nil, "1 lost"},
		{"said, and never sent", strict, []verify.Entry{asked("m", 1, false)}, nil, []verify.Row{row("m", "sent", 1)}, "1 lost"},
		{"not known, and allowed to be dropped", destroyed, []verify.Entry{asked("m", 1, false)}, nil, []verify.Row{row("m", "unknown", 1)}, ""},
		{
			"twice for no reason", strict,
			[]verify.Entry{asked("m", 1, true)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2)},
			[]verify.Row{row("m", "sent", 2)},
			"1 duplicates, and no answer",
		},
		{
			"twice for an answer destroyed", destroyed,
			[]verify.Entry{asked("m", 1, true)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2)},
			[]verify.Row{row("m", "sent", 2)},
			"",
		},
		{
			"twice with one attempt", destroyed,
			[]verify.Entry{asked("m", 1, true)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2)},
			[]verify.Row{row("m", "sent", 1)},
			"1 duplicates beyond the attempts",
		},
		{
			"twice with one attempt, while another push was retried", destroyed,
			[]verify.Entry{asked("m", 1, true), asked("n", 1, true)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2), push("n", 0, 1)},
			[]verify.Row{row("m", "sent", 1), row("n", "sent", 5)},
			"1 duplicates beyond the attempts",
		},
		{
			"a revision twice with one attempt, while the other was retried", destroyed,
			[]verify.Entry{asked("m", 1, true), {Op: verify.OpMessage, Message: "m", Revision: 1, Begun: t0, At: t0, Due: after(2), Resend: true}},
			[]verify.Push{push("m", 0, 1), push("m", 1, 2), push("m", 1, 3)},
			[]verify.Row{row("m", "sent", 5)},
			"1 duplicates beyond the attempts",
		},
		{
			"thrice with two attempts", destroyed,
			[]verify.Entry{asked("m", 1, true)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2), push("m", 0, 3)},
			[]verify.Row{row("m", "sent", 2)},
			"1 duplicates beyond the attempts",
		},
		{
			"twice though to be dropped", destroyed,
			[]verify.Entry{asked("m", 1, false)},
			[]verify.Push{push("m", 0, 1), push("m", 0, 2)},
			[]verify.Row{row("m", "sent", 2)},
			"1 duplicates of messages with drop",
		},
		{
			"a revision after its first is no duplicate", strict,
			[]verify.Entry{asked("m", 1, false), {Op: verify.OpMessage, Message: "m", Revision: 1, Begun: t0, At: t0, Due: after(2)}},
			[]verify.Push{push("m", 0, 1), push("m", 1, 2)},
			[]verify.Row{row("m", "sent", 1)},
			"",
		},
		{
			"cancelled, yet sent", strict,
			[]verify.Entry{asked("m", 1, false), {Op: verify.OpCancel, Message: "m", Begun: t0, At: t0}},
			[]verify.Push{push("m", 0, 1)},
			[]verify.Row{row("m", "cancelled", 0)},
			"1 cancelled",
		},
		{
			"cancelled too late", strict,
			[]verify.Entry{asked("m", 1, false), {Op: verify.OpCancel, Message: "m", Begun: t0, At: t0}},
			[]verify.Push{push("m", 0, 1)},
			[]verify.Row{row("m", "sent", 1)},
			"",
		},
		{
			"of nobody", strict,
			[]verify.Entry{asked("m", 1, false)},
			[]verify.Push{push("m", 0, 1), push("x", 0, 1)},
			[]verify.Row{row("m", "sent", 1)},
			"1 pushes or ends of unknown",
		},
		{
			"late after the fault", strict,
			[]verify.Entry{asked("m", 1, false)},
			[]verify.Push{push("m", 0, 41)},
			[]verify.Row{row("m", "sent", 1)},
			"recovery took 31s",
		},
		{
			"late because the fault lasted", strict,
			[]verify.Entry{asked("m", 1, false)},
			[]verify.Push{push("m", 0, 39)},
			[]verify.Row{row("m", "sent", 1)},
			"",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broken := verify.Join(c.gate.Check(verify.Judge(c.acked, c.pushes, append(begun(c.acked), c.rows...), after(10))))
			if c.broken == "" {
				require.Empty(t, broken)
				return
			}
			require.Contains(t, broken, c.broken)
		})
	}
}

// A row that was published again is one row.
func TestRowsRepeated(t *testing.T) {
	t.Parallel()
	r := verify.Judge([]verify.Entry{asked("m", 0, true)}, []verify.Push{push("m", 0, 1)},
		[]verify.Row{row("m", "sent", 2), row("m", "sent", 2)}, t0)
	require.Equal(t, 1, r.Ambiguous)
	require.Equal(t, map[string]int{"sent": 1}, r.Ended)
}

func TestLogWithoutItsEnd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(file, []byte(`{"op":"message","message":"a"}`+"\n"+`{"op":"mess`), 0o600))
	got, err := verify.ReadLog[verify.Entry](file)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

// The verifier would prove little if it made the services' mistakes with them.
func TestSharesNoCode(t *testing.T) {
	t.Parallel()
	pkg, err := build.ImportDir(".", 0)
	require.NoError(t, err)
	for _, path := range pkg.Imports {
		require.False(t, strings.HasPrefix(path, "github.com/kairos-push/"), path)
	}
}
