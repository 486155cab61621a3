// Package sandbox is APNs, FCM and Web Push on loopback: gateways that speak the providers' own protocols over TLS and
// are as strict as they are, with faults on demand and an inspector of what arrived. It is for kairos up and for tests;
// nothing in it knows how dispatch works.
//
// It is not a provider: it delivers to nobody, and what it accepted is kept in memory (and in a file, if one is given).
package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http wants one
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kairos-push/kairos/pkg/clock"
)

// Names of the gateways.
const (
	APNs    = "apns"
	FCM     = "fcm"
	WebPush = "webpush"
)

// Identities that the gateways know. Anybody else is refused.
const (
	TeamID  = "KAIROSTEAM"
	KeyID   = "KAIROSKEY1"
	Topic   = "com.example.kairos"
	Project = "kairos-sandbox"

	OtherTeamID = "OTHERTEAM1"
	OtherKeyID  = "OTHERKEY01"
	OtherTopic  = "com.example.other"
)

// Options of a sandbox; the zero value is right.
type Options struct {
	// Listen opens a gateway's listener; default a free port on 127.0.0.1. Tests pass an in-memory network.
	Listen func(gateway string) (net.Listener, error)
	// Streams is SETTINGS_MAX_CONCURRENT_STREAMS of the APNs gateway (default 1000, as Apple's).
	Streams int
	// Keep is how many arrivals the inspector keeps (default 10,000).
	Keep int
	// Log gets every arrival as a line of JSON; nil for none.
	Log   io.Writer
	Clock clock.Clock
}

// Gateways are running.
type Gateways struct {
	// APNsURL and FCMURL are endpoints for the senders. Web Push endpoints are in the subscriptions.
	APNsURL, FCMURL, WebPushURL string
	// CA signs the gateways' certificates.
	CA    *x509.CertPool
	CAPEM []byte
	// APNsKey is a .p8 key; its ids are KeyID and TeamID, its app Topic. OtherAPNsKey is that of the other team.
	APNsKey, OtherAPNsKey []byte
	// APNsCertificate is a client certificate for Topic, with its key, in PEM.
	APNsCertificate []byte
	// ServiceAccount is the JSON of a service account of Project.
	ServiceAccount []byte
	// VAPIDPublic and VAPIDPrivate are the app's Web Push keys.
	VAPIDPublic, VAPIDPrivate string

	*Inspector
	*Script

	clock   clock.Clock
	ca      *x509.Certificate
	teams   map[string]team // by key id
	oauth   *oauth
	vapid   []byte
	subs    *subscriptions
	servers []*http.Server
	wg      sync.WaitGroup
}

// Start runs the three gateways until ctx ends or Close.
func Start(ctx context.Context, opt Options) (*Gateways, error) {
	if opt.Listen == nil {
		opt.Listen = func(string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		}
	}
	if opt.Streams == 0 {
		opt.Streams = 1000
	}
	if opt.Keep == 0 {
		opt.Keep = 10_000
	}
	g := &Gateways{clock: opt.Clock, Inspector: newInspector(opt.Keep, opt.Log), Script: &Script{requests: map[string]int{}}, subs: newSubscriptions()}
	cert, err := g.certificate()
	if err == nil {
		err = g.credentials()
	}
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name    string
		url     *string
		streams int
		handler http.Handler
	}{
		{APNs, &g.APNsURL, opt.Streams, http.HandlerFunc(g.serveAPNs)},
		{FCM, &g.FCMURL, 250, g.fcm()},
		{WebPush, &g.WebPushURL, 250, http.HandlerFunc(g.serveWebPush)},
	} {
		if *s.url, err = g.serve(opt.Listen, s.name, cert, s.streams, s.handler); err != nil {
			return nil, errors.Join(fmt.Errorf("sandbox: %s: %w", s.name, err), g.Close())
		}
	}
	if g.ServiceAccount, err = g.oauth.account(g.FCMURL); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	context.AfterFunc(ctx, func() { _ = g.Close() })
	return g, nil
}

func (g *Gateways) serve(listen func(string) (net.Listener, error), name string, cert tls.Certificate, streams int, h http.Handler) (string, error) {
	ln, err := listen(name)
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler:           h,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are on purpose here
		ReadHeaderTimeout: 30 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert},
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &connection{conn: c})
		},
	}
	g.servers = append(g.servers, srv)
	g.wg.Go(func() { _ = srv.ServeTLS(ln, "", "") })
	return "https://" + ln.Addr().String(), nil
}

// Close stops the gateways at once.
func (g *Gateways) Close() error {
	var errs []error
	for _, s := range g.servers {
		errs = append(errs, s.Close())
	}
	g.wg.Wait()
	return errors.Join(errs...)
}

type connKey struct{}

// connection is what a gateway knows of one connection.
type connection struct {
	conn net.Conn

	mu       sync.Mutex
	bearer   string    // the provider token that it accepted last
	bundleID string    // of that token
	since    time.Time // when it first saw that token
}

func connectionOf(r *http.Request) *connection { return r.Context().Value(connKey{}).(*connection) }
