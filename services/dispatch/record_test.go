package dispatch

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

// TestCrashPoints plays several owners of one push against one store, in every interleaving: each may crash between any
// two steps, be frozen for any time and go on as a zombie, and have its answer lost. Whatever happens, no two attempts
// are made without an answer between them unless the message says resend; the push ends; and it is said to be sent only
// if the provider took it.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const life = 10 * time.Second
		resend := rapid.Bool().Draw(t, "resend")
		now := t0
		var stored Record
		var asked, taken, unanswered int
		var opens time.Time // until then nobody is to be asked
		swap := func(seen, next Record) (Record, bool) {
			if seen != stored {
				return stored, false
			}
			stored = next
			return next, true
		}
		type owner struct {
			seen    Record
			claimed bool // the intent is stored, the provider not yet asked
			until   time.Time
			answer  *End // what the provider said, not yet stored
		}
		owners := []*owner{{}, {}}
		for range rapid.IntRange(20, 80).Draw(t, "steps") {
			o := owners[rapid.IntRange(0, len(owners)-1).Draw(t, "owner")]
			switch rapid.SampledFrom([]string{"step", "step", "step", "crash", "time"}).Draw(t, "what") {
			case "crash":
				*o = owner{}
			case "time":
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*life)).Draw(t, "d")))
			case "step":
				switch {
				case o.answer != nil:
					is, ok := swap(o.seen, o.seen.Finish(*o.answer))
					if !ok && is.Phase == Waiting && is.Attempt == o.seen.Attempt { // in doubt, and to wait: here is the answer
						is, ok = swap(is, is.Finish(*o.answer))
					}
					require.True(t, ok || is.Phase == Ended || is.Attempt > o.seen.Attempt, "only an end or a later attempt stands in the way")
					*o = owner{}
				case o.claimed:
					// The attempt is bounded by the intent's own time: a zombie that wakes later does not ask.
					if !now.Before(o.until) {
						*o = owner{}
						continue
					}
					asked++
					o.claimed = false
					answers := []string{"sent", "retry", "lost"}
					if resend {
						answers = append(answers, "ambiguous")
					}
					switch rapid.SampledFrom(answers).Draw(t, "answer") {
					case "sent":
						taken++
						o.answer = &End{Type: event.OutcomeSent, Status: event.ResultSent, At: now}
						unanswered++ // until it is stored
					case "retry":
						if is, ok := swap(o.seen, o.seen.Wait(now.Add(time.Second))); ok {
							o.seen = is
						}
					case "ambiguous": // asked again all the same
						unanswered++
						taken += rapid.IntRange(0, 1).Draw(t, "taken")
						next := o.seen.Wait(now.Add(time.Second))
						next.Doubt = true
						if is, ok := swap(o.seen, next); ok {
							o.seen = is
						}
					case "lost":
						unanswered++
						taken += rapid.IntRange(0, 1).Draw(t, "taken")
						*o = owner{}
					}
				case o.seen.Phase == Waiting && rapid.IntRange(0, 3).Draw(t, "deadline") == 0:
					o.seen, _ = swap(o.seen, o.seen.Finish(End{Type: event.OutcomeExpired, Status: event.ResultFailed, At: now}))
				default:
					if rapid.IntRange(0, 9).Draw(t, "closes") == 0 && !now.Before(opens) {
						opens = now.Add(time.Duration(rapid.Int64Range(1, int64(3*life)).Draw(t, "for")))
					}
					next, claim := o.seen.Take(now, now.Add(life), opens, resend)
					switch claim {
					case Go:
						require.False(t, now.Before(opens), "claimed while it is closed")
						is, ok := swap(o.seen, next)
						o.seen = is
						o.claimed, o.until = ok, next.At
					case Doubt:
						is, ok := swap(o.seen, next.Finish(End{Type: event.OutcomeUnknown, At: now}))
						o.seen = is
						for _, other := range owners {
							require.False(t, ok && (other.claimed || other.answer != nil) && now.Before(other.until), "an attempt is not in doubt while it may be going on")
						}
					case Pause:
						o.seen, _ = swap(o.seen, next)
					case Hold, Done:
					}
				}
			}
			if !resend {
				require.LessOrEqual(t, unanswered, 1, "nobody asks again after an answer that may be lost")
				require.LessOrEqual(t, taken, 1)
			}
			if stored.Phase == Ended && stored.End.Type == event.OutcomeSent {
				require.Positive(t, taken)
			}
			if stored.Phase == Ended && stored.End.Type == event.OutcomeExpired {
				require.Zero(t, taken, "what is said to have failed was taken by nobody")
			}
		}
		// Left alone, a fresh owner brings it to an end.
		o := Record{}
		for i := 0; ; i++ {
			require.Less(t, i, 100)
			next, claim := o.Take(now, now.Add(life), opens, resend)
			if claim == Done {
				break
			}
			switch claim {
			case Done:
			case Hold:
				now = next.At
			case Pause:
				o, _ = swap(o, next)
			case Doubt:
				o, _ = swap(o, next.Finish(End{Type: event.OutcomeUnknown, At: now}))
			case Go:
				is, ok := swap(o, next)
				if o = is; ok {
					o, _ = swap(o, o.Finish(End{Type: event.OutcomeSent, At: now}))
				}
			}
		}
	})
}

