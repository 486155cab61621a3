package dispatch

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kairos-push/kairos/pkg/state"
)

var (
	//go:embed swap.lua
	swapSource string

	swapScript = redis.NewScript(swapSource)
)

// trip is how many commands go to Redis at once.
const trip = 256

// errLost says that Redis has forgotten, or went back to, what it knew of a bucket.
var errLost = errors.New("dispatch: the send records of a bucket are lost")

// everyDevice is the field that stands for all devices of a release.
const everyDevice = "*"

// store keeps the send records in Redis, and the mark of each bucket.
type store struct {
	rdb   redis.UniversalClient
	swaps *batch[state.Call, *redis.Cmd]
	// writes is, for each bucket, the most records that Redis has said to have: a Redis that has fewer went back. The mark
	// alone would not show it, which is raised only now and then.
	writes [state.Buckets]atomic.Int64
}

func newStore(rdb redis.UniversalClient) *store {
	return &store{rdb: rdb, swaps: newBatch(trip, func(ctx context.Context, calls []state.Call) ([]*redis.Cmd, error) {
		return state.Run(ctx, rdb, swapScript, calls)
	})}
}

func sendKey(bucket int, releaseID string) string { return state.Tag(bucket) + ":send:" + releaseID }

func markKey(bucket int) string { return state.Tag(bucket) + ":send-mark" }

func writesKey(bucket int) string { return state.Tag(bucket) + ":send-writes" }

// place is where the record of a push lies.
type place struct {
	bucket   int
	release  string
	device   string
	lifetime time.Duration
}

// swap replaces the record of a push if it is still seen; otherwise it returns the one that is there. mark is the least
// that the bucket must know, or -1.
//
// go-redis repeats a command whose reply was lost: then the record there is the new one, and that is as good as ok,
// because no two callers write the same (an intent carries its owner's deadline; an end, its time).
func (s *store) swap(ctx context.Context, at place, seen, next Record, mark int64) (Record, bool, error) {
	call, text, err := s.swapCall(at, seen, next, mark)
	if err != nil {
		return seen, false, err
	}
	var v []string
	cmd, err := s.swaps.do(ctx, call)
	if err == nil {
		v, err = cmd.StringSlice()
	}
	switch {
	case err != nil:
		return seen, false, fmt.Errorf("dispatch: send record: %w", err)
	case len(v) == 2 && v[0] == "ok":
		n, err := recordsOf(v)
		if err != nil {
			return seen, false, err
		}
		s.wrote(at.bucket, n)
		return next, true, nil
	case len(v) == 2 && v[1] == text:
		return next, true, nil
	case len(v) == 1 && v[0] == "lost":
		return seen, false, errLost
	case len(v) == 2 && v[0] == "is":
		is, err := decodeRecord(v[1])
		return is, false, err
	default:
		return seen, false, fmt.Errorf("dispatch: swap.lua answered %q", v)
	}
}

// recordsOf is how many records a bucket has had, by the answer of swap.lua to one that it took.
func recordsOf(v []string) (int64, error) {
	n, err := strconv.ParseInt(v[len(v)-1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("dispatch: swap.lua answered %q", v)
	}
	return n, nil
}

// swapCall is a run of swap.lua, and the text of the record to write.
func (s *store) swapCall(at place, seen, next Record, mark int64) (state.Call, string, error) {
	old, err1 := seen.encode()
	text, err2 := next.encode()
	least := ""
	if mark >= 0 {
		least = strconv.FormatInt(mark, 10)
	}
	return state.Call{
		Keys: []string{sendKey(at.bucket, at.release), markKey(at.bucket), writesKey(at.bucket)},
		Args: []any{at.device, old, text, at.lifetime.Milliseconds(), least, s.writes[at.bucket].Load()},
	}, text, errors.Join(err1, err2)
}

// wrote remembers how many records a bucket has.
func (s *store) wrote(bucket int, n int64) {
	for have := s.writes[bucket].Load(); have < n && !s.writes[bucket].CompareAndSwap(have, n); {
		have = s.writes[bucket].Load()
	}
}

// renew takes the numbers of records as Redis has them now.
func (s *store) renew(ctx context.Context, buckets []int) error {
	have, err := s.numbers(ctx, buckets, writesKey, 0)
	if err != nil {
		return err
	}
	for i, b := range buckets {
		s.writes[b].Store(have[i])
	}
	return nil
}

// marks reads the marks of buckets; -1 where there is none.
func (s *store) marks(ctx context.Context, buckets []int) ([]int64, error) {
	return s.numbers(ctx, buckets, markKey, -1)
}

func (s *store) numbers(ctx context.Context, buckets []int, key func(bucket int) string, none int64) ([]int64, error) {
	cmds := make([]*redis.StringCmd, len(buckets))
	_, _ = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, b := range buckets {
			cmds[i] = p.Get(ctx, key(b))
		}
		return nil
	})
	out := make([]int64, len(buckets))
	for i, c := range cmds {
		switch v, err := c.Int64(); {
		case errors.Is(err, redis.Nil):
			out[i] = none
		case err != nil:
			return nil, fmt.Errorf("dispatch: read %s: %w", key(buckets[i]), err)
		default:
			out[i] = v
		}
	}
	return out, nil
}

// setMarks writes one mark to buckets.
func (s *store) setMarks(ctx context.Context, buckets []int, mark int64) error {
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, b := range buckets {
			p.Set(ctx, markKey(b), mark, 0)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("dispatch: write the marks: %w", err)
	}
	return nil
}

// raiseMarks raises the marks of buckets from what the owner wrote last. It says errLost, and recreates nothing, when a
// bucket has forgotten its mark or holds an older one.
func (s *store) raiseMarks(ctx context.Context, buckets []int, last, mark int64) error {
	have, err := s.marks(ctx, buckets)
	if err != nil {
		return err
	}
	for _, m := range have {
		if m < last {
			return errLost
		}
	}
	set := make([]*redis.BoolCmd, len(buckets))
	_, _ = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, b := range buckets {
			set[i] = p.SetXX(ctx, markKey(b), mark, 0)
		}
		return nil
	})
	for _, c := range set {
		switch ok, err := c.Result(); {
		case errors.Is(err, redis.Nil), err == nil && !ok:
			return errLost
		case err != nil:
			return fmt.Errorf("dispatch: raise the marks: %w", err)
		}
	}
	return nil
}
