//go:build real

package pipetest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
)

func TestRealServers(t *testing.T)        { serve(t, pipetest.Real) }
func TestRealRedisOfOneNode(t *testing.T) { serve(t, pipetest.RealCluster) }

func TestRealRedisCluster(t *testing.T) {
	r := pipetest.StartRedis(t, pipetest.RedisOptions{Masters: 3})
	db, err := state.Open(r.Config())
	require.NoError(t, err)
	defer db.Close()
	for _, tag := range []string{"{b000}", "{b001}", "{b002}", "{b003}", "{b004}"} {
		require.NoError(t, db.Set(t.Context(), tag, tag, 0).Err())
	}
	r.FlushAll(t)
	require.Zero(t, db.Exists(t.Context(), "{b000}").Val())
}

func TestRealRedisLosesTheTailOfItsFile(t *testing.T) {
	r := pipetest.StartRedis(t, pipetest.RedisOptions{AOF: "everysec"})
	db, err := state.Open(r.Config())
	require.NoError(t, err)
	defer db.Close()
	n := r.Nodes[0]
	for _, k := range []string{"a", "b"} {
		require.NoError(t, db.Set(t.Context(), k, k, 0).Err())
	}
	n.Kill()
	n.Start(t)
	require.EqualValues(t, 2, db.Exists(t.Context(), "a", "b").Val(), "a kill loses nothing")
	n.Kill()
	n.CutAOF(t, 5)
	n.Start(t)
	require.EqualValues(t, 1, db.Exists(t.Context(), "a", "b").Val(), "a power cut loses the tail")
}

func TestRealKafkaCluster(t *testing.T) {
	k := pipetest.StartKafka(t, pipetest.KafkaOptions{Nodes: 3, Proxied: true})
	k.Nodes[2].Kill()
	k.Nodes[2].Start(t)
	require.NoError(t, k.AwaitReady(pipetest.Within(t, time.Minute)))
}
