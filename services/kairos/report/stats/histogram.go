package stats

import (
	"time"

	"github.com/kairos-push/kairos/services/console/arms"
)

// Waits is a histogram of waiting times in the bins of the arms table, per cluster, for medians under a bootstrap: a list
// of bins is re-weighted in no time, where a list of values would have to be sorted again.
type Waits struct{ bins [][]uint8 }

// NewWaits is a histogram of n clusters.
func NewWaits(n int) *Waits { return &Waits{bins: make([][]uint8, n)} }

// Add counts one wait of a cluster; a negative one means never.
func (w *Waits) Add(cluster int, wait time.Duration) {
	if wait < 0 {
		wait = arms.Never
	}
	w.bins[cluster] = append(w.bins[cluster], arms.Bin(wait))
}

// Quantile of the waits of clusters drawn that often, within the width of a bin (9 %); arms.Never when it is never.
func (w *Waits) Quantile(drawn []float64, q float64) time.Duration {
	var all arms.Waits
	for c, bins := range w.bins {
		for _, b := range bins {
			all[b] += drawn[c]
		}
	}
	return all.Quantile(q)
}
