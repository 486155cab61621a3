package webpush_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	library "github.com/SherClockHolmes/webpush-go"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/internal/gauge"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// BenchmarkWebPush compares webpush-go used plainly, which signs a VAPID token for each push, with this package, which
// keeps one. The server is in the same process: its cost is in both.
func BenchmarkWebPush(b *testing.B) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	b.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	private, public, err := library.GenerateVAPIDKeys()
	require.NoError(b, err)
	browser, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(b, err)
	sub := &library.Subscription{Endpoint: srv.URL + "/push/1", Keys: library.Keys{
		P256dh: base64.RawURLEncoding.EncodeToString(browser.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(make([]byte, 16)),
	}}
	address := fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":%q}}`, sub.Endpoint, sub.Keys.P256dh, sub.Keys.Auth)

	b.Run("webpush-go", func(b *testing.B) {
		client := srv.Client()
		body := []byte(`{"title":"Your order","body":"It is on its way to you.","tag":"m","kairos":{"message_id":"m","device_id":"d"}}`)
		gauge.Run(b, func(int) error {
			resp, err := library.SendNotificationWithContext(context.Background(), body, sub, &library.Options{
				HTTPClient: client, Subscriber: "ops@example.com", VAPIDPublicKey: public, VAPIDPrivateKey: private, TTL: 3600,
			})
			if err != nil {
				return err
			}
			return resp.Body.Close()
		})
	})
	b.Run("kairos", func(b *testing.B) {
		s, err := webpush.New(webpush.Credentials{
			PublicKey: public, PrivateKey: private, Subscriber: "ops@example.com", RootCAs: pool, AllowPrivate: true,
		}, webpush.Options{})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		m := &event.Message{MessageID: "m", Title: "Your order", Body: "It is on its way to you."}
		gauge.Run(b, func(int) error {
			now := time.Now()
			v := s.Send(context.Background(), &push.Push{
				CollapseID: "m", DeviceID: "d", Address: address, Expires: now.Add(time.Hour), Urgent: true, Message: m,
			}, now)
			if v.Class != push.Sent {
				return fmt.Errorf("%+v", v)
			}
			return nil
		})
	})
}
