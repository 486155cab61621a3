package population_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

const (
	people = 400
	days   = 14
	length = days * 24 * time.Hour
)

func world(t *testing.T, traits population.Traits) []*population.Person {
	t.Helper()
	return crowd(traits, people)
}

func crowd(traits population.Traits, n int) []*population.Person {
	all := make([]*population.Person, n)
	for i := range all {
		all[i] = population.NewPerson(&population.Default, 1, i, traits, length)
	}
	return all
}

func quantile(x []float64, q float64) float64 {
	slices.Sort(x)
	return x[int(q*float64(len(x)-1))]
}

// The figures are those that Default names; the tolerances are wide enough for the spread between phone logs.
func TestUseOfThePhone(t *testing.T) {
	t.Parallel()
	var perDay, medians []float64
	longer := map[int][2]int{0: {}, 120: {}} // seconds into the session -> stayed a minute more, all
	again := map[int][2]int{0: {}, 10: {}, 40: {}}
	for _, p := range world(t, population.Traits{}) {
		perDay = append(perDay, float64(len(p.Sessions))/days)
		var lengths []float64
		for i, s := range p.Sessions {
			lengths = append(lengths, (s.End - s.Start).Seconds())
			for at, n := range longer {
				if s.End-s.Start > time.Duration(at)*time.Second {
					n[1]++
					if s.End-s.Start > time.Duration(at+60)*time.Second {
						n[0]++
					}
					longer[at] = n
				}
			}
			if i+1 == len(p.Sessions) {
				break
			}
			gap := p.Sessions[i+1].Start - s.End
			for idle, n := range again {
				if gap > time.Duration(idle)*time.Minute {
					n[1]++
					if gap <= time.Duration(idle+5)*time.Minute {
						n[0]++
					}
					again[idle] = n
				}
			}
		}
		medians = append(medians, quantile(lengths, 0.5))
	}
	share := func(n [2]int) float64 { return float64(n[0]) / float64(n[1]) }
	t.Logf("sessions a day: 1%% %.0f, median %.0f, 99%% %.0f; median session of people: 5%% %.0f s, median %.0f, 95%% %.0f s; stays 60 s more %.2f, after 120 s %.2f; again within 5 min %.2f, after 10 idle %.2f, after 40 %.2f",
		quantile(perDay, 0.01), quantile(perDay, 0.5), quantile(perDay, 0.99), quantile(medians, .05), quantile(medians, 0.5), quantile(medians, .95), share(longer[0]), share(longer[120]), share(again[0]), share(again[10]), share(again[40]))
	require.InDelta(t, 96, quantile(perDay, 0.5), 15)
	require.Greater(t, quantile(perDay, 0.01), 10.0)
	require.Less(t, quantile(perDay, 0.99), 230.0)
	require.Greater(t, quantile(medians, 0.05), 30.0)
	require.Less(t, quantile(medians, 0.95), 95.0)
	require.InDelta(t, 0.57, share(longer[0]), 0.06)
	require.InDelta(t, 0.80, share(longer[120]), 0.05)
	require.InDelta(t, 0.54, share(again[0]), 0.05)
	require.InDelta(t, 0.31, share(again[10]), 0.05)
	require.InDelta(t, 0.14, share(again[40]), 0.04)
}

func TestAnswersToPrompts(t *testing.T) {
	t.Parallel()
	var waits, early []float64
	for _, p := range world(t, population.Traits{}) {
		rng := population.Seeded(2, p.ID, 0)
		within, answered := 0.0, 0.0
		for n := range 6 * days {
			at := time.Duration(n/6) * 24 * time.Hour
			_, offset := p.Local(at).Zone()
			at += time.Duration((10+12*rng.Float64())*float64(time.Hour)) - time.Duration(offset)*time.Second
			if at < 0 || at > length-24*time.Hour {
				continue
			}
			wait, ok := p.Answer(&population.Default, n, at)
			if !ok {
				continue
			}
			answered++
			if wait <= 5*time.Minute {
				within++
			}
			waits = append(waits, wait.Minutes())
		}
		early = append(early, within/answered)
	}
	upTo := func(minutes float64) float64 {
		n := 0
		for _, w := range waits {
			if w <= minutes {
				n++
			}
		}
		return float64(n) / float64(len(waits))
	}
	t.Logf("answered within 5 min %.3f, 10 min %.3f, 30 min %.3f; per person %.2f to %.2f", upTo(5), upTo(10), upTo(30), quantile(early, 0.05), quantile(early, 0.95))
	require.InDelta(t, 0.437, upTo(5), 0.05)
	require.InDelta(t, 0.56, upTo(10), 0.05)
	require.InDelta(t, 0.826, upTo(30), 0.06)
	require.InDelta(t, 0.20, quantile(early, 0.05), 0.08)
	require.InDelta(t, 0.68, quantile(early, 0.95), 0.08)
}

