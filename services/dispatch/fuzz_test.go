package dispatch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/stream"
)

// FuzzRebuild reads anything that may lie in the topics that send records are rebuilt from: what is taken can be stored and
// read again.
func FuzzRebuild(f *testing.F) {
	f.Add([]byte(`{"release_id":"r","device_id":"d","phase":"intent","attempt":1,"at":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"release_id":"r","device_id":"d","phase":"waiting","attempt":2}`))
	f.Add([]byte(`{"release_id":"r","device_id":"d","phase":"ended","attempt":2}`))
	f.Add([]byte(`{"app_id":"demo","user_id":"u","message_id":"m","device_id":"d","type":"sent","attempt":1}`))
	f.Add([]byte(`{"app_id":"demo","user_id":"u","message_id":"m","type":"unknown","attempt":-1}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec := &stream.Record{Key: []byte("demo|u"), Value: value}
		for _, read := range []func(*stream.Record) (known, bool){endIn, openIn} {
			k, ok := read(rec)
			if !ok {
				continue
			}
			require.NotEmpty(t, k.release)
			require.NotEmpty(t, k.device)
			text, err := k.rec.encode()
			require.NoError(t, err)
			again, err := decodeRecord(text)
			require.NoError(t, err)
			require.Equal(t, k.rec.Phase, again.Phase)
			require.Equal(t, k.rec.Attempt, again.Attempt)
		}
	})
}