// TestDoubtStays: from an attempt that may have been taken, over everything that follows but an answer.
func TestDoubtStays(t *testing.T) {
	t.Parallel()
	again, claim := Record{Phase: Intent, Attempt: 1, At: t0}.Take(t0, t0.Add(time.Minute), time.Time{}, true)
	require.Equal(t, Go, claim)
	require.True(t, again.Doubt)
	require.True(t, again.Back(t0).Doubt)
	waits := again.Wait(t0)
	require.True(t, waits.Doubt)
	third, _ := waits.Take(t0, t0.Add(time.Minute), time.Time{}, true)
	require.True(t, third.Doubt)
	expired := End{Type: event.OutcomeExpired, Status: event.ResultFailed, Reason: "deadline"}
	require.Equal(t, End{Type: event.OutcomeUnknown, Status: event.ResultUnknown, Reason: "deadline"}, *third.Finish(expired).End)
	rejected := End{Type: event.OutcomeProviderRejected, Status: event.ResultFailed}
	require.Equal(t, rejected, *third.Finish(rejected).End)
	first, _ := Record{}.Take(t0, t0.Add(time.Minute), time.Time{}, true)
	require.Equal(t, expired, *first.Wait(t0).Finish(expired).End)
}

func TestKnows(t *testing.T) {
	t.Parallel()
	at := func(n int, d time.Duration) Record { return Record{Phase: Intent, Attempt: n, At: t0.Add(d)} }
	end := at(1, 0).Finish(End{Type: event.OutcomeSent, At: t0})
	for _, c := range []struct {
		is, told Record
		want     bool
	}{
		{Record{}, at(1, 0), false},
		{Record{}, at(0, 0).Finish(End{Type: event.OutcomeExpired, At: t0}), false},
		{at(1, 0), at(1, 0), true},
		{at(1, 0), at(1, time.Second), false}, // begun anew
		{at(1, 0), at(1, 0).Wait(t0), false},
		{at(1, 0), at(2, 0), false},
		{at(2, 0), at(1, 0), true},
		{at(2, 0), at(1, 0).Wait(t0), true},
		{at(1, 0), end, false},
		{at(2, 0), end, true}, // cannot be: nobody tries what has ended
		{at(1, 0).Wait(t0), at(1, 0), true},
		{at(1, 0).Wait(t0), at(1, 0).Wait(t0.Add(time.Second)), false},
		{at(1, 0).Wait(t0), at(2, 0), false},
		{at(2, time.Minute).Back(t0.Add(time.Second)), at(1, 0).Wait(t0), true}, // the wait before the intent that was given back
		{at(1, 0).Wait(t0), end, false},
		{at(2, 0).Back(t0), at(2, 0), true},
		{at(2, time.Minute).Back(t0), at(2, 0), true}, // given back before, too
		{at(2, 0).Back(t0), at(2, time.Minute), false},
		{end, at(2, 0), true},
		{end, end, true},
	} {
		require.Equal(t, c.want, c.is.Knows(c.told), "%+v %+v", c.is, c.told)
	}
}

