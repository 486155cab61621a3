//go:build failpoint

package state

import (
	"context"
	"strconv"
)

// Adopt takes whatever fence it finds for the caller's own, as a store without fences would. It exists in the build for
// tests only, for control runs that must fail.
func (s *Store) Adopt(ctx context.Context, f *Fence, bucket int) error {
	vals, err := s.rdb.HMGet(ctx, FenceKey(s.stage, bucket), "owner", "seq").Result()
	if err != nil {
		return err
	}
	for i, field := range []*int64{&f.Owner, &f.Seq} {
		text, _ := vals[i].(string)
		if *field, err = strconv.ParseInt(text, 10, 64); err != nil {
			return ErrLost
		}
	}
	return nil
}
