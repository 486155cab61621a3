// Package fcm sends to Firebase Cloud Messaging (HTTP v1) through firebase.google.com/go/v4. The SDK checks what a message
// overrides, and makes the request; below it are a body of our own (the SDK's types hold neither fid addresses nor fields
// newer than themselves, and a message that is the same but for its address need not be encoded by reflection), a token
// source that holds nobody up, and package h2 as its transport, which makes one request per attempt where the SDK by
// itself makes up to five.
package fcm

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/services/dispatch/h2"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Credentials of one Firebase project.
type Credentials struct {
	// ServiceAccount is the JSON file that the Firebase console gives.
	ServiceAccount []byte
	// Endpoint is https://fcm.googleapis.com by default.
	Endpoint string
	RootCAs  *x509.CertPool
	// ValidateOnly lets FCM check every message and deliver none.
	ValidateOnly bool
}

// Options of the transport; the zero value is right.
type Options struct {
	Conns int // most connections (default 8: Google allows 100 requests at a time on each)
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	Clock clock.Clock
}

// Sender speaks to FCM for one project.
type Sender struct {
	client       *messaging.Client
	wire         *h2.Client
	oauth        *http.Transport
	tokens       *tokens
	validateOnly bool
	exchanges    sync.Pool
}

const defaultEndpoint = "https://fcm.googleapis.com"

const tokenTimeout = 10 * time.Second

// New checks the credentials and makes a sender. It connects at the first push.
func New(cred Credentials, opt Options) (*Sender, error) {
	var account struct {
		Type      string `json:"type"`
		ProjectID string `json:"project_id"`
	}
	if err := json.Unmarshal(cred.ServiceAccount, &account); err != nil {
		return nil, fmt.Errorf("fcm: service account: %w", err)
	}
	if account.ProjectID == "" {
		return nil, errors.New("fcm: service account: project_id is missing")
	}
	conf, err := google.JWTConfigFromJSON(cred.ServiceAccount, "https://www.googleapis.com/auth/firebase.messaging")
	if err != nil {
		return nil, fmt.Errorf("fcm: service account: %w", err)
	}
	endpoint := strings.TrimSuffix(cmp.Or(cred.Endpoint, defaultEndpoint), "/")
	addr, err := h2.Addr(endpoint)
	if err != nil {
		return nil, fmt.Errorf("fcm: endpoint: %w", err)
	}
	t := &tls.Config{RootCAs: cred.RootCAs, MinVersion: tls.VersionTLS12}
	s := &Sender{
		wire: h2.New(h2.Config{Addr: addr, TLS: t, Dial: opt.Dial, Conns: cmp.Or(opt.Conns, 8), Clock: opt.Clock}),
		oauth: &http.Transport{
			TLSClientConfig: t.Clone(), DialContext: opt.Dial, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: tokenTimeout, MaxResponseHeaderBytes: 16 << 10,
		},
		validateOnly: cred.ValidateOnly,
	}
	s.exchanges.New = func() any { return new(exchange) }
	s.tokens = &tokens{fetch: func() (*oauth2.Token, error) {
		hc := &http.Client{Transport: s.oauth, Timeout: tokenTimeout, CheckRedirect: stay}
		return conf.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, hc)).Token()
	}}
	opts := []option.ClientOption{
		option.WithHTTPClient(&http.Client{Transport: once{s.wire}, CheckRedirect: stay}), option.WithEndpoint(endpoint + "/v1"),
	}
	app, err := firebase.NewApp(context.Background(), &firebase.Config{ProjectID: account.ProjectID}, opts...)
	if err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	if s.client, err = app.Messaging(context.Background()); err != nil {
		return nil, fmt.Errorf("fcm: %w", err)
	}
	return s, nil
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Send makes one request.
func (s *Sender) Send(ctx context.Context, p *push.Push, now time.Time) push.Verdict {
	x := s.exchanges.Get().(*exchange)
	body, msg, err := s.build(p, now, x.body[:0])
	x.body, x.asked, x.err = body, false, nil
	if err != nil {
		s.exchanges.Put(x)
		return push.Refusal(err)
	}
	if x.auth, err = s.tokens.get(ctx, now); err != nil {
		s.exchanges.Put(x)
		return unauthorised(err)
	}
	_, err = s.client.Send(context.WithValue(ctx, exchangeKey{}, x), msg)
	if !x.asked && err != nil {
		s.exchanges.Put(x)
		return push.Refusal(push.Refuse(push.ReasonBadPayload, "fcm: %v", err))
	}
	v := x.verdict(now)
	if x.err == nil { // otherwise the transport may still hold x
		s.exchanges.Put(x)
	}
	return v
}

// Close ends the connections.
func (s *Sender) Close() {
	s.wire.Close()
	s.oauth.CloseIdleConnections()
}

// unauthorised is the verdict when there is no OAuth token: a refusal is the account's fault, silence is not.
func unauthorised(err error) push.Verdict {
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok && r.Response != nil && r.Response.StatusCode < 500 &&
		r.Response.StatusCode != http.StatusTooManyRequests {
		var body struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(r.Body, &body) != nil || body.Error == "" {
			body.Error = push.ReasonCredentials
		}
		return push.Verdict{Class: push.Config, Status: r.Response.StatusCode, Reason: body.Error, Fix: fixAccount}
	}
	return push.Verdict{Class: push.Retry, Reason: "no_oauth_token"}
}
