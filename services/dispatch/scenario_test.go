package dispatch_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch"
	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// bench is a sandbox with one sender for each gateway.
type bench struct {
	*sandbox.Gateways
	senders map[string]push.Sender
	tables  map[string]push.Table
	serial  atomic.Int64
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	g, err := sandbox.Start(tb.Context(), sandbox.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = g.Close() })
	a, err := apns.New(g.APNsCredentials(), apns.Options{})
	require.NoError(tb, err)
	f, err := fcm.New(g.FCMCredentials(), fcm.Options{})
	require.NoError(tb, err)
	w, err := webpush.New(g.WebPushCredentials(), webpush.Options{})
	require.NoError(tb, err)
	b := &bench{
		Gateways: g,
		senders:  map[string]push.Sender{sandbox.APNs: a, sandbox.FCM: f, sandbox.WebPush: w},
		tables:   map[string]push.Table{sandbox.APNs: apns.Table, sandbox.FCM: fcm.Table, sandbox.WebPush: webpush.Table},
	}
	for _, s := range b.senders {
		tb.Cleanup(s.Close)
	}
	return b
}

// push makes a push to a device of its own, and the address that a rule matches it by.
func (b *bench) push(tb testing.TB, gateway string) (*push.Push, string) {
	tb.Helper()
	n := b.serial.Add(1)
	r := &event.Release{
		ReleaseID: fmt.Sprintf("r%d", n), AppID: "demo", UserID: "u",
		Message:  event.Message{MessageID: fmt.Sprintf("m%d", n), Title: "Grüße", Body: "an \"alle\"\n", Category: "news", DeepLink: "app://x"},
		Deadline: time.Now().Add(time.Hour), Score: 0.25,
	}
	t := event.Target{DeviceID: "d", Channel: gateway, AddressType: "token"}
	address := ""
	switch gateway {
	case sandbox.APNs:
		t.Address, t.Platform = fmt.Sprintf("%064x", n), "ios"
		address = t.Address
	case sandbox.FCM:
		t.Address, t.Platform = fmt.Sprintf("fcm-%d:x", n), "android"
		address = t.Address
	case sandbox.WebPush:
		sub, err := b.Subscription(fmt.Sprintf("sub-%d-", n))
		require.NoError(tb, err)
		t.Address, t.AddressType, t.Platform = sub, "subscription", "web"
		address = fmt.Sprintf("%s/push/sub-%d-", b.WebPushURL, n)
	}
	r.Targets = []event.Target{t}
	return dispatch.Plan(r, []byte("secret"))[0], address
}

func (b *bench) send(tb testing.TB, gateway string, p *push.Push) push.Verdict {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	return b.senders[gateway].Send(ctx, p, time.Now())
}

var gateways = []string{sandbox.APNs, sandbox.FCM, sandbox.WebPush}

func TestAPushArrives(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, gw := range gateways {
		p, address := b.push(t, gw)
		v := b.send(t, gw, p)
		require.Equal(t, push.Sent, v.Class, "%s: %+v", gw, v)
		require.NotEmpty(t, v.ProviderID)
		all := b.Arrivals()
		a := all[len(all)-1]
		require.Equal(t, gw, a.Gateway)
		require.Equal(t, address, a.Address)
		require.Equal(t, p.Message.MessageID, a.MessageID)
		require.Equal(t, "d", a.DeviceID)
		require.NoError(t, event.VerifyReceipt([]byte("secret"), a.Token, "demo", "u", a.MessageID, a.DeviceID, time.Now()))
		require.Contains(t, string(a.Payload), "Grüße")
	}
	require.Equal(t, 3, b.Accepted(""))
}

