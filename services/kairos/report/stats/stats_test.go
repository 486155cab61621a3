package stats_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/report/stats"
)

// The interval of a mean of clustered values must hold the truth about 95 times in 100; one that ignores the
// clusters holds it far less often.
func TestIntervalsHoldTheTruthAsOftenAsTheySay(t *testing.T) {
	t.Parallel()
	const people, each, trials = 60, 20, 200
	rng := rand.New(rand.NewPCG(1, 2))
	held := 0
	for trial := range trials {
		sums := make([]float64, people)
		counts := make([]float64, people)
		for p := range people {
			level := rng.NormFloat64()
			for range each {
				sums[p] += level + rng.NormFloat64()
				counts[p]++
			}
		}
		iv := stats.Bootstrap(people, 300, uint64(trial), func(drawn []float64) []float64 {
			return []float64{stats.Sum(drawn, sums) / stats.Sum(drawn, counts)}
		})[0]
		if iv.Low <= 0 && 0 <= iv.High {
			held++
		}
	}
	require.InDelta(t, 0.95, float64(held)/trials, 0.05)
}

func TestTheSameSeedGivesTheSameInterval(t *testing.T) {
	t.Parallel()
	f := func(drawn []float64) []float64 { return []float64{drawn[0] + 2*drawn[1], drawn[2]} }
	first := stats.Bootstrap(3, 50, 9, f)
	require.Equal(t, first, stats.Bootstrap(3, 50, 9, f))
	require.NotEqual(t, stats.Bootstrap(3, 50, 9, f), stats.Bootstrap(3, 50, 10, f))
}

func TestWaitsAreRightWithinABin(t *testing.T) {
	t.Parallel()
	w := stats.NewWaits(2)
	for s := range 1000 {
		w.Add(s%2, time.Duration(s)*time.Second)
	}
	require.InEpsilon(t, 500*time.Second, w.Quantile([]float64{1, 1}, 0.5), 0.09)
	for range 3000 {
		w.Add(1, -1)
	}
	require.Greater(t, w.Quantile([]float64{1, 1}, 0.5), 1000*time.Hour, "most are never")
	require.Less(t, w.Quantile([]float64{1, 0}, 0.5), 1000*time.Second, "but not of the first person")
}
