package timing_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

func TestHoldsAtTheUnlockAndReleasesTwoMinutesInto(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"))
	s.at("12:20", message("m"))
	s.at("12:40", signal("unlocked")).quiet()
	require.Equal(t, "hold", s.last("m").Action)
	s.until("12:50").expect("12:42:00 released m moment")
}

func TestAShortLookIsNoMoment(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("m"))
	s.at("12:40", signal("unlocked"))
	s.at("12:40:40", signal("locked"))
	s.until("12:55").quiet()
	s.at("13:05", signal("unlocked"))
	s.until("13:20").expect("13:07:00 released m moment")
}

func TestGoesAtOnceWhenTheMomentIsNow(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("unlocked"))
	s.at("12:02:30", message("m"))
	s.expect("12:02:30 released m moment")
	d := s.last("m")
	require.GreaterOrEqual(t, d.Score, d.ValueOfWaiting)
	require.InDelta(t, 0.8, d.PSeen, 0.05)
	require.Contains(t, d.Why, "the phone is in use")
}

func TestNothingWaitsForASignThatNeverComes(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("m", deadline("18:00")))
	s.until("2026-05-11 19:00")
	require.Len(t, s.told, 1)
	require.Contains(t, s.told[0], "released m")
	require.LessOrEqual(t, s.releases[0].ReleasedAt, s.time("18:00"))
}

func TestAStrangerGetsTheMomentOfAll(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 02:00", message("m"))
	s.until("2026-05-12 02:00")
	require.Len(t, s.releases, 1)
	h := s.releases[0].ReleasedAt.In(s.loc).Hour()
	require.True(t, h >= 7 && h < 22, "released at %d", h)
}

// A newcomer of a cohort of which it was learned that it lives by night gets its message then.
func TestAStrangerOfACohortGetsItsMoment(t *testing.T) {
	t.Parallel()
	m := score.Default()
	owls := *m.Week("")
	for h := range owls {
		owls[h] = m.Week("")[(h+12)%profile.HoursOfWeek]
	}
	m.Version, m.Weeks = "owls", map[string]*profile.Week{"owls": &owls}
	released := func(cohort string) int {
		s := tell(t, "")
		s.engine.SetModel("", m, time.Unix(1, 0))
		s.profile.Cohort = cohort
		s.at("2026-05-11 12:00", message("m"))
		s.until("2026-05-12 12:00")
		require.Len(t, s.releases, 1)
		require.Equal(t, "owls", s.releases[0].ModelVersion)
		return s.releases[0].ReleasedAt.In(s.loc).Hour()
	}
	require.Less(t, (released("owls")+24-19)%24, 15, "at night")
	require.Less(t, (released("larks")+24-7)%24, 15, "of whom nothing was learned")
}

func TestPushesOfLateLowerTheChanceOfAnOpen(t *testing.T) {
	t.Parallel()
	decide := func(tired bool) event.Decision {
		s := tell(t, "").weeks("2026-05-11 12:00")
		if tired {
			s.at("2026-05-11 08:00", message("a", now))
			s.at("09:00", message("b", now))
		}
		s.at("2026-05-11 12:00", signal("unlocked"))
		s.at("12:02:30", message("m"))
		return s.last("m")
	}
	fresh, tired := decide(false), decide(true)
	pressure := math.Log1p(math.Exp2(-4.0417/24) + math.Exp2(-3.0417/24)) // of two, with a half-life of a day
	require.InDelta(t, pressure, tired.Features["pressure_user"], 1e-4)
	require.InDelta(t, pressure, tired.Features["pressure_category"], 1e-4)
	weights := score.Default().Open
	answers := tired.Features["opens_category"] // the two were not opened, either
	require.InDelta(t, answers+pressure*(weights[score.PressureUser]+weights[score.PressureCategory]),
		score.Logit(tired.POpen)-score.Logit(fresh.POpen), 1e-4)
	require.NotContains(t, fresh.Features, "pressure_user")
}

// Of 40 pushes of late the person put 12 away: the next one costs 12 of 60 dismissals, 20 pseudo-sends counted.
// A message does not lose its worth before it may go.
func TestRelevanceFallsFromWhenItMayGo(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-15 10:00")
	s.at("2026-05-11 09:00", message("m", category("c"), deadline("2026-05-16 10:00"), func(s *story, m *event.Message) { m.NotBefore = s.time("2026-05-15 10:00") }))
	s.at("2026-05-14 18:00", message("a", now, category("c")))
	s.at("20:00", message("b", now, category("c")))
	s.at("2026-05-15 12:40", signal("unlocked"))
	s.until("13:00").expect("18:00:00 released a now", "20:00:00 released b now", "12:42:00 released m moment")
}

