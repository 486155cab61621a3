// Package apns sends to Apple's push service. Types, provider tokens, certificates and reasons are those of
// sideshow/apns2; only its HTTP client is replaced, by package h2, which costs a small part of it per push.
package apns

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/sideshow/apns2"
	"github.com/sideshow/apns2/certificate"
	"github.com/sideshow/apns2/token"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/services/dispatch/h2"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Credentials of one team and topic. Either Key, KeyID and TeamID (a .p8 key), or Certificate (PEM: certificate and
// key).
type Credentials struct {
	Key         []byte
	KeyID       string
	TeamID      string
	Certificate []byte
	// Topic is the app's bundle id.
	Topic string
	// Endpoint is https://api.push.apple.com (default) or https://api.sandbox.push.apple.com.
	Endpoint string
	// RootCAs replaces the system's certificate authorities.
	RootCAs *x509.CertPool
}

// Options of the transport; the zero value is right.
type Options struct {
	Conns   int
	Streams int
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Clock   clock.Clock
}

// Sender speaks to APNs for one app's topic.
type Sender struct {
	client *h2.Client
	topic  string
	clock  clock.Clock
	bufs   sync.Pool

	mu    sync.Mutex
	token *token.Token // nil with a certificate
	auth  string       // "bearer …" as last generated
	until time.Time    // when auth is to be renewed
}

// New checks the credentials and makes a sender. It connects at the first push.
func New(cred Credentials, opt Options) (*Sender, error) {
	if cred.Topic == "" {
		return nil, errors.New("apns: topic (the app's bundle id) is missing")
	}
	addr, err := h2.Addr(cmp.Or(cred.Endpoint, apns2.HostProduction))
	if err != nil {
		return nil, fmt.Errorf("apns: endpoint: %w", err)
	}
	s := &Sender{topic: cred.Topic, clock: opt.Clock}
	t := &tls.Config{RootCAs: cred.RootCAs, MinVersion: tls.VersionTLS12}
	switch {
	case len(cred.Key) > 0:
		key, err := token.AuthKeyFromBytes(cred.Key)
		if err != nil {
			return nil, fmt.Errorf("apns: key: %w", err)
		}
		if cred.KeyID == "" || cred.TeamID == "" {
			return nil, errors.New("apns: key_id and team_id belong to a key")
		}
		s.token = &token.Token{AuthKey: key, KeyID: cred.KeyID, TeamID: cred.TeamID}
	case len(cred.Certificate) > 0:
		cert, err := certificate.FromPemBytes(cred.Certificate, "")
		if err != nil {
			return nil, fmt.Errorf("apns: certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{cert}
	default:
		return nil, errors.New("apns: neither a key nor a certificate")
	}
	s.client = h2.New(h2.Config{Addr: addr, TLS: t, Dial: opt.Dial, Conns: opt.Conns, Streams: opt.Streams, Clock: opt.Clock})
	s.bufs.New = func() any { return &scratch{payload: make([]byte, 0, 1024)} }
	return s, nil
}

// scratch is the memory of one push, used again and again.
type scratch struct {
	payload []byte
	path    []byte
	req     h2.Request
	resp    h2.Response
}

// Send makes one request.
func (s *Sender) Send(ctx context.Context, p *push.Push, now time.Time) push.Verdict {
	sc := s.bufs.Get().(*scratch)
	n, payload, err := s.build(p, sc.payload[:0])
	sc.payload = payload
	if err != nil {
		s.bufs.Put(sc)
		return push.Refusal(err)
	}
	resp, err := s.push(ctx, n, payload, sc, now)
	if err != nil {
		return push.Lost(h2.Written(err)) // the transport may still hold sc
	}
	v := Table.Judge(resp.StatusCode, resp.Reason, push.WaitOf(sc.resp.Field("retry-after"), now))
	if resp.Reason == apns2.ReasonDeviceTokenNotForTopic && topicOverride(p.Message) != "" {
		v.Class = push.Drop // the message chose the topic: the token may be good for its own
	}
	v.ProviderID = resp.ApnsID
	if resp.StatusCode == http.StatusOK && resp.Reason != "" {
		v = push.Verdict{Class: push.Ambiguous, Status: 200, Reason: resp.Reason}
	}
	s.bufs.Put(sc)
	if resp.Reason == apns2.ReasonExpiredProviderToken {
		s.renew(now)
	}
	return v
}

// Close ends the connections.
func (s *Sender) Close() { s.client.Close() }

// push is apns2.Client.PushWithContext over h2.
func (s *Sender) push(ctx context.Context, n *apns2.Notification, payload []byte, sc *scratch, now time.Time) (apns2.Response, error) {
	auth, err := s.bearer(now)
	if err != nil {
		return apns2.Response{}, &h2.Error{Err: err}
	}
	f := sc.req.Fields[:0]
	if auth != "" {
		f = append(f, hpack.HeaderField{Name: "authorization", Value: auth})
	}
	f = append(
		f,
		hpack.HeaderField{Name: "content-type", Value: "application/json; charset=utf-8"},
		hpack.HeaderField{Name: "apns-topic", Value: n.Topic},
		hpack.HeaderField{Name: "apns-push-type", Value: string(n.PushType)},
		hpack.HeaderField{Name: "apns-priority", Value: strconv.Itoa(n.Priority)},
		hpack.HeaderField{Name: "apns-id", Value: n.ApnsID, Sensitive: true},
		hpack.HeaderField{Name: "apns-expiration", Value: strconv.FormatInt(max(n.Expiration.Unix(), 0), 10), Sensitive: true},
	)
	if n.CollapseID != "" {
		f = append(f, hpack.HeaderField{Name: "apns-collapse-id", Value: n.CollapseID, Sensitive: true})
	}
	sc.path = append(append(sc.path[:0], "/3/device/"...), n.DeviceToken...)
	sc.req = h2.Request{Path: string(sc.path), Fields: f, Body: payload}
	if err := s.client.Do(ctx, &sc.req, &sc.resp); err != nil {
		return apns2.Response{}, err
	}
	return read(&sc.resp), nil
}

// read makes of an answer what apns2 makes of it.
func read(resp *h2.Response) apns2.Response {
	r := apns2.Response{StatusCode: resp.Status, ApnsID: resp.Field("apns-id"), ApnsUniqueID: resp.Field("apns-unique-id")}
	if len(resp.Body) == 0 {
		return r
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(resp.Body, &body) != nil {
		body.Reason = push.ReasonBadAnswer
	}
	r.Reason = body.Reason
	return r
}

// bearer is the provider token. apns2 signs it; it is asked again only when a renewal may be due, as it locks.
func (s *Sender) bearer(now time.Time) (string, error) {
	if s.token == nil {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.until) {
		return s.auth, nil
	}
	if ok, err := s.token.Generate(); !ok {
		return "", fmt.Errorf("apns: sign the provider token: %w", err)
	}
	s.auth = "bearer " + s.token.Bearer
	s.until = now.Add(renewAfter)
	return s.auth, nil
}

// Apple takes a token for an hour and a new one every 20 minutes at most.
const (
	renewAfter  = 45 * time.Minute
	renewAtMost = 20 * time.Minute
)

// renew asks for a new token when APNs calls the present one expired, unless it is too new for that to help.
func (s *Sender) renew(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil && s.until.Sub(now) < renewAfter-renewAtMost {
		s.until = now
	}
}
