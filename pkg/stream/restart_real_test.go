//go:build real

package stream_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
)

func TestRealRestart(t *testing.T) {
	t.Parallel()
	k := pipetest.StartKafka(t, pipetest.KafkaOptions{})
	f := open(t, stream.Config{Brokers: k.Brokers(), Prefix: "kairos."})
	survives(t, f, 1, func(rounds *atomic.Int64) {
		await(t, rounds, 50)
		k.Nodes[0].Kill()
		k.Nodes[0].Start(t)
		await(t, rounds, 50)
	})
}

// TestRealFailover kills and freezes nodes of three, one at a time, and times how long writing stood still.
func TestRealFailover(t *testing.T) {
	t.Parallel()
	k := pipetest.StartKafka(t, pipetest.KafkaOptions{Nodes: 3})
	f := open(t, stream.Config{Brokers: k.Brokers(), Prefix: "kairos."})
	survives(t, f, 3, func(rounds *atomic.Int64) {
		await(t, rounds, 50)
		for i, n := range k.Nodes {
			began := time.Now()
			if i == 1 {
				n.Stop()
			} else {
				n.Kill()
			}
			await(t, rounds, 50*partitions)
			t.Logf("node %d gone: 50 rounds of each partition after %v", i+1, time.Since(began).Round(time.Millisecond))
			if i == 1 {
				n.Cont()
			} else {
				n.Start(t)
			}
			require.NoError(t, k.AwaitReady(within(t)))
			await(t, rounds, 50*partitions)
		}
	})
}