// A message of the uniform arm goes at any time of those at which it may.
func TestTheUniformArmBeginsWhenItMayGo(t *testing.T) {
	t.Parallel()
	s := tell(t, "categories: {c: {exploration: {uniform: 1}}}")
	s.at("2026-05-11 09:00")
	for i := range 20 {
		message(fmt.Sprint(i), category("c"), deadline("2026-05-13 09:00"), func(s *story, m *event.Message) { m.NotBefore = s.time("2026-05-13 07:00") })(s)
	}
	s.until("2026-05-13 09:00")
	early := 0
	for _, r := range s.releases {
		if r.ReleasedAt.Before(s.time("07:30")) {
			early++
		}
	}
	require.Len(t, s.releases, 20)
	require.InDelta(t, 5, early, 4)
}

// What is no longer consented to is forgotten, and not counted any more.
func TestWithdrawnConsentIsForgotten(t *testing.T) {
	t.Parallel()
	no := false
	s := tell(t, "").weeks("2026-05-11 10:00")
	s.at("2026-05-11 12:00", message("x", func(s *story, m *event.Message) { m.NotBefore = s.time("20:00") }, deadline("2026-05-12 10:00")))
	s.at("12:40", signal("unlocked"))
	s.at("12:50", signal("locked"))
	s.at("13:00", message("b", now, category("c")), message("d", now, category("c")))
	s.at("13:10", receipt("dismissed", "d"))
	require.False(t, s.local.State(user).Moments.IsZero())
	require.Greater(t, s.local.State(user).Fatigue[0].Stretch, float32(1))
	s.at("13:20", person(func(p *profile.Profile) { p.Consent.UserData, p.Consent.DeviceData = &no, &no }))
	s.at("13:30", receipt("dismissed", "b"))
	h := s.local.State(user)
	require.True(t, h.Moments.IsZero())
	require.NotEmpty(t, h.Fatigue)
	for _, f := range h.Fatigue {
		require.InDelta(t, 1, f.Stretch, 0)
		require.Zero(t, f.Opens+f.Sends)
		require.Positive(t, f.Pressure)
	}
}

func TestDismissalsCost(t *testing.T) {
	t.Parallel()
	decide := func(dismissed int, rules string) event.Decision {
		s := tell(t, rules).weeks("2026-05-11 12:00")
		s.at("2026-05-11 12:00", signal("unlocked"))
		for h := range 40 {
			s.profile.Response.Sent(s.now.Add(-time.Duration(h)*time.Hour), s.loc)
		}
		for range dismissed {
			s.profile.Response.Dismiss(s.now)
		}
		s.at("12:02:30", message("m"))
		return s.last("m")
	}
	never, often := decide(0, ""), decide(12, "")
	require.InDelta(t, 0.2, often.Features["dismissals_user"], 2e-3)
	require.InDelta(t, 0.01*often.Features["dismissals_user"], often.Budget, 1e-6)
	require.InDelta(t, never.Score-often.Budget, often.Score, 1e-12)
	require.Zero(t, never.Budget)
	require.InDelta(t, 0.5*often.Features["dismissals_user"]+0.1, decide(12, "dismissal: 0.5\nbudget: 0.1").Budget, 1e-5)
	require.Zero(t, decide(12, "dismissal: 0").Budget)
}

func TestIgnoredAtTheEndOfTheWindow(t *testing.T) {
	t.Parallel()
	s := tell(t, "attribution_window: 2h")
	s.ignored = true
	s.at("2026-05-11 12:00", message("m", now)).expect("12:00:00 released m now")
	s.at("12:01", receipt("delivered", "m"), receipt("delivered", "m"))
	s.until("15:00").expect("12:01:00 delivered m", "14:00:00 ignored m attribution_window")
	ignored := s.rows[len(s.rows)-1]
	require.NotEmpty(t, ignored.Features)
	require.Equal(t, "2026-05-11T14:00:00", ignored.LocalTime)
}

func TestAnswersCloseWithTheFeaturesOfTheRelease(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("m", now), message("n", now))
	s.at("12:05", receipt("opened", "m"), receipt("dismissed", "n"), receipt("converted", "m"))
	s.expect("12:00:00 released m now", "12:01:00 released n now",
		"12:05:00 opened m", "12:05:00 dismissed n", "12:05:00 converted m")
	opened := s.rows[len(s.rows)-3]
	require.Equal(t, "opened", opened.Type)
	require.Equal(t, s.decisions[0].Features, opened.Features)
	require.InDelta(t, 1, opened.Features[score.ChannelPrefix+"fcm"], 0)
	require.Equal(t, s.decisions[0].DecisionID, opened.DecisionID)
	require.Empty(t, s.rows[len(s.rows)-1].Features)
	s.until("2026-05-13 12:00").quiet()
}

func TestAnUnansweredReleaseIsSaidAgain(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.answer = ""
	s.at("2026-05-11 12:00", message("m", now))
	s.until("12:02:30")
	require.Len(t, s.releases, 3)
	require.Equal(t, s.releases[0], s.releases[2])
	s.answer = event.ResultSent
	s.until("12:30")
	require.Len(t, s.releases, 4)
}
