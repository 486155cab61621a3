package learn

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
)

// shifted is a crowd of which half live by night, and whose app says so.
func shifted(people, days int) []row {
	opposite := map[string]string{"Europe/Berlin": "Pacific/Auckland", "Asia/Tokyo": "America/Sao_Paulo", "America/New_York": "Asia/Bangkok"}
	rows := crowd("demo", people, days, 5)
	for _, r := range rows {
		if r.enriched != nil && r.enriched.Fact.UserID < "u012" {
			p := &r.enriched.Profile
			p.Cohort, p.TimeZone = "owls", opposite[p.TimeZone]
		}
	}
	return rows
}

// Those of a cohort that lives by night, and the rest by day: whoever is new to either begins with its week.
func TestWeeksAreLearned(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	play(t, l, shifted(24, 7), monday, monday.AddDate(0, 0, 7))
	m := l.Model("demo")
	day := func(w *profile.Week, from, to int) (sum float32) {
		for d := range 7 {
			for h := from; h < to; h++ {
				sum += w[24*d+h]
			}
		}
		return sum / float32(7*(to-from))
	}
	owls, all, builtin := m.Week("owls"), m.Week("larks"), score.Default().Week("")
	require.Equal(t, m.Week(""), all, "of whom nothing was learned")
	t.Logf("night and afternoon: owls %.2f %.2f, everybody %.2f %.2f, built-in %.2f %.2f",
		day(owls, 1, 5), day(owls, 13, 17), day(all, 1, 5), day(all, 13, 17), day(builtin, 1, 5), day(builtin, 13, 17))
	require.Greater(t, day(owls, 1, 5), 2*day(builtin, 1, 5))
	require.Less(t, day(owls, 13, 17), 0.9*day(builtin, 13, 17))
	require.Less(t, day(all, 1, 5), day(owls, 1, 5))
	require.InDelta(t, day(builtin, 0, 24), day(owls, 0, 24), 0.001, "the level is not learned")
	require.NotContains(t, l.Model("").Weeks, "owls", "what one app calls so may be others in another")
	require.Contains(t, l.Model("").Weeks, "")
}

// How far the week tells of those of whom nothing else is known is learned from those of whom all is: here, one in three of
// those who look at the phone in an hour is there within five minutes.
func TestStrangersAreLearnedFromOthers(t *testing.T) {
	t.Parallel()
	l := NewLearner(DefaultLimits())
	l.judges = func(uint64) bool { return false }
	week := l.global.good.Week("")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60_000 {
		hour := rng.IntN(profile.HoursOfWeek)
		e := &example{app: "demo", task: taskSeen, stranger: &stranger{"", hour}}
		if rng.Float32() < week[hour]/3 {
			e.label = 1
		}
		l.learn(&person{}, e)
	}
	_, err := l.Round(monday, nil)
	require.NoError(t, err)
	for _, hour := range []int{3, 6, 24 + 9, 24 + 13, 24 + 20} {
		e := &example{stranger: &stranger{"", hour}}
		require.InEpsilon(t, float64(week[hour]/3), chance(l.Model("demo"), e), 0.25, "hour %d; built-in %.3f", hour, chance(score.Default(), e))
	}
}

// A week of people who are seen only now and then is that of people who are seen always.
func TestAWeekOfAPart(t *testing.T) {
	t.Parallel()
	builtin := profile.DefaultWeek()
	truth := builtin
	for h := range truth {
		truth[h] = builtin[(h+9)%profile.HoursOfWeek]
	}
	for _, often := range []float32{1, 0.3, 0.05} {
		x := &tally{}
		for h, p := range truth {
			x.Of[h], x.Seen[h] = 1e6, 1e6*p*often
		}
		got := x.week(&builtin)
		for h, p := range truth {
			require.InDelta(t, p, got[h], 0.15, "seen in %v of them, hour %d", often, h)
		}
	}
}

func TestAWeekIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := &tally{}
		for h := range x.Of {
			x.Of[h] = float32(rapid.IntRange(0, 1000).Draw(t, "of"))
			x.Seen[h] = float32(rapid.IntRange(0, 1200).Draw(t, "seen"))
		}
		w := x.week(score.Default().Week(""))
		same, err := profile.UnpackWeek(w.Packed())
		require.NoError(t, err)
		require.Equal(t, w, same)
	})
}

// Hours that nobody could have known of are none in which a person was away.
func TestHoursOfAPerson(t *testing.T) {
	t.Parallel()
	at := func(hour float64) time.Time { return monday.Add(time.Duration(hour * float64(time.Hour))) }
	var seen, of []int
	p := &person{}
	record := func(now time.Time, signs ...time.Time) {
		in := &profile.Profile{Presence: p.habit}
		in.Presence.Bins = append([]byte(nil), p.habit.Bins...)
		for _, s := range signs {
			in.Presence.Count(s, time.UTC)
		}
		p.hours(in, now, func(h int, there bool) {
			if there {
				seen = append(seen, h)
			} else {
				of = append(of, h)
			}
		})
		p.follow(in, now)
	}
	record(at(1))
	record(at(3.5), at(3.4)) // the first that is known
	record(at(5.1))
	record(at(5.9), at(5.8), at(4.2))
	record(at(8.1), at(7))
	require.Equal(t, []int{4, 5, 6, 7, 8}, of)
	require.Equal(t, []int{5, 7}, seen)
	record(at(40), at(39.9)) // nobody looked for a day
	record(at(41), at(40.9))
	require.Equal(t, []int{4, 5, 6, 7, 8, 41}, of)
	require.Equal(t, []int{5, 7, 40}, seen)
}

// What is too old fades, and the least cohorts go.
func TestWeeksFade(t *testing.T) {
	t.Parallel()
	x := newTrainer("demo", score.Default())
	x.tell("few", 0, false)
	for i := range maxCohorts {
		for range 3 {
			x.tell(string(rune('A'+i)), i, i%2 == 0)
			x.tell(string(rune('A'+i)), i, false)
		}
	}
	x.Through = monday
	x.grow(monday.Add(weekHalfLife))
	require.NotContains(t, x.weeks, "few")
	require.Len(t, x.weeks, 1+maxCohorts)
	require.InDelta(t, 1.5, x.weeks["A"].Seen[0], 1e-6)
	require.InDelta(t, 1.5, x.weeks["A"].Of[0], 1e-6)
}
