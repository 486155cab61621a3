package timing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing"
)

func revision(n int) func(*story, *event.Message) {
	return with(func(m *event.Message) { m.Revision = n })
}

func notBefore(local string) func(*story, *event.Message) {
	return func(s *story, m *event.Message) { m.NotBefore = s.time(local) }
}

func (s *story) count(typ, id string) int {
	n := 0
	for _, r := range s.rows {
		if r.Type == typ && r.MessageID == id {
			n++
		}
	}
	return n
}

func TestADuplicateChangesNothing(t *testing.T) {
	t.Parallel()
	s := tell(t, "dedupe_window: 48h")
	m := message("m", now, notBefore("2026-05-11 13:00"))
	s.at("2026-05-11 12:00", m, m)
	s.at("14:00", m)
	s.until("2026-05-12 20:00") // sent, ignored, remembered
	m(s)
	s.expect("13:00:00 released m now")
	require.Equal(t, 1, s.count("accepted", "m"))
	require.Equal(t, 1, s.count("held", "m"))
}

func TestARevisionReplacesInPlace(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	body := func(b string) func(*story, *event.Message) { return with(func(m *event.Message) { m.Body = b }) }
	s.at("2026-05-11 12:00", message("m", now, revision(1), body("old"), notBefore("13:00")))
	s.at("12:10", message("m", now, revision(3), body("new"), notBefore("14:00")))
	s.at("12:20", message("m", now, revision(2), body("late")))
	s.until("15:00").expect("12:10:00 held m revised", "14:00:00 released m now")
	require.Equal(t, "new", s.releases[0].Message.Body)
	held := slices.IndexFunc(s.rows, func(o event.Outcome) bool { return o.Reason == "revised" })
	require.EqualValues(t, 10*time.Minute/time.Millisecond, s.rows[held].HoldMS)
	require.Equal(t, 1, s.count("accepted", "m"))

	s.at("15:10", message("m", revision(4), body("newer"))).expect("15:10:00 held m revised", "15:10:00 released m now")
	s.at("15:20", receipt("opened", "m"), message("m", revision(5)))
	s.until("2026-05-12 16:00")
	s.at("2026-05-12 17:00", message("m", revision(6)), message("m", revision(6)))
	require.Len(t, s.releases, 2)
	require.Equal(t, 1, s.count("accepted", "m"))
	require.Equal(t, 2, s.count("rejected", "m"))
}

func TestCancelAlwaysWins(t *testing.T) {
	t.Parallel()
	key := with(func(m *event.Message) { m.CancelKey = "cart" })
	s := tell(t, "")
	s.at("2026-05-11 12:00", cancel("early"), message("early", now), message("a", notBefore("13:00")), message("b", key, notBefore("13:00")))
	s.at("12:10", cancel("a"), cancelKey("cart"), cancel("a"), message("c", key, now))
	s.until("2026-05-12 12:00").expect("12:00:00 cancelled early cancel", "12:10:00 cancelled a cancel", "12:10:00 cancelled b cancel",
		"12:10:00 cancelled c cancel")
	require.Empty(t, s.releases)
}

func TestCancelOnAnEvent(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("m", notBefore("13:00"), with(func(m *event.Message) { m.CancelOn = []string{"purchase"} })))
	s.at("12:10", happened("screen_viewed")).quiet()
	s.at("12:20", happened("purchase")).expect("12:20:00 cancelled m event:purchase")
}

func TestTheNewerMessageOfACollapseKeySupersedes(t *testing.T) {
	t.Parallel()
	score := with(func(m *event.Message) { m.CollapseKey = "score" })
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("1:0", now, score, notBefore("13:00")), message("1:1", now, score, notBefore("13:00")))
	s.until("14:00").expect("12:00:00 superseded 1:0 1:1", "13:00:00 released 1:1 now")
}

