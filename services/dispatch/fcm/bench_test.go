package fcm_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/internal/gauge"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// google answers every message, and every wish for a token.
func google(b *testing.B) (*httptest.Server, *x509.CertPool) {
	b.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
			return
		}
		_, _ = io.WriteString(w, `{"name":"projects/p/messages/1"}`)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	b.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return srv, pool
}

// BenchmarkFCM compares the SDK used plainly with this package, which has it check the message only. The server is in
// the same process: its cost is in both.
func BenchmarkFCM(b *testing.B) {
	const title, body = "Your order", "It is on its way to you and will arrive at noon."
	ttl := time.Hour
	b.Run("sdk", func(b *testing.B) {
		srv, _ := google(b)
		app, err := firebase.NewApp(b.Context(), &firebase.Config{ProjectID: "p"},
			option.WithHTTPClient(&http.Client{Transport: &oauth2.Transport{
				Base: srv.Client().Transport, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"}),
			}}), option.WithEndpoint(srv.URL+"/v1"))
		require.NoError(b, err)
		client, err := app.Messaging(b.Context())
		require.NoError(b, err)
		gauge.Run(b, func(i int) error {
			_, err := client.Send(context.Background(), &messaging.Message{
				Token: fmt.Sprintf("token-%d", i), Notification: &messaging.Notification{Title: title, Body: body},
				Data:    map[string]string{"kairos_message_id": "m", "kairos_device_id": "d", "kairos_token": "abcdefghijklmnopqrstuvwxyz012345"},
				Android: &messaging.AndroidConfig{TTL: &ttl, Priority: "high", Notification: &messaging.AndroidNotification{Tag: "m"}},
			})
			return err
		})
	})
	b.Run("kairos", func(b *testing.B) {
		srv, pool := google(b)
		s, err := fcm.New(fcm.Credentials{ServiceAccount: account(b, srv.URL+"/token"), Endpoint: srv.URL, RootCAs: pool}, fcm.Options{})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		m := &event.Message{MessageID: "m", Title: title, Body: body}
		gauge.Run(b, func(i int) error {
			now := time.Now()
			v := s.Send(context.Background(), &push.Push{
				ID: "123e4567-e89b-12d3-a456-426655440000", CollapseID: "m", DeviceID: "d", AddressType: "token", Address: fmt.Sprintf("token-%d", i),
				Platform: "android", Expires: now.Add(ttl), Urgent: true, Token: "abcdefghijklmnopqrstuvwxyz012345", Message: m,
			}, now)
			if v.Class != push.Sent {
				return fmt.Errorf("%+v", v)
			}
			return nil
		})
	})
}

func account(b *testing.B, tokenURI string) []byte {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(b, err)
	out, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "k", "client_email": "a@p.example", "token_uri": tokenURI,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(b, err)
	return out
}
