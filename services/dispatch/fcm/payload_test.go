package fcm

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// TestBodiesAreJSONAndCounted: whatever the message, the body is valid, holds each thing once, and is counted as Google
// counts it; merging an override that changes nothing changes nothing.
func TestBodiesAreJSONAndCounted(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, -1)
		data, err := json.Marshal(rapid.MapOf(rapid.StringMatching(`[a-z"\\é]{1,5}`), rapid.OneOf(
			rapid.Map(text, func(s string) any { return s }),
			rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f }),
			rapid.Map(rapid.SliceOfN(text, 0, 3), func(l []string) any { return l }),
		)).Draw(t, "data"))
		require.NoError(t, err)
		p := &push.Push{
			ID: "id", CollapseID: text.Draw(t, "collapse"), DeviceID: text.Draw(t, "device"), Token: text.Draw(t, "token"),
			AddressType: rapid.SampledFrom([]string{"token", "fid"}).Draw(t, "type"), Address: "a",
			Platform: rapid.SampledFrom([]string{"android", "ios", "web"}).Draw(t, "platform"),
			Expires:  now.Add(time.Hour), Urgent: rapid.Bool().Draw(t, "urgent"), InApp: rapid.Bool().Draw(t, "in app"),
			Score: rapid.Float64Range(-1, 2).Draw(t, "score"),
			Message: &event.Message{
				MessageID: "m", Title: text.Draw(t, "title"), Body: text.Draw(t, "body"), Category: text.Draw(t, "category"),
				CampaignID: text.Draw(t, "campaign"), DeepLink: text.Draw(t, "link"), CollapseKey: text.Draw(t, "key"), Data: data,
			},
		}
		w := writer{b: []byte(head)}
		w.message(p, now)
		require.NoError(t, w.err)
		var msg map[string]any
		require.NoError(t, json.Unmarshal(w.b[len(head):], &msg))
		require.Equal(t, payloadSize(msg), w.size)

		s := &Sender{}
		plainBody, _, err := s.build(p, now, nil)
		require.NoError(t, err)
		p.Message.FCM = event.Object(`{"no":null}`)
		merged, typed, err := s.build(p, now, nil)
		require.NoError(t, err)
		require.JSONEq(t, string(plainBody), string(merged))
		require.Equal(t, "-", typed.Token)
	})
}
