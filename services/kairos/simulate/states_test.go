package simulate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/simulate/population"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// readings plays what a few phones of a regime report to production that knows so much, and tells every value that a profile
// showed.
func readings(r, knows Regime) map[string]bool {
	cfg := small(r.Name)
	engine := timing.NewEngine(policy.Default())
	seen := map[string]bool{}
	length := 2 * day
	for i := range 26 {
		p := newLife(cfg, r, population.NewPerson(&cfg.Params, cfg.Seed, i, r.Traits, length), length)
		o := newOurs(knows, p.Person, engine, func(time.Duration, Message) {})
		o.core = replay.NewCore(engine, replay.Sink{Enriched: func(in *profile.Enriched) {
			seen["cohort "+in.Profile.Cohort] = true
			l := &in.Profile.Devices[0].Live
			for name, value := range map[string]string{
				"call": l.Call.Value, "motion": l.Motion.Value, "headphones": l.Headphones.Value,
				"charging": l.Charging.Value, "dnd": l.DND.Value, "network": l.Network.Value, "lock": l.Lock.Value,
			} {
				if value != "" {
					seen[name+" "+value] = true
				}
			}
		}})
		o.introduce()
		for _, report := range p.life {
			o.observe(report.Arrives, report)
		}
	}
	return seen
}

// States and cohorts come as far as the profile, and not to ours, untold.
func TestStatesAndCohortsReachTheProfile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"states": {
			"call started", "call ended", "motion walking", "motion in_vehicle", "motion still", "headphones on", "headphones off",
			"charging on", "charging off", "dnd on", "dnd off", "network none", "network cellular",
		},
		"cohorts": {"cohort early", "cohort late", "cohort night"},
	} {
		r := small(name).Regimes[0]
		less, ok := r.untold()
		require.True(t, ok)
		told, untold := readings(r, r), readings(r, less)
		for _, reading := range want {
			require.True(t, told[reading], "%s: %s in %v", name, reading, told)
			require.False(t, untold[reading], "%s, untold: %s", name, reading)
		}
		require.True(t, untold["lock unlocked"])
	}
}
