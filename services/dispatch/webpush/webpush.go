// Package webpush sends to the push services of browsers (RFC 8030). The types are those of
// SherClockHolmes/webpush-go; encryption (RFC 8291) and the VAPID token (RFC 8292) are ours. The library signs a token for
// every push, with no seam to give it one that is signed already (its HTTPClient may replace the header, but only after the
// signature was made), derives the public key anew each time, and pads every push to 4 KB. That is twice the processor time
// of a push (see the README of dispatch), for 60 lines that are held to the example of the RFC and to the sandbox, which
// decrypts by itself.
package webpush

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Credentials of one app: its VAPID key pair in URL-safe base64, and who to write to when something is wrong.
type Credentials struct {
	PublicKey  string
	PrivateKey string
	Subscriber string
	RootCAs    *x509.CertPool
	// AllowPrivate lets endpoints be in private networks. An endpoint is what a subscriber says it is; otherwise
	// anybody could have Kairos send requests into its operator's network.
	AllowPrivate bool
}

// Options of the transport; the zero value is right.
type Options struct {
	Conns int // most connections to one host (default 64)
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Sender speaks to push services for one app.
type Sender struct {
	vapid     *vapid
	transport *http.Transport
}

// MaxTTL is the longest that push services keep a push.
const (
	MaxTTL    = 28 * 24 * time.Hour
	maxAnswer = 16 << 10 // of the header, and of the body
)

// New checks the credentials and makes a sender.
func New(cred Credentials, opt Options) (*Sender, error) {
	v, err := newVAPID(cred.PublicKey, cred.PrivateKey, cred.Subscriber)
	if err != nil {
		return nil, err
	}
	if opt.Conns == 0 {
		opt.Conns = 64
	}
	if opt.Dial == nil {
		d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
		if !cred.AllowPrivate {
			d.Control = public
		}
		opt.Dial = d.DialContext
	}
	return &Sender{vapid: v, transport: &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: cred.RootCAs, MinVersion: tls.VersionTLS12},
		DialContext:            opt.Dial,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        opt.Conns,
		MaxIdleConnsPerHost:    opt.Conns,
		MaxResponseHeaderBytes: maxAnswer,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
	}}, nil
}

var errPrivate = errors.New("webpush: the endpoint is in a private network")

// public refuses to connect to anything that is not on the public internet.
func public(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := ap.Addr().Unmap(); !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return errPrivate
	}
	return nil
}

// Send makes one request.
func (s *Sender) Send(ctx context.Context, p *push.Push, now time.Time) push.Verdict {
	sub, err := subscriptionOf(p.Address)
	if err != nil {
		return push.Refusal(err)
	}
	h := headers{topic: topicOf(p.CollapseID), urgency: webpush.UrgencyNormal}
	switch {
	case !p.Urgent:
		h.urgency = webpush.UrgencyLow
	case p.Message.Priority == event.Critical || p.Message.Priority == event.Transactional:
		h.urgency = webpush.UrgencyHigh
	}
	body, err := payload(p, &h)
	if err != nil {
		return push.Refusal(err)
	}
	auth, err := s.vapid.header(sub.endpoint.Scheme+"://"+sub.endpoint.Host, now)
	if err != nil {
		return push.Verdict{Class: push.Config, Reason: push.ReasonCredentials, Fix: fixVAPID}
	}
	sealed, err := encrypt(sub.key, sub.auth, body)
	if err != nil {
		return push.Refusal(push.Refuse(push.ReasonBadAddress, "%v", err))
	}
	var written atomic.Bool
	req, err := request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { written.Store(true) },
	}), sub, sealed, h, auth, p.TTL(now, MaxTTL))
	if err != nil {
		return push.Refusal(push.Refuse(push.ReasonBadAddress, "endpoint is no URL that can be asked"))
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return lost(err, written.Load())
	}
	defer resp.Body.Close()
	return judge(resp, now)
}

// request makes the one request of an attempt. It cannot be repeated, and redirects are not followed.
func request(ctx context.Context, sub *subscription, sealed []byte, h headers, auth string, ttl int64) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.endpoint.String(), bytes.NewReader(sealed))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil
	req.Header = http.Header{
		"Authorization": {auth}, "Content-Encoding": {"aes128gcm"}, "Content-Type": {"application/octet-stream"},
		"Ttl": {strconv.FormatInt(ttl, 10)}, "Topic": {h.topic}, "Urgency": {string(h.urgency)},
	}
	return req, nil
}

// Close ends idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// lost is the verdict on an attempt without an answer.
func lost(err error, written bool) push.Verdict {
	if errors.Is(err, errPrivate) {
		return push.Refusal(push.Refuse(push.ReasonBadAddress, "the endpoint is in a private network"))
	}
	return push.Lost(written)
}

// judge reads the answer. A body that breaks off changes nothing: the status is the answer.
func judge(resp *http.Response, now time.Time) push.Verdict {
	var reason string
	if resp.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		reason = reasonOf(string(text))
	}
	v := Table.Judge(resp.StatusCode, reason, push.WaitOf(resp.Header.Get("Retry-After"), now))
	if v.Class == push.Sent {
		v.ProviderID = resp.Header.Get("Location")
	}
	return v
}

// mismatch are the words by which push services say that the subscription belongs to another VAPID key.
var mismatch = []string{"VapidPkHashMismatch", "do not correspond to the credentials used to create the subscription", "VAPID public key mismatch"}

func reasonOf(text string) string {
	for _, m := range mismatch {
		if strings.Contains(text, m) {
			return ReasonKeyMismatch
		}
	}
	return ""
}
