package simulate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// What came of a few people in the regimes that were there before phones had states and apps knew cohorts: no draw of theirs
// may move. Ours is left out, as it gets better.
func TestNewRegimesLeaveTheOthersAsTheyWere(t *testing.T) {
	t.Parallel()
	type figures struct {
		reports                   int
		reached, attended, opened float64
		waited                    time.Duration
	}
	for name, want := range map[string]figures{
		"live":          {15436, 340, 265, 95, 50211 * time.Minute},
		"own-app":       {58, 281, 213, 86, 87450 * time.Minute},
		"own-app-often": {644, 282, 204, 94, 71320 * time.Minute},
		"no-live":       {58, 274, 205, 87, 90020 * time.Minute},
		"cold":          {12362, 335, 256, 92, 57505 * time.Minute},
		"shifts":        {12409, 347, 260, 97, 55432 * time.Minute},
		"many-senders":  {12362, 1379, 1034, 244, 232587 * time.Minute},
		"many-capped":   {12362, 470, 354, 135, 78909 * time.Minute},
		"flaky":         {12995, 324, 250, 89, 56694 * time.Minute},
	} {
		cfg := small(name)
		r := cfg.Regimes[0]
		cfg = r.adapt(cfg)
		length := 9 * day // two weeks' shifts
		var got figures
		for i := range 10 {
			p := newLife(cfg, r, population.NewPerson(&cfg.Params, cfg.Seed, i, r.Traits, length), length)
			got.reports += len(p.life)
			for _, k := range []int{hourBandit, unlockDwell, oracle} {
				c := depart(&cfg.Params, r, p, cfg.Seed, 0, func(out send) strategy { return choose(k, cfg, p, &hours{}, out) }).arrive()
				got.reached += c.reached
				got.attended += c.attended
				got.opened += c.opens
				for _, w := range c.waits {
					got.waited += w
				}
			}
		}
		got.waited = got.waited.Round(time.Minute)
		require.Equal(t, want, got, name)
	}
}
