//go:build failpoint

package state

import (
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
)

// unfencedScript is the store script without its checks, for control runs, which must fail.
var unfencedScript = func() *redis.Script {
	head, rest, _ := strings.Cut(storeSource, "local fence")
	_, body, ok := strings.Cut(rest, "local at")
	if !ok {
		panic("store.lua: the fence is not where it was")
	}
	return redis.NewScript(head + "local at" + body)
}()

func writer() *redis.Script {
	if failpoint.Off(failpoint.Fence) {
		return unfencedScript
	}
	return storeScript
}
