package simulate

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

func small(regimes ...string) Config {
	c := Cmd{People: raced.Size(40, 12), Days: 3, Warmup: 4, Hold: 4 * time.Hour, Seed: 1, Regime: regimes}
	cfg, err := c.config()
	if err != nil {
		panic(err)
	}
	return cfg
}

func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	t.Parallel()
	a, err := Run(t.Context(), small("live", "flaky"))
	require.NoError(t, err)
	b, err := Run(t.Context(), small("live", "flaky"))
	require.NoError(t, err)
	require.Equal(t, a, b)
}

// What must hold in any regime for the comparison to mean anything: everybody gets the same messages, nothing goes
// twice, early or past its deadline, and nobody does better than whoever knows the future.
func TestEveryPolicyPlaysByTheRules(t *testing.T) {
	t.Parallel()
	cfg := small()
	for _, r := range cfg.Regimes[:raced.Size(len(cfg.Regimes), 3)] {
		courses, _, err := play(t.Context(), cfg, r, func(float64) {})
		require.NoError(t, err)
		attended := make([]float64, len(Names))
		for k := range Names {
			for i, c := range courses[k] {
				require.InDelta(t, courses[immediate][i].messages, c.messages, 0, "%s, %s", r.Name, Names[k])
				require.LessOrEqual(t, c.sends, c.messages)
				require.Len(t, c.waits, int(c.messages))
				for _, d := range c.delays {
					require.GreaterOrEqual(t, d, time.Duration(0))
					require.LessOrEqual(t, d, r.Hold)
				}
				attended[k] += c.attended
			}
		}
		for k := range Names { // luck differs a little where the times do
			require.LessOrEqual(t, attended[k], 1.05*attended[oracle]+5, "%s, %s", r.Name, Names[k])
		}
		require.Greater(t, attended[oracle], 1.5*attended[immediate], "%s: there is something to win", r.Name)
		for _, c := range courses[immediate] {
			for _, d := range c.delays {
				require.Zero(t, d)
			}
		}
	}
}

func TestUnlockRulesWaitForTheirSign(t *testing.T) {
	t.Parallel()
	var sends []time.Duration
	for _, tt := range []struct {
		name  string
		dwell time.Duration
		signs []report
		want  time.Duration
	}{
		{"at the unlock", 0, []report{{Sign: unlocked, Arrives: 10 * time.Minute}}, 10 * time.Minute},
		{"after the dwell", 2 * time.Minute, []report{{Sign: unlocked, Arrives: 10 * time.Minute}}, 12 * time.Minute},
		{"not if it was locked", 2 * time.Minute, []report{{Sign: unlocked, Arrives: 10 * time.Minute}, {Sign: locked, Arrives: 11 * time.Minute}}, time.Hour},
		{"the app is a sign", 0, []report{{Sign: appOpened, Arrives: 20 * time.Minute}}, 20 * time.Minute},
		{"without a sign at the deadline", 0, nil, time.Hour},
	} {
		sends = nil
		u := &onUnlock{dwell: tt.dwell, send: func(now time.Duration, _ Message) { sends = append(sends, now) }}
		u.offer(0, Message{Deadline: time.Hour})
		settle := func(until time.Duration) {
			for at, ok := u.due(); ok && at <= until; at, ok = u.due() {
				u.wake(at)
			}
		}
		for _, s := range tt.signs {
			settle(s.Arrives - 1)
			u.observe(s.Arrives, s)
		}
		settle(2 * time.Hour)
		require.Equal(t, []time.Duration{tt.want}, sends, tt.name)
	}
}

func TestBestSlotIsTheBestHourOfTheWindow(t *testing.T) {
	t.Parallel()
	p := population.NewPerson(&population.Default, 1, 1, population.Traits{}, 24*time.Hour)
	now := 10*time.Hour + 20*time.Minute
	favourite := p.Local(now + 2*time.Hour).Hour()
	at := bestSlot(p, now, now+4*time.Hour, func(h int) float64 {
		if h == favourite {
			return 1
		}
		return 0
	})
	require.Equal(t, favourite, p.Local(at).Hour())
	require.Less(t, at-now, 2*time.Hour, "the beginning of that hour")
	require.Equal(t, now, bestSlot(p, now, now+4*time.Hour, func(int) float64 { return 1 }), "among equals the earliest")
}

func TestReportAndTable(t *testing.T) {
	t.Parallel()
	cfg := small("cohorts") // in which every policy is played
	results, err := Run(t.Context(), cfg)
	require.NoError(t, err)
	var table, html bytes.Buffer
	require.NoError(t, Print(&table, results))
	require.NoError(t, page(cfg, results).Write(&html))
	for _, name := range Names {
		require.Contains(t, table.String(), name)
		require.Contains(t, html.String(), name)
	}
	require.Contains(t, table.String(), "ours over ours, untold: ")
}

func BenchmarkOurs(b *testing.B) {
	cfg := small("live")
	engine := timing.NewEngine(policy.Default())
	r := cfg.Regimes[0]
	who := newLife(cfg, r, population.NewPerson(&cfg.Params, 1, 1, r.Traits, 14*day), 14*day)
	b.ReportAllocs()
	for b.Loop() {
		j, _ := enrol(cfg, r, who, 0, engine)
		j.arrive()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(who.life)), "ns/signal")
}
