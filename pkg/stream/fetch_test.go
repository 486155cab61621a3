package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAnswersAreOfFewBatches: a page of 64 KiB is needed for each, so the second answer from a log of batches of any size has no
// more than is good, unless one batch alone is that large; and large batches come in answers as large as they may be.
func TestAnswersAreOfFewBatches(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	require.Equal(t, 4<<10, resize(4<<10, 1000, 4<<10), "never above what is configured")
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(70, most).Draw(t, "bytes of a batch")
		batches := func(bytes int) int { return max(1, bytes/size) }
		bytes := firstBytes
		for range 10 {
			bytes = resize(bytes, batches(bytes), most)
			require.LessOrEqual(t, bytes, most)
			require.LessOrEqual(t, batches(bytes), mostBatches)
		}
		require.GreaterOrEqual(t, 4*batches(bytes)*size, min(most, mostBatches*size), "nor is it asked for less than is good")
	})
}