func TestPreconditionAtTheLastInstant(t *testing.T) {
	t.Parallel()
	cart := func(state string) func(*story) {
		return person(func(p *profile.Profile) { p.Attributes = event.Object(`{"cart":"` + state + `"}`) })
	}
	open := with(func(m *event.Message) { m.Precondition = "attributes.cart == 'open'" })
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("m", now, open), message("end", now, open, deadline("13:00")),
		message("drop", now, open, deadline("13:00"), with(func(m *event.Message) { m.AtDeadline = event.AtDeadlineDrop })))
	s.gates("m", "precondition_unknown")
	s.until("13:30").expect("12:59:30 released end deadline", "13:00:00 expired drop precondition_unknown")
	s.at("14:00", cart("empty")).gates("m", "precondition")
	s.at("14:10", message("never", now, open, deadline("15:00")))
	s.until("15:10").expect("15:00:00 expired never precondition")
	s.at("16:00", cart("open")).expect("16:00:00 released m now")
	s.at("17:00", message("bad", now, with(func(m *event.Message) { m.Precondition = "1 +" })))
	s.expect("17:00:00 suppressed bad precondition_invalid")
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	s := tell(t, "categories: {flash: {deadline: 30m}}")
	s.at("2026-05-11 12:00", message("past", deadline("11:59")), message("drop", notBefore("12:30"), deadline("12:20:00"), func(_ *story, m *event.Message) {
		m.NotBefore, m.DeliveryWindow = m.Deadline.AddDate(0, 0, -1), window("01:00", "02:00")
	}))
	s.until("13:00").expect("12:00:00 expired past deadline", "12:20:00 expired drop delivery_window")
	s.at("14:00", signal("locked"), message("m", category("flash")))
	s.until("14:30")
	require.Len(t, s.releases, 1)
	require.Equal(t, s.time("14:30"), s.releases[0].Deadline)
}

func TestTwoWithOneDeadlineBothGo(t *testing.T) {
	t.Parallel()
	s := tell(t, "minimum_gap: 5m")
	s.answer = event.ResultSent
	busy := func(s *story, m *event.Message) { deadline("13:00")(s, m) }
	s.profile.Devices[0].Address = ""
	s.at("2026-05-11 12:00", message("a", busy), message("b", busy))
	s.at("12:54", person(func(p *profile.Profile) { p.Devices[0].Address = "back" }))
	s.until("14:00")
	require.Len(t, s.releases, 2, s.told)
}

func TestErase(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("out", now), message("m", notBefore("13:00")))
	s.told = nil
	s.fact(event.Fact{Kind: event.KindUser, User: &event.User{UserID: "ada", Erase: true}})
	s.expect("12:00:00 cancelled m erased")
	state := s.local.State(user)
	require.True(t, state.IsEmpty())
	blob, err := timing.EncodeHolds(state)
	require.NoError(t, err)
	require.Nil(t, blob)
	s.until("2026-05-20 12:00").quiet()
}

// TestEraseWhileAReleaseIsUnanswered: dispatch is told at once to send it no more, and again until it says how it ended. Of the
// person there are only ids until then, and nothing after.
func TestEraseWhileAReleaseIsUnanswered(t *testing.T) {
	t.Parallel()
	for _, status := range []string{event.ResultFailed, event.ResultSent, event.ResultUnknown} {
		s := tell(t, "answer_timeout: 30s")
		s.answer = ""
		s.profile.Devices[0].Locale, s.profile.Devices[0].AppVersion = "secret", "secret"
		s.at("2026-05-11 12:00", message("m", now, with(func(m *event.Message) {
			m.Title, m.CollapseKey, m.Data = "secret", "secret", event.Object(`{"a":"secret"}`)
		})))
		require.Len(t, s.releases, 1)
		s.fact(event.Fact{Kind: event.KindUser, User: &event.User{UserID: "ada", Erase: true}})
		s.profile = profile.Profile{}
		s.expect("12:00:00 released m now")
		blob, err := timing.EncodeHolds(s.local.State(user))
		require.NoError(t, err)
		for _, trace := range []string{"secret", "address of", "Berlin", "Hello"} {
			require.NotContains(t, string(blob), trace)
		}
		s.until("12:00:45")
		require.Len(t, s.releases, 3, "the release, and twice that it is withdrawn")
		for _, r := range s.releases[1:] {
			require.Equal(t, "erased", r.Withdrawn)
			require.Equal(t, s.releases[0].ReleaseID, r.ReleaseID)
			require.Equal(t, []event.Target{{DeviceID: "phone", Platform: "android", Channel: "fcm"}}, r.Targets)
			require.Equal(t, event.Message{MessageID: "m", UserID: "ada", Priority: event.Promotional, Timing: event.TimingNow}, r.Message)
		}
		s.told = nil
		s.at("12:00:50", receipt("opened", "m"))
		s.expect("12:00:50 opened m")
		s.fact(event.Fact{Kind: event.KindResult, Result: &event.Result{MessageID: "m", DeviceID: "phone", Status: status, At: s.now, Final: true}})
		require.True(t, s.local.State(user).IsEmpty())
		s.until("2026-05-20 12:00").quiet()
		require.Len(t, s.releases, 3)
	}
}

