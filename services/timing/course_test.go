package timing_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// A decision row carries the plan that it was made by: it begins with the score and the value of waiting of the row, and
// the first point at which a release is worth as much as waiting is the planned time.
func TestADecisionTellsItsPlan(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("m", deadline("18:00")))
	s.at("12:40", signal("unlocked"))
	d := s.last("m")
	require.Equal(t, event.ActionHold, d.Action)
	c := d.Curve
	require.True(t, slices.IsSorted(c.AfterS))
	require.Len(t, c.Score, len(c.AfterS))
	require.Len(t, c.Waiting, len(c.AfterS))
	require.Zero(t, c.AfterS[0])
	require.InEpsilon(t, d.Score, c.Score[0], 0.005)
	require.InEpsilon(t, d.ValueOfWaiting, c.Waiting[0], 0.005)
	require.InDelta(t, s.time("18:00").Sub(s.now).Seconds(), c.AfterS[len(c.AfterS)-1], 31)
	first := slices.IndexFunc(c.AfterS, func(at float64) bool {
		i := slices.Index(c.AfterS, at)
		return c.Score[i] >= c.Waiting[i]
	})
	require.InDelta(t, d.NextWakeAt.Sub(d.OccurredAt).Seconds(), c.AfterS[first], 1)
	require.Empty(t, c.ShutS)
	require.LessOrEqual(t, len(c.AfterS), 26)
	require.Greater(t, len(c.AfterS), 10)

	long := tell(t, "quiet_hours: {start: '22:00', end: '07:00'}").weeks("2026-05-11 12:00")
	long.at("2026-05-11 21:00", signal("locked"), message("m", deadline("2026-05-17 21:00")))
	c = long.last("m").Curve
	require.LessOrEqual(t, len(c.AfterS), 26)
	require.Len(t, c.ShutS, 12)
	require.InDelta(t, 3600, c.ShutS[0], 0)
	require.InDelta(t, 10*3600, c.ShutS[1], 0)
}

func TestWhatHasNoChoiceHasNoPlan(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("m", now))
	s.at("12:30", person(func(p *profile.Profile) { p.Devices[0].Permission = event.PermissionDenied }), message("n"))
	require.Empty(t, s.last("m").Curve.AfterS)
	require.Empty(t, s.last("n").Curve.AfterS, "no device can be reached, and nobody knows when one can")
}

// The plan of a row is the message's own, also where several compete.
func TestThePlanIsTheMessagesOwn(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 12:00")
	worth := func(v float64) func(*story, *event.Message) {
		return with(func(m *event.Message) { m.Value = &v })
	}
	s.at("2026-05-11 12:00", signal("locked"), message("m", worth(1), deadline("18:00")), message("n", worth(3), deadline("20:00")))
	for _, d := range s.decisions {
		require.InEpsilon(t, d.Score, d.Curve.Score[0], 0.005, d.MessageID)
		require.InEpsilon(t, d.ValueOfWaiting, d.Curve.Waiting[0], 0.005, d.MessageID)
	}
	require.Len(t, s.decisions, 3, "the second one changes the first one's runner-up")
}

// What has all but lost its worth by the deadline, here to 1e-313, is told as 0.
func TestAPlanOfWhatIsWorthNothingInTheEnd(t *testing.T) {
	t.Parallel()
	s := tell(t, "categories: {'': {delay_cost: 30}}").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("m"))
	c := s.last("m").Curve
	require.NotContains(t, fmt.Sprint(c), "NaN")
	require.Zero(t, c.Score[len(c.Score)-1])
}
