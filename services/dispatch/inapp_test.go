package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// TestAHintForTheAppShowsNothing: the person is in the app; the app gets title and body, the phone has nothing to show,
// not even what the message's overrides ask for.
func TestAHintForTheAppShowsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, gw := range gateways {
		notified, _ := b.push(t, gw)
		r := &event.Release{
			ReleaseID: "r", AppID: "demo", UserID: "u", Deadline: time.Now().Add(time.Hour), InApp: true, Message: *notified.Message,
			Targets: []event.Target{{
				DeviceID: "d", Channel: gw, Platform: notified.Platform, AddressType: notified.AddressType, Address: notified.Address,
			}},
		}
		r.Message.APNs = event.Object(`{"aps":{"alert":{"title":"shown"}},"headers":{"apns-push-type":"alert"}}`)
		r.Message.FCM = event.Object(`{"notification":{"title":"shown"}}`)
		r.Message.WebPush = event.Object(`{"title":"shown"}`)
		p := dispatch.Plan(r, nil)[0]
		require.True(t, p.Silent())
		require.False(t, r.Message.APNs.IsZero(), "the release is left as it is")
		require.Equal(t, push.Sent, b.send(t, gw, p).Class)
	}
	got := b.Arrivals()
	require.Equal(t, "background", got[0].Headers["apns-push-type"])
	require.Equal(t, "5", got[0].Headers["apns-priority"])
	require.JSONEq(t, `{"content-available":1}`, part(t, got[0].Payload, "aps"))
	require.JSONEq(t, `{"message_id":"m1","device_id":"d","in_app":true,"title":"Grüße","body":"an \"alle\"\n"}`, part(t, got[0].Payload, "kairos"))

	require.Empty(t, part(t, got[1].Payload, "notification"))
	require.NotContains(t, part(t, got[1].Payload, "android"), "notification")
	require.Contains(t, part(t, got[1].Payload, "data"), `"kairos_in_app":"true"`)
	require.Contains(t, part(t, got[1].Payload, "data"), `"kairos_title":"Grüße"`)

	require.Empty(t, part(t, got[2].Payload, "title"))
	require.Empty(t, part(t, got[2].Payload, "tag"))
	require.Contains(t, part(t, got[2].Payload, "kairos"), `"in_app":true`)
	require.Contains(t, part(t, got[2].Payload, "kairos"), `"title":"Grüße"`)
}
