package topic_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestTopicsAreDeclaredOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tp := range topic.WithDLQs() {
		require.False(t, seen[tp.Name], "%s is declared twice", tp.Name)
		seen[tp.Name] = true
		require.NotEmpty(t, tp.Doc)
		require.Equal(t, tp.Compact, tp.RetentionHours == 0, "%s is either compacted or has a retention", tp.Name)
		found, ok := topic.ByName(tp.Name)
		require.True(t, ok)
		require.Equal(t, tp, found)
	}
	require.Len(t, seen, 2*len(topic.All))
	_, ok := topic.ByName("kairos.facts.v1")
	require.False(t, ok, "names are without prefix")
}

func TestEveryTopicHasADeadLetterTopic(t *testing.T) {
	t.Parallel()
	for _, tp := range topic.All {
		require.False(t, tp.IsDLQ())
		require.True(t, tp.DLQ().IsDLQ())
		require.Equal(t, tp.Full(topic.DefaultPrefix)+".dlq", tp.DLQ().Full(topic.DefaultPrefix))
		require.Equal(t, 14*24, tp.DLQ().RetentionHours)
		require.False(t, tp.DLQ().Pipeline, "dead letters keep the original key and partition nothing")
	}
}

func TestInputsComeFirst(t *testing.T) {
	t.Parallel()
	for i, tp := range topic.All {
		require.Equal(t, i < len(topic.Inputs), strings.HasPrefix(tp.Name, "in."), tp.Name)
	}
}

// A bucket must lie in one partition, and a doubled partition count must not split it.
func TestPartitionCounts(t *testing.T) {
	t.Parallel()
	require.Equal(t, state.Buckets, topic.MaxPartitions)
	for n := -1; n <= 600; n++ {
		power := n == 1 || n == 2 || n == 4 || n == 8 || n == 16 || n == 32 || n == 64 || n == 128 || n == 256
		require.Equal(t, power, topic.CheckPartitions(n) == nil, n)
	}
	for n := 1; n <= topic.MaxPartitions; n *= 2 {
		for _, key := range []string{"demo|a", "demo|b", "shop|user-17", "x|\u00e9", "demo|0123456789"} {
			require.Equal(t, state.Bucket(key)%n, state.Partition(key, n))
		}
	}
}
