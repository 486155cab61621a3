package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/stream"
)

// taken is the record that says that the release at an offset is withdrawn.
func taken(offset int64, app string, at int64) stream.Record {
	r := logged(at, app)
	rel, err := readRelease(&r)
	if err != nil {
		panic(err)
	}
	rel.Withdrawn = "cancel"
	if r.Value, err = event.Encode(rel); err != nil {
		panic(err)
	}
	r.Offset = offset
	return r
}

// TestAReleaseIsWithdrawnWhereverItIs: at work, further up in what was fetched, in the backlog, or not here at all.
func TestAReleaseIsWithdrawnWhereverItIs(t *testing.T) {
	t.Parallel()
	of := func(o *owned, offset int64) string {
		l := o.byID[fmt.Sprint(offset)]
		require.NotNil(t, l)
		return l.over.Load().Reason
	}
	for _, c := range []struct {
		name string
		log  [][]stream.Record
	}{
		{"at work", [][]stream.Record{{logged(0, "a")}, {taken(1, "a", 0)}}},
		{"fetched with it", [][]stream.Record{{logged(0, "a"), taken(1, "a", 0)}}},
		{"not here", [][]stream.Record{{taken(1, "a", 0)}}},
		{"twice", [][]stream.Record{{logged(0, "a"), taken(1, "a", 0)}, {taken(2, "a", 0)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOwner(100)
			for _, recs := range c.log {
				require.NoError(t, o.takeAll(t.Context(), recs))
			}
			require.Len(t, o.byID, 1)
			require.Equal(t, "cancel", of(o, 0))
			require.Empty(t, o.withdrawn)
		})
	}
	t.Run("in the backlog", func(t *testing.T) {
		t.Parallel()
		o := newOwner(4)
		log := []stream.Record{logged(0, "a"), logged(1, "a"), logged(2, "a"), logged(3, "a"), taken(4, "a", 2), taken(5, "a", 0)}
		require.NoError(t, o.takeAll(t.Context(), log[:4]))
		require.NoError(t, o.takeAll(t.Context(), log[4:]))
		require.Len(t, o.byID, 2, "of four, one app gets two")
		require.Equal(t, "cancel", of(o, 0))
		require.Empty(t, of(o, 1))
		o.finish(o.byID["0"])
		o.finish(o.byID["1"])
		for i := range log[2:] {
			require.NoError(t, o.retake(t.Context(), &log[2+i]))
			if i == 1 {
				require.Equal(t, "cancel", of(o, 2))
				require.Empty(t, of(o, 3))
				o.finish(o.byID["3"])
			}
		}
		require.True(t, o.caughtUp(6))
		require.Equal(t, "cancel", of(o, 0), "dispatch had done with it: it is looked up what came of it")
		require.Empty(t, o.withdrawn)
	})
}

func TestOpens(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return t0.Add(time.Duration(h) * time.Hour) }
	r := &event.Release{Deadline: at(30), Closed: []event.Span{{From: at(1), To: at(9)}, {From: at(25), To: at(33)}}}
	for now, want := range map[int]time.Time{0: {}, 1: at(9), 8: at(9), 9: {}, 24: {}, 25: at(30), 29: at(30), 40: {}} {
		require.Equal(t, want, Opens(r, "", at(now)).RetryAt, "%d o'clock", now)
	}
	require.Equal(t, "quiet hours or delivery window", Opens(r, "", at(1)).Reason)
	require.Equal(t, "503", Opens(r, "503", at(1)).Reason, "what the provider said tells more")
}

// TestWithdrawnEndsBeforeAnythingElse: nobody is asked, unless somebody may have been.
func TestWithdrawnEndsBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	to := event.Target{DeviceID: "d", Channel: "apns"}
	p := Plan(&event.Release{Targets: []event.Target{to}, Deadline: t0}, nil)[0]
	want := Step{Type: event.OutcomeCancelled, Status: event.ResultFailed, Reason: "erased"}
	require.Equal(t, want, Before(to, p, Withdrawn("erased"), "503", t0.Add(-time.Second)))
	require.Equal(t, event.OutcomeExpired, Before(to, p, Withdrawn("erased"), "", t0).Type)

	end := End{Type: want.Type, Status: want.Status, Reason: want.Reason, At: t0}
	require.Equal(t, event.OutcomeCancelled, Record{Phase: Waiting, Attempt: 1}.Finish(end).End.Type)
	doubtful := Record{Phase: Waiting, Attempt: 1, Doubt: true}.Finish(end).End
	require.Equal(t, [2]string{event.OutcomeUnknown, event.ResultUnknown}, [2]string{doubtful.Type, doubtful.Status})
}
