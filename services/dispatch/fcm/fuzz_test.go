package fcm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/services/dispatch/h2"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// FuzzAnswer reads anything that FCM may answer: only a message's name makes it sent, and nothing is waited for without end.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"name":"projects/p/messages/1"}`), "")
	f.Add(200, []byte(`{"name":`), "")
	f.Add(404, []byte(`{"error":{"status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}`), "")
	f.Add(429, []byte(`{"error":{"status":"RESOURCE_EXHAUSTED"}}`), "30")
	f.Add(503, []byte("<html>"), "Fri, 31 Dec 1999 23:59:59 GMT")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		x := &exchange{resp: h2.Response{Status: status, Body: body, Fields: []hpack.HeaderField{{Name: "retry-after", Value: after}}}}
		v := x.verdict(now)
		require.Equal(t, status, v.Status)
		require.True(t, v.Class != push.Sent || v.ProviderID != "" || status != 200)
		require.LessOrEqual(t, v.After, 24*time.Hour)
		require.GreaterOrEqual(t, v.After, time.Duration(0))
	})
}
