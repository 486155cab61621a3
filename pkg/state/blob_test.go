package state_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/state"
)

func sample() *state.Blob {
	return &state.Blob{
		Life: 3, Seq: 41,
		Applied: map[int]int64{2: 117},
		Outbox:  []state.Pending{{Topic: "releases.v1", ID: "r1", Type: "kairos.release", Value: []byte("{}"), Cause: "facts.v1/2/117", TimeMS: 5}},
		State:   []byte{1, 2, 3},
	}
}

func TestBlobComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &state.Blob{
			Life:    rapid.Int64Range(0, 1<<40).Draw(t, "life"),
			Seq:     rapid.Int64Range(0, 1<<40).Draw(t, "seq"),
			Due:     rapid.Int64Range(0, 1<<40).Draw(t, "due"),
			Applied: rapid.MapOfN(rapid.IntRange(0, 255), rapid.Int64Range(0, 1<<40), 1, 3).Draw(t, "applied"),
			State:   rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "state"),
		}
		if rapid.Bool().Draw(t, "outbox") {
			b.Outbox = sample().Outbox
		}
		data, err := b.Encode()
		require.NoError(t, err)
		got, err := state.DecodeBlob(data)
		require.NoError(t, err)
		require.Equal(t, b, got)
		again, err := b.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again, "the same blob is the same bytes")

		state.Relive(data, b.Life+1)
		got, err = state.DecodeBlob(data)
		require.NoError(t, err)
		b.Life++
		require.Equal(t, b, got)
	})
}

func TestDecodeBlobRefuses(t *testing.T) {
	t.Parallel()
	good, err := sample().Encode()
	require.NoError(t, err)
	for name, change := range map[string]func([]byte) []byte{
		"nothing":        func([]byte) []byte { return nil },
		"half a header":  func(b []byte) []byte { return b[:10] },
		"no body":        func(b []byte) []byte { return b[:25] },
		"half a body":    func(b []byte) []byte { return b[:len(b)-2] },
		"tail":           func(b []byte) []byte { return append(b, 0) },
		"newer version":  func(b []byte) []byte { b[0] = 2; return b },
		"negative seq":   func(b []byte) []byte { b[9] = 0x80; return b },
		"body not a map": func(b []byte) []byte { b[25] = 0x01; return b[:26] },
	} {
		_, err := state.DecodeBlob(change(bytes.Clone(good)))
		require.ErrorContains(t, err, "blob:", name)
	}
}

func FuzzDecodeBlob(f *testing.F) {
	good, err := sample().Encode()
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := state.DecodeBlob(data)
		if err != nil {
			return
		}
		again, err := b.Encode()
		require.NoError(t, err)
		back, err := state.DecodeBlob(again)
		require.NoError(t, err)
		require.Equal(t, b, back)
	})
}
