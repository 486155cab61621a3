//go:build !failpoint

package state

import "github.com/redis/go-redis/v9"

func writer() *redis.Script { return storeScript }
