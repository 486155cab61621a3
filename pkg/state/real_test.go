//go:build real

package state_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/state"
)

func openReal(o pipetest.RedisOptions) func(*testing.T) redis.UniversalClient {
	return func(t *testing.T) redis.UniversalClient {
		t.Helper()
		rdb, err := state.Open(pipetest.StartRedis(t, o).Config())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, rdb.Close()) })
		return rdb
	}
}

func TestStoreOnRealRedis(t *testing.T) {
	conformance(t, openReal(pipetest.RedisOptions{}))
}

func TestStoreOnRealCluster(t *testing.T) {
	conformance(t, openReal(pipetest.RedisOptions{Masters: 1}))
}
