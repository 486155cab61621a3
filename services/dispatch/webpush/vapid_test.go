package webpush

import (
	"testing"
	"time"

	library "github.com/SherClockHolmes/webpush-go"
	"github.com/stretchr/testify/require"
)

// TestTheTokenIsKept: one signature for each push service every six hours.
func TestTheTokenIsKept(t *testing.T) {
	t.Parallel()
	private, public, err := library.GenerateVAPIDKeys()
	require.NoError(t, err)
	v, err := newVAPID(public, private, "ops@example.com")
	require.NoError(t, err)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(origin string, d time.Duration) string {
		h, err := v.header(origin, now.Add(d))
		require.NoError(t, err)
		return h
	}
	first := at("https://a.example", 0)
	require.Equal(t, first, at("https://a.example", 6*time.Hour-time.Second))
	require.NotEqual(t, first, at("https://b.example", 0))
	require.NotEqual(t, first, at("https://a.example", 6*time.Hour))
}
