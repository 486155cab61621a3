package state_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
)

func openMini(t *testing.T) redis.UniversalClient {
	t.Helper()
	m := miniredis.NewMiniRedis()
	t.Cleanup(m.Close)
	rdb, err := state.Open(state.Config{
		Addrs:  []string{"127.0.0.1:6379"},
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	return rdb
}

func TestStoreOnMiniredis(t *testing.T) {
	t.Parallel()
	conformance(t, openMini)
}

// conformance is what Store promises, on any Redis. open gives an empty one.
func conformance(t *testing.T, open func(*testing.T) redis.UniversalClient) {
	t.Run("fresh, opened, stored, loaded", func(t *testing.T) {
		s, f := fresh(t, open(t))
		keys := usersOf(t, bucketA, 3)
		write(t, s, f, state.User{Key: keys[0], Blob: blob(t, f, "a"), Due: 7}, state.User{Key: keys[1], Blob: blob(t, f, "b")})
		got, err := s.Load(t.Context(), f, keys)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, "a", content(t, got[keys[0]]))
		require.Equal(t, map[string]int64{keys[0]: 7}, due(t, s, bucketA))
		require.NoError(t, s.Verify(t.Context(), f))

		write(t, s, f, state.User{Key: keys[0]}, state.User{Key: keys[1], Due: 9, Blob: blob(t, f, "b2")})
		got, err = s.Load(t.Context(), f, keys)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, map[string]int64{keys[1]: 9}, due(t, s, bucketA))
	})
	t.Run("the next owner finds the marks", func(t *testing.T) {
		rdb := open(t)
		s, f := fresh(t, rdb)
		require.NoError(t, s.Store(t.Context(), f, []state.Write{{Bucket: bucketA, Seq: f[bucketA].Seq + 1, Marks: map[string]int64{"facts.v1/3": 117}}}))
		g, err := s.Acquire(t.Context(), []int{bucketA, bucketB}, now, false)
		require.NoError(t, err)
		require.Equal(t, int64(117), g[bucketA].Marks[state.Mark("facts.v1", 3)])
		require.Equal(t, f[bucketA].Seq, g[bucketA].Seq)
		require.Equal(t, f[bucketA].Life, g[bucketA].Life)
		require.Greater(t, g[bucketA].Owner, f[bucketA].Owner)
	})
	t.Run("users wait for the journal until the checkpoint", func(t *testing.T) {
		s, f := fresh(t, open(t))
		keys := usersOf(t, bucketA, 3)
		write(t, s, f, state.User{Key: keys[0], Blob: blob(t, f, "a")}, state.User{Key: keys[1]})
		next := f[bucketA].Seq + 1
		require.NoError(t, s.Store(t.Context(), f, []state.Write{{Bucket: bucketA, Seq: next, Journaled: true, Users: []state.User{{Key: keys[2], Blob: blob(t, f, "c")}}}}))
		got, err := s.Dirty(t.Context(), bucketA)
		require.NoError(t, err)
		require.ElementsMatch(t, keys[:2], got)
		require.NoError(t, s.Store(t.Context(), f, []state.Write{{Bucket: bucketA, Seq: next + 1, Checkpoint: true}}))
		got, err = s.Dirty(t.Context(), bucketA)
		require.NoError(t, err)
		require.Empty(t, got)
	})
	t.Run("a zombie is refused", func(t *testing.T) {
		rdb := open(t)
		s, f := fresh(t, rdb)
		key := usersOf(t, bucketA, 1)[0]
		write(t, s, f, state.User{Key: key, Blob: blob(t, f, "a")})
		g, err := s.Acquire(t.Context(), []int{bucketA, bucketB}, now, false)
		require.NoError(t, err)
		require.ErrorIs(t, tryWrite(t, s, f, state.User{Key: key, Blob: blob(t, f, "zombie")}), state.ErrRefused)
		_, err = s.Load(t.Context(), f, []string{key})
		require.ErrorIs(t, err, state.ErrRefused)
		require.ErrorIs(t, s.Verify(t.Context(), f), state.ErrRefused)
		got, err := s.Load(t.Context(), g, []string{key})
		require.NoError(t, err)
		require.Equal(t, "a", content(t, got[key]))
	})
	t.Run("a write sent twice is done once", func(t *testing.T) {
		s, f := fresh(t, open(t))
		before := *f[bucketA]
		key := usersOf(t, bucketA, 1)[0]
		u := state.User{Key: key, Blob: blob(t, f, "a"), Due: 5}
		write(t, s, f, u)
		again := state.Fences{bucketA: &before}
		require.NoError(t, tryWrite(t, s, again, u))
		require.Equal(t, f[bucketA].Seq, again[bucketA].Seq)
	})
	t.Run("an emptied Redis is noticed", func(t *testing.T) {
		rdb := open(t)
		s, f := fresh(t, rdb)
		key := usersOf(t, bucketA, 1)[0]
		require.NoError(t, rdb.Del(t.Context(), state.FenceKey("test", bucketA)).Err())
		require.ErrorIs(t, tryWrite(t, s, f, state.User{Key: key, Blob: blob(t, f, "a")}), state.ErrLost)
		_, err := s.Load(t.Context(), f, []string{key})
		require.ErrorIs(t, err, state.ErrLost)
		require.ErrorIs(t, s.Verify(t.Context(), f), state.ErrLost)
		n, err := rdb.Exists(t.Context(), state.UserKey("test", key)).Result()
		require.NoError(t, err)
		require.Zero(t, n, "nothing of a refused write is there")
	})
	t.Run("a Redis that went back is noticed", func(t *testing.T) {
		rdb := open(t)
		s, f := fresh(t, rdb)
		key := usersOf(t, bucketA, 1)[0]
		old, err := rdb.HGet(t.Context(), state.FenceKey("test", bucketA), "seq").Result()
		require.NoError(t, err)
		write(t, s, f, state.User{Key: key, Blob: blob(t, f, "a")})
		write(t, s, f, state.User{Key: key, Blob: blob(t, f, "b")})
		require.NoError(t, rdb.HSet(t.Context(), state.FenceKey("test", bucketA), "seq", old).Err())
		require.ErrorIs(t, tryWrite(t, s, f, state.User{Key: key, Blob: blob(t, f, "c")}), state.ErrLost)
		require.ErrorIs(t, s.Verify(t.Context(), f), state.ErrLost)
	})
	t.Run("what is left from before a rebuild does not exist", func(t *testing.T) {
		rdb := open(t)
		s, f := fresh(t, rdb)
		keys := usersOf(t, bucketA, 2)
		write(t, s, f, state.User{Key: keys[0], Blob: blob(t, f, "old"), Due: 5}, state.User{Key: keys[1], Blob: blob(t, f, "old")})

		g, err := s.Acquire(t.Context(), []int{bucketA}, now, true)
		require.NoError(t, err)
		require.Zero(t, g[bucketA].Seq)
		require.Empty(t, due(t, s, bucketA))
		g[bucketA].Life = g[bucketA].Owner
		require.NoError(t, s.Store(t.Context(), g, []state.Write{{Bucket: bucketA, Rebuild: true, Users: []state.User{{Key: keys[1], Blob: blob(t, g, "new")}}}}))
		h, err := s.Acquire(t.Context(), []int{bucketA}, now, false)
		require.NoError(t, err)
		require.Zero(t, h[bucketA].Seq, "a rebuild that did not end leaves the bucket invalid")
		require.ErrorIs(t, s.Store(t.Context(), g, []state.Write{{Bucket: bucketA, Rebuild: true}}), state.ErrRefused)
		h, err = s.Acquire(t.Context(), []int{bucketA}, now, true)
		require.NoError(t, err)
		h[bucketA].Life = g[bucketA].Life
		require.NoError(t, s.Store(t.Context(), h, []state.Write{{Bucket: bucketA, Rebuild: true, Open: true, Seq: 100, Life: g[bucketA].Life}}))
		got, err := s.Load(t.Context(), h, keys)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.Equal(t, "new", content(t, got[keys[1]]))
	})
	t.Run("a Redis that went back during a rebuild is noticed", func(t *testing.T) {
		rdb := open(t)
		s, _ := fresh(t, rdb)
		g, err := s.Acquire(t.Context(), []int{bucketA}, now, true)
		require.NoError(t, err)
		fence := state.FenceKey("test", bucketA)
		old, err := rdb.HGetAll(t.Context(), fence).Result()
		require.NoError(t, err)
		chunk := []state.Write{{Bucket: bucketA, Rebuild: true}}
		require.NoError(t, s.Store(t.Context(), g, chunk))
		require.NoError(t, s.Store(t.Context(), g, chunk))
		require.NoError(t, s.Verify(t.Context(), g))
		require.NoError(t, rdb.HSet(t.Context(), fence, old).Err())
		require.ErrorIs(t, s.Store(t.Context(), g, chunk), state.ErrLost)
		require.ErrorIs(t, s.Verify(t.Context(), g), state.ErrLost)
	})
	t.Run("many wake-ups come in pages", func(t *testing.T) {
		s, f := fresh(t, open(t))
		users := make([]state.User, 5000)
		want := map[string]int64{}
		for i, key := range usersOf(t, bucketA, len(users)) {
			users[i] = state.User{Key: key, Due: int64(1 + i%7), Blob: blob(t, f, "x")}
			want[key] = users[i].Due
		}
		write(t, s, f, users...)
		require.Equal(t, want, due(t, s, bucketA))
	})
	t.Run("others read what the owner stored, of this life only", func(t *testing.T) {
		rdb := open(t)
		keys := usersOf(t, bucketA, 3)
		_, err := state.Read(t.Context(), rdb, "test", keys[0])
		require.ErrorIs(t, err, state.ErrLost, "nobody has been there")
		s, f := fresh(t, rdb)
		old, err := (&state.Blob{Life: f[bucketA].Life - 1, State: []byte("old")}).Encode()
		require.NoError(t, err)
		write(t, s, f, state.User{Key: keys[0], Blob: blob(t, f, "a")}, state.User{Key: keys[1], Blob: old})
		for i, want := range []string{"a", "", ""} {
			got, err := state.Read(t.Context(), rdb, "test", keys[i])
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		_, err = s.Acquire(t.Context(), []int{bucketA}, now, true)
		require.NoError(t, err)
		_, err = state.Read(t.Context(), rdb, "test", keys[0])
		require.ErrorIs(t, err, state.ErrLost, "it is being rebuilt")
	})
	t.Run("the bucket count is kept", func(t *testing.T) {
		rdb := open(t)
		require.NoError(t, state.Check(t.Context(), rdb))
		require.NoError(t, state.Check(t.Context(), rdb))
		require.NoError(t, rdb.Set(t.Context(), "kairos:buckets", 64, 0).Err())
		require.ErrorContains(t, state.Check(t.Context(), rdb), `"64" but this program has 256 buckets`)
	})
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	bucketA = 17
	bucketB = 200
)

// fresh opens both buckets as a rebuild of nothing does.
func fresh(t *testing.T, rdb redis.UniversalClient) (*state.Store, state.Fences) {
	t.Helper()
	s := state.NewStore(rdb, "test")
	f, err := s.Acquire(t.Context(), []int{bucketA, bucketB}, now, true)
	require.NoError(t, err)
	var open []state.Write
	for b, fence := range f {
		require.GreaterOrEqual(t, fence.Owner, now.UnixMicro())
		open = append(open, state.Write{Bucket: b, Rebuild: true, Open: true, Seq: 1, Life: fence.Owner})
	}
	require.NoError(t, s.Store(t.Context(), f, open))
	return s, f
}

func tryWrite(t *testing.T, s *state.Store, f state.Fences, users ...state.User) error {
	t.Helper()
	return s.Store(t.Context(), f, []state.Write{{Bucket: bucketA, Seq: f[bucketA].Seq + 1, Users: users}})
}

func write(t *testing.T, s *state.Store, f state.Fences, users ...state.User) {
	t.Helper()
	require.NoError(t, tryWrite(t, s, f, users...))
}

func blob(t *testing.T, f state.Fences, text string) []byte {
	t.Helper()
	b, err := (&state.Blob{Life: f[bucketA].Life, State: []byte(text)}).Encode()
	require.NoError(t, err)
	return b
}

func content(t *testing.T, data []byte) string {
	t.Helper()
	b, err := state.DecodeBlob(data)
	require.NoError(t, err)
	return string(b.State)
}

func due(t *testing.T, s *state.Store, bucket int) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	require.NoError(t, s.Due(t.Context(), bucket, func(key string, ms int64) { got[key] = ms }))
	return got
}

// usersOf finds n user keys of a bucket.
func usersOf(t *testing.T, bucket, n int) []string {
	t.Helper()
	var keys []string
	for i := 0; len(keys) < n; i++ {
		if k := fmt.Sprintf("app|user-%d", i); state.Bucket(k) == bucket {
			keys = append(keys, k)
		}
	}
	return keys
}
