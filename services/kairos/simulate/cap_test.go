package simulate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/simulate/population"
)

// Under a cap a fixed rule spends it on what comes first; production plans under it and never runs into it.
func TestTheCapHoldsForEverybody(t *testing.T) {
	t.Parallel()
	cfg := small("many-capped")
	r := cfg.Regimes[0]
	warmup := time.Duration(cfg.Warmup) * day
	length := warmup + time.Duration(cfg.Days+1)*day
	lives := make([]*person, 8)
	for i := range lives {
		lives[i] = newLife(cfg, r, population.NewPerson(&cfg.Params, cfg.Seed, i, r.Traits, length), length)
	}
	own, err := school(t.Context(), cfg, r, lives, warmup, func(int) {})
	require.NoError(t, err)
	sends := map[string]int{}
	for i, p := range lives {
		rule := depart(&cfg.Params, r, p, cfg.Seed, warmup, func(out send) strategy { return newImmediate(out) })
		for name, j := range map[string]*journey{"immediate": rule, "ours": own[i]} {
			j.arrive()
			sends[name] += len(j.sent)
			for k := r.Cap; k < len(j.sent); k++ {
				require.GreaterOrEqual(t, j.sent[k]-j.sent[k-r.Cap], day, "%s: send %d of person %d", name, k, i)
			}
		}
		require.Less(t, len(rule.sent), len(rule.settled), "the cap was met")
		require.Len(t, own[i].settled, len(own[i].sent), "ours ran into the cap")
	}
	require.Positive(t, sends["immediate"])
	require.Positive(t, sends["ours"])
}
