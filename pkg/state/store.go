package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrRefused says that a bucket has a newer owner: this one is a zombie and must let go of what it planned.
	ErrRefused = errors.New("redis: the bucket has a newer owner")
	// ErrLost says that Redis is not what this owner left: emptied, restored from an older file, or failed over to a
	// replica that was behind. What it holds must be rebuilt.
	ErrLost = errors.New("redis: the state went missing or back in time")
)

// Fence is one bucket as its owner knows it.
type Fence struct {
	Owner int64 // number of this ownership
	Seq   int64 // number of the last write; 0: not valid, to be rebuilt
	built int64 // number of writes of the rebuild that is going on
	Life  int64 // owner that rebuilt the bucket last
	// Marks: topic/partition → offset before which everything is in the states.
	Marks map[string]int64
}

// Fences are the buckets that one owner holds.
type Fences map[int]*Fence

// Mark names a position in a fence.
func Mark(topic string, partition int) string { return topic + "/" + strconv.Itoa(partition) }

// Write is one script call: the users of one bucket and how the fence moves.
type Write struct {
	Bucket int
	// Rebuild writes to a bucket that is not valid yet and leaves it so; with Open it becomes valid.
	Rebuild bool
	Open    bool
	// Seq becomes the fence's, and must be higher; not with Rebuild alone.
	Seq   int64
	Life  int64 // set with Open
	Marks map[string]int64
	Users []User
	// Journaled says that the users come from the journal; all others wait for it from now on.
	Journaled bool
	// Checkpoint says that all users that waited for the journal are in it.
	Checkpoint bool
}

// User is a state to write.
type User struct {
	Key  string
	Due  int64  // Unix milliseconds; 0 is never
	Blob []byte // empty deletes
}

// Store reads and writes the states of one stage.
type Store struct {
	rdb   redis.UniversalClient
	stage string
}

// NewStore is the Store of a stage.
func NewStore(rdb redis.UniversalClient, stage string) *Store { return &Store{rdb: rdb, stage: stage} }

// Acquire takes buckets over and says what their fences are. With rebuild it makes them invalid as well. The owner
// numbers rise with time, also after Redis was emptied; clocks that disagree by less than an outage do no harm.
func (s *Store) Acquire(ctx context.Context, buckets []int, now time.Time, rebuild bool) (Fences, error) {
	calls := make([]Call, len(buckets))
	for i, b := range buckets {
		calls[i] = Call{Keys: s.bucketKeys(b), Args: []any{now.UnixMicro(), flag(rebuild)}}
	}
	cmds, err := Run(ctx, s.rdb, acquireScript, calls)
	if err != nil {
		return nil, err
	}
	out := Fences{}
	for i, b := range buckets {
		fields, err := cmds[i].StringSlice()
		if err != nil {
			return nil, err
		}
		if out[b], err = parseFence(fields); err != nil {
			return nil, fmt.Errorf("redis: %s: %w", FenceKey(s.stage, b), err)
		}
	}
	return out, nil
}

func parseFence(fields []string) (*Fence, error) {
	f := &Fence{Marks: map[string]int64{}}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "seq" && strings.HasPrefix(fields[i+1], "b") {
			continue // of a rebuild that has begun, or did not come to its end
		}
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("field %.60q: want a whole number, got %.60q", fields[i], fields[i+1])
		}
		switch fields[i] {
		case "owner":
			f.Owner = n
		case "seq":
			f.Seq = n
		case "life":
			f.Life = n
		default:
			f.Marks[fields[i]] = n
		}
	}
	return f, nil
}

// Load reads the blobs of users, nil where there is none, in one round trip per node. The fences of their buckets are
// read after the blobs: if they are still the owner's, the blobs were.
func (s *Store) Load(ctx context.Context, fences Fences, keys []string) (map[string][]byte, error) {
	byBucket := map[int][]string{}
	for _, k := range keys {
		byBucket[Bucket(k)] = append(byBucket[Bucket(k)], k)
	}
	buckets := slices.Sorted(maps.Keys(byBucket))
	values := make([]*redis.SliceCmd, len(buckets))
	held := make([]*redis.SliceCmd, len(buckets))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, b := range buckets {
			names := make([]string, len(byBucket[b]))
			for j, k := range byBucket[b] {
				names[j] = UserKey(s.stage, k)
			}
			values[i] = p.MGet(ctx, names...)
			held[i] = p.HMGet(ctx, FenceKey(s.stage, b), "owner", "seq")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(keys))
	for i, b := range buckets {
		if err := fences[b].check(held[i].Val()); err != nil {
			return nil, err
		}
		for j, v := range values[i].Val() {
			if text, ok := v.(string); ok && lifeOf([]byte(text)) == fences[b].Life {
				out[byBucket[b][j]] = []byte(text)
			}
		}
	}
	return out, nil
}

