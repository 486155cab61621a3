package timing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// everyControl holds every message out.
const everyControl = "categories: {held: {exploration: {immediate: 0, uniform: 0, control: 1, thresholds: [1]}}}"

// A control ends when the policy would have sent it, not before: what the person does then compares with the others'.
func TestAControlIsHeldOutAtItsMoment(t *testing.T) {
	t.Parallel()
	var at [2]time.Time
	for i, c := range []string{"sent", "held"} {
		s := tell(t, everyControl).weeks("2026-05-11 12:00")
		s.at("2026-05-11 12:00", signal("locked"), message("m", category(c)))
		s.at("12:40", signal("unlocked"))
		s.until("13:00")
		require.Len(t, s.told, 1)
		d := s.last("m")
		at[i] = d.OccurredAt
		if c == "sent" {
			require.Equal(t, event.ActionRelease, d.Action)
			continue
		}
		require.Equal(t, event.ActionSuppress, d.Action)
		require.Empty(t, s.releases)
		row := s.rows[len(s.rows)-1]
		require.Equal(t, event.OutcomeControl, row.Type)
		require.Equal(t, policy.ArmControl, row.Arm)
		require.NotEmpty(t, row.Features)
		require.Equal(t, 42*time.Minute, time.Duration(row.HoldMS)*time.Millisecond)
	}
	require.Equal(t, at[0], at[1])
}

// It tires nobody, fills no gap, and is over for whoever revises it.
func TestAControlLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	s := tell(t, everyControl+"\nminimum_gap: 1h")
	s.at("2026-05-11 12:00", signal("unlocked"))
	s.at("12:03", message("m", category("held"))).expect("12:03:00 control m exploration")
	s.at("12:03:30", message("n", now)).expect("12:03:30 released n now")
	s.at("12:04", message("m", category("held"), with(func(m *event.Message) { m.Revision = 1 }))).expect("12:04:00 rejected m already_ended")
	s.at("12:05", cancel("m"))
	s.until("2026-05-13 12:00").quiet()
}

func TestVisitsAreNotedAfterPushesAndAfterControls(t *testing.T) {
	t.Parallel()
	s := tell(t, everyControl)
	s.at("2026-05-11 12:00", signal("unlocked"))
	s.at("12:03", message("m", category("held")), message("n", now)).expect("12:03:00 control m exploration", "12:03:00 released n now")
	s.at("12:33", happened("app_opened")).expect("12:33:00 visited m event:app_opened", "12:33:00 visited n event:app_opened")
	for _, row := range s.rows[len(s.rows)-2:] {
		require.Equal(t, 30*time.Minute, time.Duration(row.AfterMS)*time.Millisecond)
		require.NotEmpty(t, row.Arm)
	}
	s.at("12:40", happened("app_opened")).quiet()

	s.at("14:00", message("o", now)).expect("14:00:00 released o now")
	s.at("15:00:01", happened("app_opened")).quiet()

	no := false
	s.at("16:00", message("p", now)).expect("16:00:00 released p now")
	s.at("16:10", person(func(p *profile.Profile) { p.Consent.UserData = &no }), happened("app_opened")).quiet()
}

// A push that reached nobody was followed by nothing.
func TestAVisitNeedsAPush(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.answer = event.ResultFailed
	s.at("2026-05-11 12:00", message("m", now)).expect("12:00:00 released m now")
	s.at("12:10", happened("app_opened")).quiet()
}

// Whatever a phone's clock says, an answer lies between the release and the present.
func TestAnswersAreDatedAsTheyCanBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		skew time.Duration
		want time.Duration
	}{{0, 5 * time.Minute}, {-time.Minute, 4 * time.Minute}, {-24 * time.Hour, 0}, {87600 * time.Hour, 5 * time.Minute}} {
		s := tell(t, "")
		s.at("2026-05-11 12:00", message("m", now))
		s.at("12:05", func(s *story) {
			s.fact(event.Fact{Kind: event.KindReceipt, Receipt: &event.Receipt{
				ReceiptID: "r", MessageID: "m", UserID: "ada", DeviceID: "phone", Kind: event.ReceiptOpened, OccurredAt: s.now.Add(c.skew),
			}})
		})
		row := s.rows[len(s.rows)-1]
		require.Equal(t, event.OutcomeOpened, row.Type)
		require.Equal(t, c.want, time.Duration(row.AfterMS)*time.Millisecond, c.skew)
		require.Equal(t, s.time("12:00").Add(c.want), row.OccurredAt)
	}
}