// TestEveryReason drives every documented answer of every provider to its outcome.
func TestEveryReason(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	outcome := map[push.Class]string{
		push.Sent: event.OutcomeSent, push.Prune: event.OutcomeProviderRejected, push.Drop: event.OutcomeProviderRejected,
		push.Retry: "", push.RetryAfter: "", push.Config: "",
	}
	text := map[string]string{webpush.ReasonKeyMismatch: "VapidPkHashMismatch"}
	for _, gw := range gateways {
		for _, rule := range b.tables[gw] {
			if rule.Class == push.Sent {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d %s", gw, rule.Status, rule.Reason), func(t *testing.T) {
				t.Parallel()
				p, address := b.push(t, gw)
				reason := rule.Reason
				if text[reason] != "" {
					reason = text[reason]
				}
				b.Add(sandbox.Rule{Gateway: gw, Address: address, Status: rule.Status, Reason: reason})
				v := b.send(t, gw, p)
				require.Equal(t, rule.Status, v.Status)
				require.Equal(t, rule.Class, v.Class)
				require.NotEmpty(t, v.Reason)
				require.GreaterOrEqual(t, v.After, rule.After)
				require.Equal(t, rule.Class == push.Config, v.Fix != "")
				step := dispatch.After(v, p, 1, time.Now())
				require.Equal(t, outcome[rule.Class], step.Type)
				require.Equal(t, rule.Class == push.Prune, step.Prune)
			})
		}
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for gw, rule := range map[string]sandbox.Rule{
		sandbox.APNs:    {Status: 503, Reason: "ServiceUnavailable"},
		sandbox.FCM:     {Status: 503, Reason: "UNAVAILABLE"},
		sandbox.WebPush: {Status: 429},
	} {
		p, address := b.push(t, gw)
		rule.Gateway, rule.Address, rule.RetryAfter = gw, address, 90*time.Second
		b.Add(rule)
		v := b.send(t, gw, p)
		require.Equal(t, push.RetryAfter, v.Class, gw)
		require.Equal(t, 90*time.Second, v.After, gw)
	}
}

// TestFaults has each provider misbehave in every way there is a name for; each ends in a defined class, in time.
func TestFaults(t *testing.T) {
	t.Parallel()
	want := map[sandbox.Fault]map[string]push.Class{
		sandbox.DropBefore:  {"": push.Ambiguous},
		sandbox.DropAfter:   {"": push.Ambiguous},
		sandbox.GoAway:      {"": push.Sent},
		sandbox.Silence:     {"": push.Ambiguous},
		sandbox.Garbage:     {"": push.Ambiguous, sandbox.WebPush: push.Sent}, // the status is Web Push's whole answer
		sandbox.HalfAnswer:  {"": push.Ambiguous, sandbox.WebPush: push.Sent},
		sandbox.Redirection: {"": push.Config, sandbox.WebPush: push.Drop},
		sandbox.HugeBody:    {"": push.Ambiguous, sandbox.WebPush: push.Sent},
	}
	for fault, classes := range want {
		for _, gw := range gateways {
			t.Run(string(fault)+"/"+gw, func(t *testing.T) {
				t.Parallel()
				b := newBench(t) // faults of one connection hit all that share it
				p, address := b.push(t, gw)
				first, _ := b.push(t, gw)
				require.Equal(t, push.Sent, b.send(t, gw, first).Class, "connections and tokens are there")
				b.Add(sandbox.Rule{Gateway: gw, Address: address, Fault: fault})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if fault == sandbox.Silence {
					ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
				}
				defer cancel()
				class, ok := classes[gw]
				if !ok {
					class = classes[""]
				}
				begun := time.Now()
				v := b.senders[gw].Send(ctx, p, begun)
				require.Equal(t, class, v.Class, "%+v", v)
				require.Less(t, time.Since(begun), 10*time.Second)
			})
		}
	}
}

func TestBadAddresses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sub, err := b.Subscription("ok")
	require.NoError(t, err)
	tests := map[string][]string{
		sandbox.APNs: {"", "xyz", "0g", strings.Repeat("a", 201), strings.Repeat("a", 63), "../../3/device/aa", "aa\nbb"},
		sandbox.FCM:  {"", strings.Repeat("x", 5000), "\xff\xfe"},
		sandbox.WebPush: {
			"", "{}", "https://example.com", `{"endpoint":"http://example.com/","keys":{"p256dh":"BA","auth":"AA"}}`,
			strings.Replace(sub, `"auth":"`, `"auth":"AA`, 1), strings.Replace(sub, `"p256dh":"B`, `"p256dh":"C`, 1),
			strings.Replace(sub, "https://", "https://user:pass@", 1), strings.Replace(sub, "https://", "ftp://", 1),
		},
	}
	for gw, addresses := range tests {
		for _, address := range addresses {
			p, _ := b.push(t, gw)
			p.Address = address
			v := b.send(t, gw, p)
			require.Equal(t, push.Prune, v.Class, "%s %q: %+v", gw, address, v)
			require.Zero(t, v.Status, "nobody was asked")
			require.True(t, strings.HasPrefix(v.Reason, push.ReasonBadAddress))
			if len(address) > 3 {
				require.NotContains(t, v.Reason, address, "addresses are never told")
			}
		}
	}
	require.Zero(t, b.Accepted(""))
}

func TestPrivateEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cred := b.WebPushCredentials()
	cred.AllowPrivate = false
	s, err := webpush.New(cred, webpush.Options{})
	require.NoError(t, err)
	p, _ := b.push(t, sandbox.WebPush)
	require.Equal(t, push.Prune, s.Send(t.Context(), p, time.Now()).Class)
}

// TestFCMMakesOneRequest counts what reaches the wire when the server takes requests and drops the connection, answers
// 503, or breaks off: the SDK alone would make five.
func TestFCMMakesOneRequest(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]sandbox.Rule{
		"dropped": {Fault: sandbox.DropAfter},
		"half":    {Fault: sandbox.HalfAnswer},
		"503":     {Status: 503, Reason: "UNAVAILABLE"},
		"500":     {Status: 500, Reason: "INTERNAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			rule.Gateway = sandbox.FCM
			b.Add(rule)
			begun := time.Now()
			for i := range 5 {
				p, _ := b.push(t, sandbox.FCM)
				v := b.send(t, sandbox.FCM, p)
				require.NotEqual(t, push.Sent, v.Class)
				require.Equal(t, i+1, b.Requests(sandbox.FCM), "one request per attempt")
			}
			require.Less(t, time.Since(begun), 7*time.Second, "the SDK does not even wait for a second one")
		})
	}
}

// TestCredentials says what to fix.
func TestCredentials(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), newBench(t)

	a := b.APNsCredentials()
	a.Key = other.APNsKey
	as, err := apns.New(a, apns.Options{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	p, _ := b.push(t, sandbox.APNs)
	v := as.Send(t.Context(), p, time.Now())
	require.Equal(t, push.Config, v.Class)
	require.Contains(t, v.Fix, "key id")

	f := b.FCMCredentials()
	f.ServiceAccount = bytes.ReplaceAll(other.ServiceAccount, []byte(other.FCMURL), []byte(b.FCMURL))
	fs, err := fcm.New(f, fcm.Options{})
	require.NoError(t, err)
	p, _ = b.push(t, sandbox.FCM)
	v = fs.Send(t.Context(), p, time.Now())
	require.Equal(t, push.Config, v.Class)
	require.Equal(t, "invalid_grant", v.Reason)
	require.Contains(t, v.Fix, "service account")

	w := b.WebPushCredentials()
	w.PublicKey = other.VAPIDPublic
	_, err = webpush.New(w, webpush.Options{})
	require.ErrorContains(t, err, "public_key is not that of private_key")
	w.PrivateKey = other.VAPIDPrivate
	ws, err := webpush.New(w, webpush.Options{})
	require.NoError(t, err)
	p, _ = b.push(t, sandbox.WebPush)
	require.Equal(t, push.Prune, ws.Send(t.Context(), p, time.Now()).Class, "subscribed with another key")
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	require.NoError(t, b.Close())
	for _, gw := range gateways {
		p, _ := b.push(t, gw)
		v := b.send(t, gw, p)
		require.Equal(t, push.Retry, v.Class, "%s: certainly not sent: %+v", gw, v)
	}
}

// TestOneDeadTokenEndpointHoldsNobodyUp: the OAuth endpoint takes connections and never answers.
func TestOneDeadTokenEndpointHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	cred := b.FCMCredentials()
	cred.ServiceAccount = bytes.ReplaceAll(cred.ServiceAccount, []byte(b.FCMURL), []byte("http://"+ln.Addr().String()))
	s, err := fcm.New(cred, fcm.Options{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	begun := time.Now()
	for range 50 {
		p, _ := b.push(t, sandbox.FCM)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			v := s.Send(ctx, p, time.Now())
			require.Equal(t, push.Retry, v.Class)
		})
	}
	wg.Wait()
	require.Less(t, time.Since(begun), 5*time.Second)
}