// Verify reads the fences again: nil if they are as the owner left them.
func (s *Store) Verify(ctx context.Context, fences Fences) error {
	held := make(map[int]*redis.SliceCmd, len(fences))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for b := range fences {
			held[b] = p.HMGet(ctx, FenceKey(s.stage, b), "owner", "seq")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for b, cmd := range held {
		if err := fences[b].check(cmd.Val()); err != nil {
			return err
		}
	}
	return nil
}

// version is the sequence as the fence in Redis has it.
func version(seq, built int64) string {
	if seq == 0 {
		return "b" + strconv.FormatInt(built, 10)
	}
	return strconv.FormatInt(seq, 10)
}

// check compares owner and seq, as HMGET gave them, with what this owner left.
func (f *Fence) check(vals []any) error {
	text, _ := vals[0].(string)
	owner, _ := strconv.ParseInt(text, 10, 64) // none is 0: lower than any
	switch seq, _ := vals[1].(string); {
	case owner > f.Owner:
		return ErrRefused
	case owner < f.Owner || seq != version(f.Seq, f.built):
		return ErrLost
	default:
		return nil
	}
}

// Store does the writes in one round trip per node and moves the fences along. Writes of different buckets are
// independent: after an error some may have been done, and doing all of them again is right.
func (s *Store) Store(ctx context.Context, fences Fences, writes []Write) error {
	calls := make([]Call, len(writes))
	for i, w := range writes {
		calls[i] = s.storeCall(fences[w.Bucket], w)
	}
	cmds, err := Run(ctx, s.rdb, writer(), calls)
	if err != nil {
		return err
	}
	for _, cmd := range cmds {
		switch n, err := cmd.Int(); {
		case err != nil:
			return err
		case n < 0:
			return ErrRefused
		case n == 0:
			return ErrLost
		}
	}
	for _, w := range writes {
		w.settle(fences[w.Bucket])
	}
	return nil
}

// settle makes the fence what the write made it in Redis.
func (w Write) settle(f *Fence) {
	if w.Rebuild && !w.Open {
		f.built++
	} else {
		f.Seq = w.Seq
	}
	if w.Open {
		f.Life = w.Life
	}
	maps.Copy(f.Marks, w.Marks)
}

func (s *Store) storeCall(f *Fence, w Write) Call {
	want, next := version(f.Seq, f.built), version(w.Seq, 0)
	if w.Rebuild && !w.Open {
		next = version(0, f.built+1)
	}
	keys := append(make([]string, 0, 3+len(w.Users)), s.bucketKeys(w.Bucket)...)
	fields := len(w.Marks)
	if w.Open {
		fields++
	}
	args := make([]any, 0, 6+2*fields+3*len(w.Users))
	args = append(args, f.Owner, want, next, flag(!w.Journaled), flag(w.Checkpoint), fields)
	for name, offset := range w.Marks {
		args = append(args, name, offset)
	}
	if w.Open {
		args = append(args, "life", w.Life)
	}
	for _, u := range w.Users {
		keys = append(keys, UserKey(s.stage, u.Key))
		due := ""
		if u.Due != 0 {
			due = strconv.FormatInt(u.Due, 10)
		}
		args = append(args, u.Key, due, u.Blob)
	}
	return Call{Keys: keys, Args: args}
}

func (s *Store) bucketKeys(bucket int) []string {
	return []string{FenceKey(s.stage, bucket), DueKey(s.stage, bucket), DirtyKey(s.stage, bucket)}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

const page = 4096

// Due calls fn with every wake-up of a bucket. The caller owns it, so the set stands still.
func (s *Store) Due(ctx context.Context, bucket int, fn func(key string, ms int64)) error {
	for from := int64(0); ; from += page {
		got, err := s.rdb.ZRangeWithScores(ctx, DueKey(s.stage, bucket), from, from+page-1).Result()
		if err != nil {
			return err
		}
		for _, z := range got {
			fn(z.Member.(string), int64(z.Score))
		}
		if len(got) < page {
			return nil
		}
	}
}

// Dirty are the users of a bucket that changed since the last checkpoint; the shell bounds their number.
func (s *Store) Dirty(ctx context.Context, bucket int) ([]string, error) {
	return s.rdb.SMembers(ctx, DirtyKey(s.stage, bucket)).Result()
}
