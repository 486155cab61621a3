package webpush

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// FuzzAnswer reads anything that a push service may answer.
func FuzzAnswer(f *testing.F) {
	f.Add(201, []byte(nil), "")
	f.Add(403, []byte("the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions"), "")
	f.Add(429, []byte("slow down"), "10")
	f.Add(503, []byte{0xff}, "Fri, 31 Dec 1999 23:59:59 GMT")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		v := judge(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(bytes.NewReader(body))}, now)
		require.True(t, v.Class != push.Sent || status >= 200 && status < 300)
		require.LessOrEqual(t, v.After, 24*time.Hour)
		require.GreaterOrEqual(t, v.After, time.Duration(0))
	})
}

// FuzzSubscription reads anything that a device may call its address: what is taken can be encrypted for.
func FuzzSubscription(f *testing.F) {
	f.Add(`{"endpoint":"https://push.example.com/x","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`)
	f.Add(`{"endpoint":"http://x"}`)
	f.Add("no subscription")
	f.Fuzz(func(t *testing.T, address string) {
		sub, err := subscriptionOf(address)
		if err != nil {
			require.ErrorContains(t, err, push.ReasonBadAddress)
			return
		}
		require.Equal(t, "https", sub.endpoint.Scheme)
		_, err = encrypt(sub.key, sub.auth, []byte("{}"))
		require.NoError(t, err)
	})
}
