package dispatch_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestPushTypes: each type of push reaches a gateway that checks topic, priority and size of it, those that apns2 has a
// name for and those that it has none for.
func TestPushTypes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for typ, topic := range map[string]string{
		"alert": "", "background": "", "location": ".location-query", "complication": ".complication",
		"liveactivity": ".push-type.liveactivity", "voip": ".voip", "fileprovider": ".pushkit.fileprovider", "pushtotalk": ".voip-ptt",
		"controls": ".push-type.controls", "widgets": ".push-type.widgets",
	} {
		p, address := b.push(t, sandbox.APNs)
		p.Message.APNs = event.Object(`{"headers":{"apns-push-type":"` + typ + `"}}`)
		v := b.send(t, sandbox.APNs, p)
		require.Equal(t, push.Sent, v.Class, "%s: %+v", typ, v)
		got := b.arrival(t, address)
		require.Equal(t, typ, got.Headers["apns-push-type"])
		require.Equal(t, sandbox.Topic+topic, got.Headers["apns-topic"])
	}
	file, address := b.push(t, sandbox.APNs)
	file.Message.APNs = event.Object(`{"headers":{"apns-push-type":"fileprovider"},"aps":null,"container-identifier":"c","domain":"d"}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.APNs, file).Class)
	require.NotContains(t, string(b.arrival(t, address).Payload), "aps", "a File Provider asks for nothing to be shown")

	p, _ := b.push(t, sandbox.APNs)
	p.Message.APNs = event.Object(`{"headers":{"apns-push-type":"banner"}}`)
	require.Equal(t, push.Drop, b.send(t, sandbox.APNs, p).Class, "a type that Apple does not know either")

	silent, address := b.push(t, sandbox.APNs)
	silent.Message.Title, silent.Message.Body, silent.Urgent = "", "", false
	require.Equal(t, push.Sent, b.send(t, sandbox.APNs, silent).Class)
	require.Equal(t, "background", b.arrival(t, address).Headers["apns-push-type"])
	require.Equal(t, "5", b.arrival(t, address).Headers["apns-priority"])
}

func (b *bench) arrival(tb testing.TB, address string) sandbox.Arrival {
	tb.Helper()
	for _, a := range b.Arrivals() {
		if a.Address == address {
			return a
		}
	}
	require.Fail(tb, "nothing arrived")
	return sandbox.Arrival{}
}

// TestInterruptionLevelIsTheMessagesWord: however urgent a message is, it breaks through a focus only if it says so.
func TestInterruptionLevelIsTheMessagesWord(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, priority := range []string{event.Critical, event.Transactional, event.Promotional} {
		for _, gw := range []string{sandbox.APNs, sandbox.FCM} {
			p, address := b.push(t, gw)
			p.Platform, p.Message.Priority, p.Score = "ios", priority, 1
			require.Equal(t, push.Sent, b.send(t, gw, p).Class)
			require.NotContains(t, string(b.arrival(t, address).Payload), "interruption-level")
		}
	}
	for _, level := range []string{"passive", "active", "time-sensitive", "critical"} {
		p, address := b.push(t, sandbox.APNs)
		p.Message.APNs = event.Object(`{"aps":{"interruption-level":"` + level + `"}}`)
		require.Equal(t, push.Sent, b.send(t, sandbox.APNs, p).Class)
		require.Contains(t, part(t, b.arrival(t, address).Payload, "aps"), `"interruption-level":"`+level+`"`)
	}
}

// TestWhatThePhoneGets is every member and header of a push, on each way.
func TestWhatThePhoneGets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	expires := time.Now().Add(time.Hour)
	send := func(gateway, platform string) (sandbox.Arrival, *push.Push) {
		p, address := b.push(t, gateway)
		p.Platform, p.Score, p.Expires, p.CollapseID, p.Token = platform, 0.7312, expires, "score", "receipt"
		p.Message = &event.Message{
			MessageID: "m", Title: "T", Body: "B", Category: "news", CampaignID: "spring-1", Priority: event.Transactional,
			ImageURL: "https://example.com/i.png", DeepLink: "app://x", CollapseKey: "score", Data: event.Object(`{"n":1,"s":"t","o":{"a":[1, 2]}}`),
		}
		v := b.send(t, gateway, p)
		require.Equal(t, push.Sent, v.Class, "%+v", v)
		return b.arrival(t, address), p
	}
	near := func(seconds string) {
		n, err := strconv.Atoi(strings.TrimSuffix(seconds, "s"))
		require.NoError(t, err)
		require.InDelta(t, 3600, n, 30)
	}

	a, p := send(sandbox.APNs, "ios")
	require.JSONEq(t, `{"aps":{"alert":{"title":"T","body":"B"},"sound":"default","mutable-content":1,"relevance-score":0.731,"thread-id":"news","category":"news"},
		"kairos":{"message_id":"m","device_id":"d","token":"receipt"},"deep_link":"app://x","image_url":"https://example.com/i.png",
		"data":{"n":1,"s":"t","o":{"a":[1,2]}}}`, string(a.Payload))
	require.Equal(t, map[string]string{
		"apns-id": p.ID, "apns-topic": sandbox.Topic, "apns-push-type": "alert", "apns-priority": "10", "apns-collapse-id": "score",
		"apns-expiration": strconv.FormatInt(expires.Unix(), 10),
	}, a.Headers)

	const data = `{"n":"1","s":"t","o":"{\"a\":[1,2]}","kairos_message_id":"m","kairos_device_id":"d","kairos_token":"receipt","deep_link":"app://x"}`
	const shown = `{"title":"T","body":"B","image":"https://example.com/i.png"}`
	for platform, own := range map[string]string{
		"android": `"android":{"ttl":%q,"priority":"high","collapse_key":"score","notification":{"tag":"score","channel_id":"news"}}`,
		"ios": `"apns":{"headers":{"apns-push-type":"alert","apns-priority":"10","apns-collapse-id":"score","apns-id":"ID","apns-expiration":%q},
			"payload":{"aps":{"mutable-content":1,"sound":"default","relevance-score":0.731,"thread-id":"news","category":"news"}}}`,
		"web": `"webpush":{"headers":{"TTL":%q,"Urgency":"high"},"notification":{"tag":"score"}}`,
	} {
		a, p := send(sandbox.FCM, platform)
		left := regexp.MustCompile(`"(?:ttl|TTL|apns-expiration)":"(\d+s?)"`).FindStringSubmatch(string(a.Payload))[1]
		if platform == "ios" {
			require.Equal(t, strconv.FormatInt(expires.Unix(), 10), left)
		} else {
			near(left)
		}
		require.JSONEq(t, `{"data":`+data+`,"notification":`+shown+`,"fcm_options":{"analytics_label":"spring-1"},"token":"`+p.Address+`",`+
			strings.Replace(fmt.Sprintf(own, left), `"ID"`, strconv.Quote(p.ID), 1)+`}`, string(a.Payload), platform)
	}

	a, _ = send(sandbox.WebPush, "web")
	require.JSONEq(t, `{"title":"T","body":"B","image":"https://example.com/i.png","deep_link":"app://x","tag":"score",
		"kairos":{"message_id":"m","device_id":"d","token":"receipt"},"data":{"n":1,"s":"t","o":{"a":[1,2]}}}`, string(a.Payload))
	require.Equal(t, "high", a.Headers["urgency"])
	require.Len(t, a.Headers["topic"], 32)
	near(a.Headers["ttl"])
}

// TestFCMOptions: fid and token, a label that is none, data that FCM would refuse, and a project that only checks.
func TestFCMOptions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fid, address := b.push(t, sandbox.FCM)
	fid.AddressType, fid.Message.CampaignID = "fid", "spring, second try"
	require.Equal(t, push.Sent, b.send(t, sandbox.FCM, fid).Class)
	got := string(b.arrival(t, address).Payload)
	require.Contains(t, got, `"fid":"`+address+`"`)
	require.NotContains(t, got, `"token":`)
	require.NotContains(t, got, "analytics_label")

	for _, name := range []string{"from", "message_type", "google.x", "gcm.notification.title"} {
		p, _ := b.push(t, sandbox.FCM)
		p.Message.Data = event.Object(`{"ok":1,"` + name + `":"x"}`)
		v := b.send(t, sandbox.FCM, p)
		require.Equal(t, push.Drop, v.Class)
		require.Zero(t, v.Status, "nobody was asked")
		require.Contains(t, v.Reason, name)
	}
	own, address := b.push(t, sandbox.FCM)
	own.Message.Data = event.Object(`{"kairos_token":"forged","kairos_message_id":"forged","deep_link":"forged","mine":"x"}`)
	require.Equal(t, push.Sent, b.send(t, sandbox.FCM, own).Class)
	require.NotContains(t, string(b.arrival(t, address).Payload), "forged")

	cred := b.FCMCredentials()
	cred.ValidateOnly = true
	s, err := fcm.New(cred, fcm.Options{})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	before := b.Accepted("")
	for _, over := range []string{"", `{"android":{"priority":"normal"}}`} {
		p, _ := b.push(t, sandbox.FCM)
		p.Message.FCM = event.Object(over)
		require.Equal(t, push.Sent, s.Send(t.Context(), p, time.Now()).Class)
	}
	require.Equal(t, before, b.Accepted(""), "checked and not delivered")
}

// TestVoIPMayBeLarger: 5,120 B for VoIP, 4,096 B for everything else.
func TestVoIPMayBeLarger(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	send := func(size int) push.Verdict {
		p, _ := b.push(t, sandbox.APNs)
		p.Message.APNs = event.Object(`{"headers":{"apns-push-type":"voip"},"x":""}`)
		v := b.send(t, sandbox.APNs, p)
		require.Equal(t, push.Sent, v.Class)
		all := b.Arrivals()
		p.Message.APNs = event.Object(`{"headers":{"apns-push-type":"voip"},"x":"` + strings.Repeat("x", size-len(all[len(all)-1].Payload)) + `"}`)
		return b.send(t, sandbox.APNs, p)
	}
	require.Equal(t, push.Sent, send(5120).Class)
	v := send(5121)
	require.Equal(t, push.Drop, v.Class)
	require.Equal(t, "payload_too_large: APNs payload is 5121 B, at most 5120 B", v.Reason)
}
