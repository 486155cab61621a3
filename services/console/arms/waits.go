package arms

import (
	"math"
	"time"
)

// Never is the wait of what was not sent.
const Never = time.Duration(math.MaxInt64)

// Bins are those of a histogram of waits, on a logarithmic scale: eight to a doubling, up to about twelve days. The last
// one is Never.
const (
	Bins          = lastBin + 1
	binsPerDouble = 8
	lastBin       = 8*20 + 1
)

// Waits is a histogram of waits, by bin.
type Waits [Bins]float64

// Bin of a wait. One below zero, of clocks that differ, counts as none.
func Bin(wait time.Duration) uint8 {
	if wait == Never {
		return lastBin
	}
	return uint8(min(lastBin-1, binsPerDouble*math.Log2(1+max(0, wait.Seconds()))))
}

// Quantile within the width of a bin (9 %); Never if it was not sent, 0 if there is none.
func (w *Waits) Quantile(q float64) time.Duration {
	total := 0.0
	for _, n := range w {
		total += n
	}
	sum := 0.0
	for b, n := range w {
		if sum+n >= q*total && n > 0 {
			if b == lastBin {
				return Never
			}
			into := (q*total - sum) / n
			return time.Duration((math.Exp2((float64(b)+into)/binsPerDouble) - 1) * float64(time.Second))
		}
		sum += n
	}
	return 0
}
