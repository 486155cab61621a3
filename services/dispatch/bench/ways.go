package main

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	library "github.com/SherClockHolmes/webpush-go"
	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/payload"
	"github.com/sideshow/apns2/token"
	"golang.org/x/net/http2"
	"golang.org/x/oauth2"
	"google.golang.org/api/option"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/apns"
	"github.com/kairos-push/kairos/services/dispatch/fcm"
	"github.com/kairos-push/kairos/services/dispatch/push"
	"github.com/kairos-push/kairos/services/dispatch/webpush"
)

// The one message that everybody sends, each to another address.
const (
	title   = "Your order"
	body    = "It is on its way to you and will arrive at noon."
	bundle  = "com.example.app"
	pushID  = "123e4567-e89b-12d3-a456-426655440000"
	receipt = "abcdefghijklmnopqrstuvwxyz012345"
)

// way is one way to send.
type way struct {
	name    string
	answer  order
	callers int // that send side by side: for each way, what it is fastest with
	spawn   bool
	open    func(t *target) (send func(i int) error, closed func(), err error)
}

var (
	apnsAnswer = order{Status: "200"}
	fcmAnswer  = order{Status: "200", Body: `{"name":"projects/p/messages/0:1"}`}
	webAnswer  = order{Status: "201"}
)

func ways() []way {
	return []way{
		{"APNs, apns2 plainly", apnsAnswer, 512, false, plainAPNs},
		{"APNs, gorush's way", apnsAnswer, 100, true, plainAPNs}, // its default: 100 at a time
		{"APNs, Kairos", apnsAnswer, 2048, false, ourAPNs},
		{"FCM, Firebase SDK plainly", fcmAnswer, 512, false, plainFCM},
		{"FCM, Kairos", fcmAnswer, 512, false, ourFCM},
		{"Web Push, webpush-go plainly", webAnswer, 256, false, plainWeb},
		{"Web Push, Kairos", webAnswer, 256, false, ourWeb},
	}
}

func message() *event.Message {
	return &event.Message{MessageID: "m", Category: "orders", Title: title, Body: body}
}

// through sends with one of our senders.
func through(s push.Sender, p push.Push, address func(i int) string) func(i int) error {
	p.ID, p.CollapseID, p.DeviceID, p.Urgent, p.Token, p.Score, p.Message = pushID, "m", "d", true, receipt, 0.5, message()
	return func(i int) error {
		one, now := p, clk.Now()
		one.Address, one.Expires = address(i), now.Add(time.Hour)
		if v := s.Send(ctx, &one, now); v.Class != push.Sent {
			return fmt.Errorf("%+v", v)
		}
		return nil
	}
}

func tlsOf(t *target) *tls.Config { return &tls.Config{RootCAs: t.pool, MinVersion: tls.VersionTLS12} }

func deviceToken(i int) string { return fmt.Sprintf("%064x", i) }

func plainAPNs(t *target) (func(i int) error, func(), error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := apns2.NewTokenClient(&token.Token{AuthKey: key, KeyID: "K", TeamID: "T"})
	c.Host = "https://" + t.addr
	c.HTTPClient.Transport.(*http2.Transport).TLSClientConfig = tlsOf(t) //nolint:staticcheck,forcetypeassert // apns2 brings this transport
	return func(i int) error {
		p := payload.NewPayload().AlertTitle(title).AlertBody(body).
			SoundName("default").MutableContent().ThreadID("orders").Category("orders").RelevanceScore(0.5).
			Custom("kairos", map[string]string{"message_id": "m", "device_id": "d", "token": receipt})
		r, err := c.PushWithContext(ctx, &apns2.Notification{
			ApnsID: pushID, DeviceToken: deviceToken(i), Topic: bundle, CollapseID: "m",
			Expiration: clk.Now().Add(time.Hour), Priority: 10, PushType: apns2.PushTypeAlert, Payload: p,
		})
		if err == nil && !r.Sent() {
			err = fmt.Errorf("status %d", r.StatusCode)
		}
		return err
	}, c.CloseIdleConnections, nil
}

