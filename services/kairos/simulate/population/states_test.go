package population_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// States go on for as long as Default says, by day, and a push meets what they do to it.
func TestStates(t *testing.T) {
	t.Parallel()
	p := &population.Default
	var calls, wheel []float64
	inUse, hidden, atNight, nights, used, usedPlain := 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
	driven := func(p *population.Person, sessions []population.Session) (n float64) {
		for _, s := range sessions {
			if p.In(population.Driving, s.Start) {
				n++
			}
		}
		return n
	}
	for i, person := range crowd(population.Traits{States: true}, raced.Size(people, 100)) {
		if i < 40 {
			plain := population.NewPerson(p, 1, i, population.Traits{}, length)
			left := slices.DeleteFunc(slices.Clone(plain.Sessions), func(s population.Session) bool {
				_, there := slices.BinarySearchFunc(person.Sessions, s.Start, func(s population.Session, at time.Duration) int { return cmp.Compare(s.Start, at) })
				return !there
			})
			require.True(t, slices.Equal(left, person.Sessions), "people live as they did, but for what a driver leaves alone")
			require.Equal(t, plain.Offline, person.Offline)
			used, usedPlain = used+driven(person, person.Sessions), usedPlain+driven(person, plain.Sessions)
		}
		calls = append(calls, float64(len(person.States[population.Calling]))/days)
		drove := time.Duration(0)
		for s, spans := range person.States {
			for i, span := range spans {
				require.Less(t, span.From, span.To)
				require.True(t, i == 0 || spans[i-1].To <= span.From, "state %d", s)
				if population.State(s) == population.Driving {
					drove += span.To - span.From
				}
			}
		}
		wheel = append(wheel, drove.Minutes()/days)
		for _, s := range person.Sessions {
			if s.End-s.Start < 2*time.Minute {
				continue
			}
			inUse++
			if at := s.Start + 2*time.Minute; person.Free(at) > at {
				hidden++
			}
		}
		for day := range days {
			nights++
			local := person.Local(time.Duration(day) * 24 * time.Hour)
			if person.In(population.Charging, time.Date(local.Year(), local.Month(), local.Day(), 4, 0, 0, 0, local.Location()).Sub(population.Epoch)) {
				atNight++
			}
		}
	}
	mean := func(x []float64) (sum float64) {
		for _, v := range x {
			sum += v / float64(len(x))
		}
		return sum
	}
	t.Logf("calls a day: median %.1f, mean %.1f; minutes at the wheel %.0f; two minutes into a use of the phone nobody would notice %.3f; on a charger at four in the morning %.2f",
		quantile(calls, 0.5), mean(calls), mean(wheel), hidden/inUse, atNight/nights)
	require.InDelta(t, 5, quantile(calls, 0.5), 1)
	require.InDelta(t, 51, mean(wheel), 8)
	require.InDelta(t, p.NightCharged, atNight/nights, 0.1)
	require.InDelta(t, p.DrivingUse, used/usedPlain, 0.06)
	require.InDelta(t, 0.08, hidden/inUse, 0.05)
}

// Pushes in the middle of a state in which nobody notices one, and on a phone that is not in use right after a call, and an hour later.
func TestStatesBearOnAPush(t *testing.T) {
	t.Parallel()
	p := &population.Default
	var n, seenAfter, seenLater, openedAfter, openedLater float64
	for _, person := range crowd(population.Traits{States: true}, raced.Size(people, 100)) {
		send := func(at time.Duration) (seen, opened float64) {
			fate := person.React(p, population.Push{Index: int(at / time.Second), At: at}, &population.Mood{})
			if fate.NoticedAt > 0 {
				require.Equal(t, person.Free(fate.NoticedAt), fate.NoticedAt, "noticed while nobody could")
				if fate.NoticedAt-at <= 5*time.Minute {
					seen = 1
					if fate.OpenedAt > 0 {
						opened = 1
					}
				}
			}
			return seen, opened
		}
		for _, s := range []population.State{population.Calling, population.Driving, population.DoNotDisturb} {
			for _, spell := range person.States[s] {
				if at := (spell.From + spell.To) / 2; person.Free(at)-at > 5*time.Minute {
					seen, _ := send(at)
					require.Zero(t, seen)
				}
			}
		}
		for _, call := range person.States[population.Calling] {
			after, later := call.To+time.Second, call.To+time.Hour
			_, using := person.SessionAt(after)
			_, usingLater := person.SessionAt(later)
			if using || usingLater || person.Free(after) > after || person.Free(later) > later {
				continue
			}
			n++
			seen, opened := send(after)
			seenAfter, openedAfter = seenAfter+seen, openedAfter+opened
			seen, opened = send(later)
			seenLater, openedLater = seenLater+seen, openedLater+opened
		}
	}
	t.Logf("after a call noticed %.3f, opened at once %.3f; an hour later %.3f, %.3f", seenAfter/n, openedAfter/n, seenLater/n, openedLater/n)
	require.Greater(t, seenAfter, 1.5*seenLater)
	require.Greater(t, openedAfter/seenAfter, 1.05*openedLater/seenLater)
}
