package stats

import (
	"math"
	"time"
)

// Waits is a histogram of waiting times on a logarithmic scale, per cluster, for medians under a bootstrap: a list
// of bins is re-weighted in no time, where a list of values would have to be sorted again.
type Waits struct{ bins [][]uint8 }

const (
	binsPerDoubling = 8
	lastBin         = 8*20 + 1 // about twelve days; never is counted there too
)

// NewWaits is a histogram of n clusters.
func NewWaits(n int) *Waits { return &Waits{bins: make([][]uint8, n)} }

// Add counts one wait of a cluster; a negative one means never.
func (w *Waits) Add(cluster int, wait time.Duration) {
	bin := lastBin
	if wait >= 0 {
		bin = min(lastBin-1, int(binsPerDoubling*math.Log2(1+wait.Seconds())))
	}
	w.bins[cluster] = append(w.bins[cluster], uint8(bin))
}

// Quantile of the waits of clusters drawn that often, within the width of a bin (9 %). +Inf when it is never.
func (w *Waits) Quantile(drawn []float64, q float64) time.Duration {
	var count [lastBin + 1]float64
	total := 0.0
	for c, bins := range w.bins {
		for _, b := range bins {
			count[b] += drawn[c]
			total += drawn[c]
		}
	}
	sum := 0.0
	for b, n := range count {
		if sum+n >= q*total && n > 0 {
			if b == lastBin {
				return time.Duration(math.MaxInt64)
			}
			into := (q*total - sum) / n
			return time.Duration((math.Exp2((float64(b)+into)/binsPerDoubling) - 1) * float64(time.Second))
		}
		sum += n
	}
	return 0
}