// TestAnIntentGivenBackStaysSo: Redis knows that nobody was asked. The journal, which tells of the wait before and then of the
// intent, does not, and is read in pieces.
func TestAnIntentGivenBackStaysSo(t *testing.T) {
	t.Parallel()
	wait := Record{Phase: Waiting, Attempt: 1, At: t0}
	intent := Record{Phase: Intent, Attempt: 2, At: t0.Add(20 * time.Second)}
	is := intent.Back(t0.Add(10 * time.Second))
	paused, claim := is.Take(t0.Add(15*time.Second), time.Time{}, t0.Add(time.Hour), false)
	require.Equal(t, Pause, claim)
	for _, is := range []Record{is, paused} {
		for _, told := range []Record{wait, intent} {
			require.True(t, is.Knows(told), "%+v", told)
		}
	}
}

// TestOnlyAnIntentOfOnesOwnThatNobodyWasAskedUnderIsGivenBack: any other may have led to a push.
func TestOnlyAnIntentOfOnesOwnThatNobodyWasAskedUnderIsGivenBack(t *testing.T) {
	t.Parallel()
	own := Record{Phase: Intent, Attempt: 3, At: t0.Add(20 * time.Second), By: 1, Doubt: true}
	foreign, wait := own, own.Wait(t0)
	foreign.By = 2
	for _, c := range []struct {
		record Record
		asked  int
		want   Record
	}{
		{own, 2, own.Back(t0)}, {own, 3, own}, {foreign, 0, foreign}, {wait, 0, wait}, {Record{}, 0, Record{}},
	} {
		require.Equal(t, c.want, (&task{record: c.record, by: 1, asked: c.asked}).standing(t0), "%+v, asked in %d", c.record, c.asked)
	}
}

func TestRecordsSurviveTheirCodec(t *testing.T) {
	t.Parallel()
	for _, r := range []Record{
		{},
		{Phase: Intent, Attempt: 1, At: t0, By: math.MaxUint64},
		{Phase: Waiting, Attempt: 3, At: t0.Add(time.Nanosecond), Doubt: true},
		Record{Phase: Intent, Attempt: 1, At: t0}.Back(t0.Add(time.Second)),
		Record{Phase: Intent, Attempt: 2}.Finish(End{Type: event.OutcomeSent, Status: event.ResultSent, ProviderID: "x", At: t0}),
	} {
		s, err := r.encode()
		require.NoError(t, err)
		back, err := decodeRecord(s)
		require.NoError(t, err)
		require.Equal(t, r, back)
	}
	for _, bad := range []string{"{", `{"phase":"ended"}`, `{"phase":"?"}`, `{"phase":"intent","attempt":-1}`} {
		_, err := decodeRecord(bad)
		require.Error(t, err, bad)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(`{"phase":"intent","attempt":1,"at":"2026-03-01T12:00:00Z"}`)
	f.Add(`{"phase":"ended","end":{"type":"sent","status":"sent","at":"2026-03-01T12:00:00Z"}}`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := decodeRecord(s)
		if err != nil {
			return
		}
		text, err := r.encode()
		require.NoError(t, err)
		back, err := decodeRecord(text)
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

// TestWatermark holds it to its definition, on random orders of completion.
func TestWatermark(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWatermark(100)
		open := map[int64]bool{}
		next := int64(100)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				w.passed(next)
				next++
			case 1:
				w.begin(next)
				open[next] = true
				next++
			default:
				for o := range open {
					w.done(o)
					delete(open, o)
					break
				}
			}
			want := next
			for o := range open {
				want = min(want, o)
			}
			require.Equal(t, want, w.mark())
		}
	})
}
