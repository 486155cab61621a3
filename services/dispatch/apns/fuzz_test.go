package apns

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/dispatch/h2"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// FuzzAnswer reads anything that APNs may answer: a push is sent, or its address pruned, by the right status only.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(nil))
	f.Add(410, []byte(`{"reason":"Unregistered","timestamp":1629000000000}`))
	f.Add(400, []byte(`{"reason":"BadDeviceToken"}`))
	f.Add(429, []byte(`{"reason":`))
	f.Add(503, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := read(&h2.Response{Status: status, Body: body})
		v := Table.Judge(r.StatusCode, r.Reason, 0)
		require.True(t, v.Class != push.Sent || status >= 200 && status < 300)
		require.True(t, v.Class != push.Prune || status == 400 || status == 410)
		require.True(t, v.Class == push.Sent || v.Reason != "")
	})
}