// Pushes at random times of day against none, and against the instant of an unlock, on the same people.
func TestEffectOfAPush(t *testing.T) {
	t.Parallel()
	p := &population.Default
	var pushed, alone, n float64
	logins := map[string]float64{}
	for _, person := range world(t, population.Traits{}) {
		rng := population.Seeded(3, person.ID, 0)
		for day := 1; day < days-1; day++ {
			at := time.Duration(day)*24*time.Hour + time.Duration(rng.Float64()*float64(24*time.Hour))
			if h := person.Local(at).Hour(); h < 9 || h >= 21 {
				continue
			}
			push := population.Push{Index: day, Category: day % 3, At: at}
			visits := func(fate population.Fate, from, until time.Duration) float64 {
				for _, s := range person.Sessions {
					if s.AppAt > from && s.AppAt <= until {
						return 1
					}
				}
				if fate.OpenedAt > from && fate.OpenedAt <= until {
					return 1
				}
				return 0
			}
			n++
			fate := person.React(p, push, &population.Mood{})
			pushed += visits(fate, at, at+time.Hour)
			alone += visits(population.Fate{}, at, at+time.Hour)
			logins["random"] += visits(fate, at, at+12*time.Hour)
			for name, delay := range map[string]time.Duration{"instant": time.Second, "dwell": 2 * time.Minute} {
				for _, s := range person.Sessions {
					if s.Start >= at && s.End-s.Start > delay+10*time.Second {
						push.At = s.Start + delay
						logins[name] += visits(person.React(p, push, &population.Mood{}), at, at+12*time.Hour)
						break
					}
				}
			}
		}
	}
	t.Logf("opens in the next hour: %.3f with a push, %.3f without, ratio %.2f; same-day logins random %.3f, instant %.3f, dwell %.3f, instant/random %.2f",
		pushed/n, alone/n, pushed/alone, logins["random"]/n, logins["instant"]/n, logins["dwell"]/n, logins["instant"]/logins["random"])
	require.InDelta(t, 3.5, pushed/alone, 0.5)
	require.InDelta(t, 0.84, logins["instant"]/logins["random"], 0.06)
	require.Greater(t, logins["dwell"], logins["instant"])
}

func TestOptOutsGrowWithFatigue(t *testing.T) {
	t.Parallel()
	rate := map[time.Duration]float64{}
	for _, every := range []time.Duration{24 * time.Hour, 2 * time.Hour} {
		pushes, optOuts := 0.0, 0.0
		for _, person := range world(t, population.Traits{}) {
			mood := population.Mood{}
			for i := 0; time.Duration(i)*every < length; i++ {
				pushes++
				if person.React(&population.Default, population.Push{Index: i, Category: 2, At: time.Duration(i) * every}, &mood).OptOut {
					optOuts++
				}
			}
		}
		rate[every] = optOuts / pushes
	}
	t.Logf("opt-outs per push: one a day %.5f, twelve a day %.5f", rate[24*time.Hour], rate[2*time.Hour])
	require.Greater(t, rate[2*time.Hour], 3*rate[24*time.Hour])
}

func TestTheSamePersonAndPushAlwaysEndAlike(t *testing.T) {
	t.Parallel()
	a := population.NewPerson(&population.Default, 5, 3, population.Traits{Travellers: 1}, length)
	b := population.NewPerson(&population.Default, 5, 3, population.Traits{Travellers: 1}, length)
	require.Equal(t, a, b)
	push := population.Push{Index: 4, Category: 1, At: 50 * time.Hour}
	require.Equal(t, a.React(&population.Default, push, &population.Mood{}), b.React(&population.Default, push, &population.Mood{}))
	for i, s := range a.Sessions {
		require.Less(t, s.Start, s.End)
		require.True(t, i == 0 || a.Sessions[i-1].End <= s.Start)
		require.False(t, math.IsNaN(s.End.Seconds()))
	}
}