func ourAPNs(t *target) (func(i int) error, func(), error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	text, err := pemOf(key)
	if err != nil {
		return nil, nil, err
	}
	s, err := apns.New(apns.Credentials{Key: text, KeyID: "K", TeamID: "T", Topic: bundle, Endpoint: "https://" + t.addr, RootCAs: t.pool}, apns.Options{})
	if err != nil {
		return nil, nil, err
	}
	return through(s, push.Push{Platform: "ios"}, deviceToken), s.Close, nil
}

func pemOf(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func registration(i int) string { return fmt.Sprintf("token-%d", i) }

func plainFCM(t *target) (func(i int) error, func(), error) {
	tr := &http.Transport{TLSClientConfig: tlsOf(t), ForceAttemptHTTP2: true}
	hc := &http.Client{Transport: &oauth2.Transport{Base: tr, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: receipt})}}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: "p"}, option.WithHTTPClient(hc), option.WithEndpoint("https://"+t.addr+"/v1"))
	if err != nil {
		return nil, nil, err
	}
	client, err := app.Messaging(ctx)
	ttl := time.Hour
	return func(i int) error {
		_, err := client.Send(ctx, &messaging.Message{
			Token: registration(i), Notification: &messaging.Notification{Title: title, Body: body},
			Data:    map[string]string{"kairos_message_id": "m", "kairos_device_id": "d", "kairos_token": receipt},
			Android: &messaging.AndroidConfig{TTL: &ttl, Priority: "high", Notification: &messaging.AndroidNotification{Tag: "m", ChannelID: "orders"}},
		})
		return err
	}, tr.CloseIdleConnections, err
}

func ourFCM(t *target) (func(i int) error, func(), error) {
	oauth, err := grants()
	if err != nil {
		return nil, nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	text, err := pemOf(key)
	if err != nil {
		return nil, nil, err
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "k", "client_email": "a@p.example", "token_uri": oauth,
		"private_key": string(text),
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := fcm.New(fcm.Credentials{ServiceAccount: account, Endpoint: "https://" + t.addr, RootCAs: t.pool}, fcm.Options{})
	if err != nil {
		return nil, nil, err
	}
	return through(s, push.Push{Platform: "android", AddressType: "token"}, registration), s.Close, nil
}

// grants gives every wish for an OAuth token. It is asked once a round.
func grants() (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, receipt)
	})}
	go func() { _ = srv.Serve(ln) }()
	return "http://" + ln.Addr().String(), nil
}

// browser is a subscription at the server, and the app's keys.
func browser(t *target) (sub library.Subscription, private, public string, err error) {
	private, public, err = library.GenerateVAPIDKeys()
	if err != nil {
		return sub, private, public, err
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return sub, private, public, err
	}
	return library.Subscription{Endpoint: "https://" + t.addr + "/push/1", Keys: library.Keys{
		P256dh: base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), Auth: base64.RawURLEncoding.EncodeToString(make([]byte, 16)),
	}}, private, public, nil
}

func plainWeb(t *target) (func(i int) error, func(), error) {
	sub, private, public, err := browser(t)
	if err != nil {
		return nil, nil, err
	}
	tr := &http.Transport{TLSClientConfig: tlsOf(t), ForceAttemptHTTP2: true}
	hc := &http.Client{Transport: tr}
	return func(int) error {
		text, err := json.Marshal(map[string]any{
			"title": title, "body": body, "tag": "m", "kairos": map[string]string{"message_id": "m", "device_id": "d", "token": receipt},
		})
		if err != nil {
			return err
		}
		resp, err := library.SendNotificationWithContext(ctx, text, &sub, &library.Options{
			HTTPClient: hc, Subscriber: "ops@example.com", VAPIDPublicKey: public, VAPIDPrivateKey: private, TTL: 3600, Topic: "m",
		})
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}, tr.CloseIdleConnections, nil
}

func ourWeb(t *target) (func(i int) error, func(), error) {
	sub, private, public, err := browser(t)
	if err != nil {
		return nil, nil, err
	}
	s, err := webpush.New(webpush.Credentials{
		PublicKey: public, PrivateKey: private, Subscriber: "ops@example.com", RootCAs: t.pool, AllowPrivate: true,
	}, webpush.Options{})
	if err != nil {
		return nil, nil, err
	}
	address, err := json.Marshal(sub)
	return through(s, push.Push{Platform: "web", AddressType: "subscription"}, func(int) string { return string(address) }), s.Close, err
}
