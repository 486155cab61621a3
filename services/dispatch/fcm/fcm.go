// Package fcm sends to Firebase Cloud Messaging (HTTP v1) through firebase.google.com/go/v4. The SDK validates and
// addresses the message; the request's body, its authorisation and the reading of the answer are ours, because the
// SDK repeats a request up to four times by itself, and an attempt here is one request.
package fcm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

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
	Conns int // most connections to the host if it speaks HTTP/1.1 (default 64)
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Sender speaks to FCM for one project.
type Sender struct {
	client       *messaging.Client
	transport    *http.Transport
	tokens       *tokens
	validateOnly bool
}

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
	if opt.Conns == 0 {
		opt.Conns = 64
	}
	tr := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: cred.RootCAs, MinVersion: tls.VersionTLS12},
		DialContext:         opt.Dial,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     opt.Conns,
		MaxIdleConnsPerHost: opt.Conns,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: tokenTimeout,
	}
	s := &Sender{transport: tr, validateOnly: cred.ValidateOnly}
	s.tokens = &tokens{fetch: func() (*oauth2.Token, error) {
		hc := &http.Client{Transport: tr, Timeout: tokenTimeout, CheckRedirect: stay}
		return conf.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, hc)).Token()
	}}
	opts := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: once{tr}, CheckRedirect: stay})}
	if cred.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(strings.TrimSuffix(cred.Endpoint, "/")+"/v1"))
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
	body, msg, err := s.build(p, now)
	if err != nil {
		return push.Refusal(err)
	}
	bearer, err := s.tokens.get(ctx, now)
	if err != nil {
		return unauthorised(err)
	}
	x := &exchange{body: body, bearer: bearer}
	_, err = s.client.Send(context.WithValue(ctx, exchangeKey{}, x), msg)
	if !x.asked && err != nil {
		return push.Refusal(push.Refuse(push.ReasonBadPayload, "fcm: %v", err))
	}
	return x.verdict(now)
}

// Close ends idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

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
