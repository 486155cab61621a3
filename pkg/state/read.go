package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Read gives the state of a user of a stage to whoever does not own it, as the owner stored it last; nil if there is none.
// While the bucket is being rebuilt, or no owner has been there yet, nothing can be said: ErrLost.
func Read(ctx context.Context, rdb redis.UniversalClient, stage, key string) ([]byte, error) {
	var blob, life *redis.StringCmd
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		blob, life = p.Get(ctx, UserKey(stage, key)), p.HGet(ctx, FenceKey(stage, Bucket(key)), "life")
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	current, err := life.Int64()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("%w: %s is being rebuilt", ErrLost, stage)
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %s: life: %w", FenceKey(stage, Bucket(key)), err)
	}
	packed := []byte(blob.Val())
	if lifeOf(packed) != current {
		return nil, nil
	}
	b, err := DecodeBlob(packed)
	if err != nil {
		return nil, err
	}
	return b.State, nil
}
