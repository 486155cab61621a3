package fold

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
)

// FuzzJournal reads anything that may lie in a journal: what is taken is a user of a bucket, or marks.
func FuzzJournal(f *testing.F) {
	blob, err := (&state.Blob{Life: 1, Seq: 2, Due: 3, State: []byte("{}")}).Encode()
	require.NoError(f, err)
	f.Add([]byte("app|u"), blob, "17/2")
	f.Add([]byte("app|u"), []byte(nil), "17/2")
	f.Add([]byte(checkpointKey(thePartition)), []byte(`{"facts.v1/5":117}`), "")
	f.Add([]byte("app|u"), []byte{1, 2}, "256/-1")
	f.Fuzz(func(t *testing.T, key, value []byte, fence string) {
		fences := state.Fences{}
		for b := range state.Buckets {
			fences[b] = &state.Fence{Life: 9}
		}
		r := newRebuild(0, fences)
		rec := &stream.Record{Key: key, Value: value, Headers: []stream.Header{{Key: headerFence, Value: []byte(fence)}}}
		if bucket, u, newest, err := r.journal(rec, fences); err == nil && newest {
			require.Contains(t, fences, bucket)
			if u.Blob != nil {
				head, err := state.DecodeHeader(u.Blob)
				require.NoError(t, err)
				require.Equal(t, u.Due, head.Due)
				require.Equal(t, int64(9), head.Life)
			}
		}
		if r.checkpoint(rec, "facts.v1/5") == nil {
			for _, offset := range r.marks {
				require.GreaterOrEqual(t, offset, int64(0))
			}
		}
	})
}
