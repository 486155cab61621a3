//go:build real

package fold

import (
	"testing"

	"github.com/kairos-push/kairos/pkg/pipetest"
)

func TestLostRedisOnRealServers(t *testing.T) {
	t.Run("redis", func(t *testing.T) { lostRedis(t, pipetest.Real) })
	t.Run("cluster", func(t *testing.T) { lostRedis(t, pipetest.RealCluster) })
}

func BenchmarkShellOnRealServers(b *testing.B) { shell(b, pipetest.Real) }
