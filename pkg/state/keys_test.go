package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/state"
)

// The values are those of org.apache.kafka.common.utils.Utils.murmur2 in its own test.
func TestMurmur2IsTheJavaClients(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		require.Equal(t, want, int32(state.Murmur2([]byte(text))), text)
	}
}

func TestABucketLiesInOnePartition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		for n := 1; n <= state.Buckets; n *= 2 {
			require.Equal(t, state.Partition(key, n), state.Bucket(key)%n)
		}
	})
}

func TestKeysOfAUserShareATag(t *testing.T) {
	t.Parallel()
	b := state.Bucket("demo|alice")
	for _, k := range []string{state.UserKey("timing", "demo|alice"), state.FenceKey("timing", b), state.DueKey("timing", b)} {
		require.Contains(t, k, state.Tag(b))
		require.Equal(t, state.Tag(b), k[:6])
	}
}
