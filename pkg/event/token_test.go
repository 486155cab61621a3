package event_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

func TestReceiptTokens(t *testing.T) {
	t.Parallel()
	key, now := []byte("k"), time.Date(2026, 5, 1, 9, 30, 0, 0, time.UTC)
	token := event.SignReceipt(key, "app", "user", "message", "device", now.Add(time.Hour))
	require.Len(t, token, 32)
	verify := func(key []byte, token, app, user, message, device string, now time.Time) error {
		return event.VerifyReceipt(key, token, app, user, message, device, now)
	}
	require.NoError(t, verify(key, token, "app", "user", "message", "device", now))
	require.NoError(t, verify(key, token, "app", "user", "message", "device", now.Add(time.Hour)))

	for name, err := range map[string]error{
		"expired":               verify(key, token, "app", "user", "message", "device", now.Add(time.Hour+time.Second)),
		"another secret":        verify([]byte("l"), token, "app", "user", "message", "device", now),
		"another app":           verify(key, token, "bpp", "user", "message", "device", now),
		"another user":          verify(key, token, "app", "vser", "message", "device", now),
		"another message":       verify(key, token, "app", "user", "nessage", "device", now),
		"another device":        verify(key, token, "app", "user", "message", "eevice", now),
		"parts shifted":         verify(key, token, "app", "userm", "essage", "device", now),
		"parts swapped":         verify(key, token, "app", "message", "user", "device", now),
		"empty":                 verify(key, "", "app", "user", "message", "device", now),
		"not base64":            verify(key, token[:31]+"!", "app", "user", "message", "device", now),
		"one character short":   verify(key, token[:31], "app", "user", "message", "device", now),
		"no secret":             verify(nil, event.SignReceipt(nil, "app", "user", "message", "device", now), "app", "user", "message", "device", now),
		"a later expiry forged": verify(key, forge(t, token), "app", "user", "message", "device", now),
	} {
		var invalid *event.Invalid
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, "token", invalid.Field)
		require.NotContains(t, invalid.Value, token)
	}
}

// forge moves the expiry of a token and keeps its MAC.
func forge(t testing.TB, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	raw[3]++
	return base64.RawURLEncoding.EncodeToString(raw)
}
