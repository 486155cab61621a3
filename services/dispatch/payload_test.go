package dispatch_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestPayloadLimits fills each payload to its limit and one byte more.
func TestPayloadLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, gw := range gateways {
		t.Run(gw, func(t *testing.T) {
			t.Parallel()
			send := func(body int) push.Verdict {
				p, _ := b.push(t, gw)
				p.Message.MessageID, p.CollapseID = "m", "m" // the same length each time
				p.Message.Body = strings.Repeat("x", body)
				return b.send(t, gw, p)
			}
			lo, hi := 1, 5000 // lo fits, hi does not
			for hi-lo > 1 {
				if mid := (lo + hi) / 2; send(mid).Class == push.Sent {
					lo = mid
				} else {
					hi = mid
				}
			}
			v := send(hi)
			require.Equal(t, push.Drop, v.Class)
			require.Zero(t, v.Status, "checked before it is sent: the gateway never refused one")
			require.Regexp(t, `payload_too_large: .* payload is (4097|3994) B, at most (4096|3993) B`, v.Reason)
		})
	}
}

func TestBadPayloads(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, gw := range gateways {
		for name, spoil := range map[string]func(m *event.Message){
			"title is not UTF-8":    func(m *event.Message) { m.Title = "a\xff" },
			"data is not JSON":      func(m *event.Message) { m.Data = event.Object(`{"a":`) },
			"data has a name twice": func(m *event.Message) { m.Data = event.Object(`{"a":1,"a":2,"b":"\ud800"}`) },
			"override is not an object": func(m *event.Message) {
				m.APNs, m.FCM, m.WebPush = event.Object(`[1]`), event.Object(`[1]`), event.Object(`[1]`)
			},
			"override of a wrong type": func(m *event.Message) {
				m.APNs = event.Object(`{"headers":{"apns-priority":"11"}}`)
				m.FCM = event.Object(`{"android":{"priority":"sometimes"}}`)
				m.WebPush = event.Object(`{"headers":{"Urgency":"now"}}`)
			},
		} {
			p, _ := b.push(t, gw)
			spoil(p.Message)
			v := b.send(t, gw, p)
			require.Equal(t, push.Drop, v.Class, "%s, %s: %+v", gw, name, v)
			require.Zero(t, v.Status, "%s, %s: nobody was asked", gw, name)
			require.True(t, strings.HasPrefix(v.Reason, push.ReasonBadPayload), v.Reason)
		}
	}
}

func TestOverridesAreMergedLast(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p, _ := b.push(t, sandbox.APNs)
	p.Message.APNs = event.Object(`{"aps":{"interruption-level":"time-sensitive","sound":null,"alert":{"subtitle":"s"}},"x":1,
		"headers":{"apns-priority":"5","apns-collapse-id":"mine"}}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.APNs, p).Class)

	live, _ := b.push(t, sandbox.APNs)
	live.Message.APNs = event.Object(`{"aps":{"event":"update","timestamp":1,"content-state":{}},"headers":{"apns-push-type":"liveactivity"}}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.APNs, live).Class, "the topic gets its suffix")

	f, _ := b.push(t, sandbox.FCM)
	f.AddressType = "fid"
	f.Message.FCM = event.Object(`{"android":{"notification":{"channel_id":"c"},"bandwidth_constrained_ok":true},"token":"other"}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.FCM, f).Class)

	w, _ := b.push(t, sandbox.WebPush)
	w.Message.WebPush = event.Object(`{"title":"T","headers":{"Urgency":"very-low"}}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.WebPush, w).Class)

	got := b.Arrivals()
	require.JSONEq(t, `{"alert":{"title":"Grüße","body":"an \"alle\"\n","subtitle":"s"},"interruption-level":"time-sensitive",
		"mutable-content":1,"relevance-score":0.25,"thread-id":"news","category":"news"}`, part(t, got[0].Payload, "aps"))
	require.Equal(t, "5", got[0].Headers["apns-priority"])
	require.Equal(t, "mine", got[0].Collapse)
	require.Equal(t, sandbox.Topic+".push-type.liveactivity", got[1].Headers["apns-topic"])
	require.Equal(t, f.Address, got[2].Address, "the address is the target's")
	require.Contains(t, string(got[2].Payload), `"fid"`)
	require.Contains(t, part(t, got[2].Payload, "android"), `"tag"`)
	require.Equal(t, "very-low", got[3].Headers["urgency"])
	require.Equal(t, `"T"`, part(t, got[3].Payload, "title"))
}

func part(t *testing.T, payload []byte, name string) string {
	t.Helper()
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(payload, &m))
	return string(m[name])
}
