package profile

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

func TestWeekWithoutHistoryIsTheGlobalShape(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	require.Equal(t, g, new(Presence).Week(&g, monday))
}

func TestWeekLearnsLevelThenHourOfDayThenHourOfWeek(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	var p Presence
	for week := range 26 { // at 03:00 every day, and on Tuesdays at 14:00; nothing else
		for day := range 7 {
			p.Count(monday.Add(time.Duration(week*168+day*24+3)*time.Hour), time.UTC)
			if day == 1 {
				p.Count(monday.Add(time.Duration(week*168+24+14)*time.Hour), time.UTC)
			}
		}
	}
	w := p.Week(&g, monday.Add(26*168*time.Hour))
	for day := range 7 {
		require.Greater(t, w[day*24+3], float32(0.6), "an hour of day that is always there")
		require.Less(t, w[day*24+20], float32(0.1), "a waking hour in which the person never is")
	}
	require.Greater(t, w[24+14], 2*w[48+14], "the day of the week that has the habit")
	require.Less(t, w[48+14], g[48+14], "and the others below the global shape")
}

func TestWeekIsUnbiased(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	rng := rand.New(rand.NewPCG(1, 2))
	var p Presence
	const weeks = 52
	for h := range weeks * 168 { // a person whose truth is 0.7 times the shape
		if rng.Float64() < 0.7*float64(g[h%168]) {
			p.Count(monday.Add(time.Duration(h)*time.Hour), time.UTC)
		}
	}
	w := p.Week(&g, monday.Add(weeks*168*time.Hour))
	var got, want float64
	for h := range w {
		got += float64(w[h])
		want += 0.7 * float64(g[h])
	}
	require.InEpsilon(t, want, got, 0.04)
}

func TestPresenceFadesWithAHalfLifeOfEightWeeks(t *testing.T) {
	t.Parallel()
	var p Presence
	p.Count(monday, time.UTC)
	at := func(weeks int) float64 { return scale(p.Hour, monday.Add(time.Duration(weeks)*7*24*time.Hour)) }
	require.InEpsilon(t, at(0)/2, at(8), 1e-9)
	require.InEpsilon(t, 1, float64(get(p.Bins, 0))*at(0), 0.05)
}

func TestAnHourCountsOnce(t *testing.T) {
	t.Parallel()
	var p Presence
	require.True(t, p.Count(monday.Add(10*time.Minute), time.UTC))
	require.False(t, p.Count(monday.Add(20*time.Minute), time.UTC))
	require.True(t, p.Count(monday.Add(70*time.Hour), time.UTC))
	require.False(t, p.Count(monday.Add(50*time.Minute), time.UTC), "too late to know")
	require.True(t, p.Count(monday.Add(20*time.Hour), time.UTC), "late, but known not to have counted")
	require.Equal(t, monday, p.Since)
}

// Signs of presence may come in any order within Lateness, and any number of times, over changes of the reference too.
func TestPresenceDoesNotDependOnTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	loc, err := event.Zone("Europe/Berlin")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		start := reference(unixHour(monday)) + halfLifeHours - rapid.Int64Range(0, 200).Draw(t, "before the reference moves")
		hours := rapid.SliceOfN(rapid.Int64Range(0, Lateness-1), 1, 60).Draw(t, "hours")
		var inOrder, mixed Presence
		for _, jump := range []int64{0, 2 * halfLifeHours} { // and after a pause of months
			for h := range int64(Lateness) {
				for _, x := range hours {
					if x == h {
						inOrder.Count(time.Unix((start+jump+h)*3600, 0).UTC(), loc)
					}
				}
			}
			for _, x := range hours {
				mixed.Count(time.Unix((start+jump+x)*3600, 0).UTC(), loc)
			}
		}
		require.Equal(t, inOrder, mixed)
	})
}

func TestHourOfWeekFollowsTheWallClock(t *testing.T) {
	t.Parallel()
	berlin, err := event.Zone("Europe/Berlin")
	require.NoError(t, err)
	for _, c := range []struct {
		at   string
		want int
	}{
		{"2026-03-02T00:00:00Z", 1},           // Monday 01:00
		{"2026-03-01T23:30:00Z", 0},           // Monday 00:30
		{"2026-03-29T00:59:00Z", 6*24 + 1},    // Sunday, 01:59 winter time
		{"2026-03-29T01:00:00Z", 6*24 + 3},    // 03:00 summer time: 02:xx does not exist
		{"2026-10-25T00:30:00Z", 6*24 + 2},    // 02:30 summer time
		{"2026-10-25T01:30:00Z", 6*24 + 2},    // 02:30 winter time: the hour comes twice
		{"2026-12-31T22:59:59.9Z", 3*24 + 23}, // Thursday 23:59
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, HourOfWeek(at, berlin), c.at)
	}
	for _, bad := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd"} {
		require.Equal(t, time.UTC, (&Profile{TimeZone: bad}).Location())
	}
}

// A first sign with a wrong date, or a long time without the app, does not make a habit of absence.
func TestAHabitBeginsAnewAfterALongSilence(t *testing.T) {
	t.Parallel()
	global := DefaultWeek()
	start := time.Date(2026, 5, 11, 0, 0, 0, 0, time.UTC)
	chance := func(first time.Time) float32 {
		var p Presence
		if !first.IsZero() {
			p.Count(first, time.UTC)
		}
		for at := start; at.Before(start.AddDate(0, 0, 7)); at = at.Add(time.Hour) {
			if h := at.Hour(); h >= 8 && h < 23 {
				p.Count(at, time.UTC)
			}
		}
		now := start.AddDate(0, 0, 8).Add(13 * time.Hour)
		week := p.Week(&global, now)
		return week[HourOfWeek(now, time.UTC)]
	}
	clean := chance(time.Time{})
	require.Greater(t, clean, float32(0.6))
	require.InDelta(t, clean, chance(time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)), 1e-6)
	require.InDelta(t, clean, chance(start.AddDate(0, -6, 0)), 1e-6)
}

func BenchmarkWeek(b *testing.B) {
	p, g := full(), DefaultWeek()
	b.ReportAllocs()
	for b.Loop() {
		p.Presence.Week(&g, monday)
	}
}

func TestWeightsDoubleInEightWeeksAndHalveExactly(t *testing.T) {
	t.Parallel()
	for week, w := range weights {
		require.InDelta(t, one*math.Exp2((float64(week)+0.5)/8), float64(w), 0.6)
	}
	require.Zero(t, weights[7]%2, "a late count of the last week is halved without a rest")
	require.Equal(t, uint32(weights[7]/2), weight(-1, 0))
	require.Equal(t, uint32(weights[0]), weight(0, 0))
	require.Zero(t, weight(-1<<40, 0))
}