// TestCancelReachesAReleaseThatIsUnanswered: dispatch may be waiting for a provider. What was sent already stands.
func TestCancelReachesAReleaseThatIsUnanswered(t *testing.T) {
	t.Parallel()
	s := tell(t, "answer_timeout: 1h")
	s.answer = ""
	s.at("2026-05-11 12:00", message("a", now), message("b", now, with(func(m *event.Message) { m.CancelKey = "cart" })),
		message("c", now, with(func(m *event.Message) { m.CancelOn = []string{"purchase"} })), message("d", now))
	s.until("12:10")
	require.Len(t, s.releases, 4)
	s.at("12:20", cancel("a"), cancelKey("cart"), happened("purchase"), cancel("a"), happened("purchase"))
	var said []string
	for _, r := range s.releases[4:] {
		said = append(said, r.Message.MessageID+" "+r.Withdrawn)
	}
	require.Equal(t, []string{"a cancel", "b cancel", "c event:purchase"}, said)

	s.told = nil
	s.at("12:21", message("b", revision(1)), message("c", revision(1), with(func(m *event.Message) { m.CancelOn = []string{"purchase"} })))
	s.expect("12:21:00 rejected b already_ended", "12:21:00 rejected c already_ended")

	failed := event.Result{MessageID: "a", Status: event.ResultFailed, Reason: "cancel", At: s.now, Final: true}
	s.fact(event.Fact{Kind: event.KindResult, Result: &failed})
	sent := event.Result{MessageID: "b", Status: event.ResultSent, At: s.now, Final: true}
	s.fact(event.Fact{Kind: event.KindResult, Result: &sent})
	s.told = nil
	s.at("12:30", receipt("opened", "b"), message("a", revision(2)))
	s.expect("12:30:00 opened b", "12:30:00 rejected a already_ended")
	s.until("13:30")
	require.Len(t, s.releases, 9, "c is withdrawn again, d released again")
	require.Equal(t, 1, s.count("released", "a"))
}

func TestStateEmptiesByItself(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", cancel("x"), message("m", now))
	s.at("12:10", receipt("opened", "m"))
	s.until("2026-07-01 12:00")
	require.True(t, s.local.State(user).IsEmpty())
	_, _, ok := s.local.NextDue()
	require.False(t, ok)
}

func TestReconcileTakesInWhatWakeUpsHadDecided(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("r", now, notBefore("13:00")), message("e", now, notBefore("13:00")))
	before, err := timing.EncodeHolds(s.local.State(user))
	require.NoError(t, err)
	s.until("13:30").expect("13:00:00 released r now", "13:01:00 released e now")

	lost, err := timing.DecodeHolds(before)
	require.NoError(t, err)
	e := timing.NewEngine(mustPolicy(t, ""))
	release, err := event.Encode(s.releases[0])
	require.NoError(t, err)
	ended, err := event.Encode(event.Outcome{Type: event.OutcomeExpired, MessageID: "e", OccurredAt: s.now})
	require.NoError(t, err)
	lost = e.Reconcile(lost, topic.Releases, release)
	lost = e.Reconcile(lost, topic.Outcomes, ended)
	require.Empty(t, lost.Held)
	require.Len(t, lost.Out, 1)
	lost = e.Reconcile(lost, topic.Releases, release)
	require.Len(t, lost.Out, 1)

	taken := s.releases[0]
	taken.Withdrawn = "cancel"
	release, err = event.Encode(taken)
	require.NoError(t, err)
	lost = e.Reconcile(lost, topic.Releases, release)
	require.Equal(t, "cancel", lost.Out[0].Release.Withdrawn)
}
