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
		"live":          {5092, 108, 83, 27, 15708 * time.Minute},
		"own-app":       {17, 90, 66, 21, 26788 * time.Minute},
		"own-app-often": {221, 97, 73, 26, 20844 * time.Minute},
		"no-live":       {17, 87, 62, 22, 27790 * time.Minute},
		"cold":          {4054, 109, 82, 27, 17306 * time.Minute},
		"shifts":        {4190, 107, 82, 30, 17176 * time.Minute},
		"many-senders":  {4054, 543, 401, 119, 94198 * time.Minute},
		"many-capped":   {4054, 174, 126, 63, 28910 * time.Minute},
		"flaky":         {4256, 106, 80, 26, 17222 * time.Minute},
	} {
		cfg := small(name)
		r := cfg.Regimes[0]
		cfg = r.adapt(cfg)
		length := time.Duration(cfg.Days) * day
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
