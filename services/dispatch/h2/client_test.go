package h2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/services/dispatch/h2"
)

// serve starts Go's own HTTP/2 server, the reference that the client is held to.
func serve(tb testing.TB, streams int, h http.HandlerFunc) (h2.Config, *httptest.Server) {
	tb.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = nil
	srv.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	srv.StartTLS()
	tb.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return h2.Config{Addr: srv.Listener.Addr().String(), TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, ServerName: "example.com"}}, srv
}

func newClient(tb testing.TB, cfg h2.Config) *h2.Client {
	tb.Helper()
	c := h2.New(cfg)
	tb.Cleanup(c.Close)
	return c
}

func TestEveryRequestGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	const most = 20
	var mu sync.Mutex
	active := map[string]int{} // by connection
	over := 0
	all := make(chan struct{}) // until each connection has something to do, nothing is answered
	cfg, _ := serve(t, most, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		before := len(active)
		active[r.RemoteAddr]++
		over = max(over, active[r.RemoteAddr]-most)
		if before == 2 && len(active) == 3 {
			close(all)
		}
		mu.Unlock()
		<-all
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			active[r.RemoteAddr]--
		}()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("apns-id", r.Header.Get("apns-id"))
		if len(body)%2 == 1 {
			w.WriteHeader(http.StatusGone)
		}
		_, _ = w.Write(body)
	})
	cfg.Conns = 3
	c := newClient(t, cfg)
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			var resp h2.Response
			for i := range 20 {
				id := fmt.Sprintf("%d-%d", g, i)
				body := bytes.Repeat([]byte(id), g*i%700)
				err := c.Do(t.Context(), &h2.Request{
					Path:   "/3/device/" + id,
					Fields: []hpack.HeaderField{{Name: "authorization", Value: "bearer x"}, {Name: "apns-id", Value: id, Sensitive: true}},
					Body:   body,
				}, &resp)
				require.NoError(t, err)
				require.Equal(t, 200+len(body)%2*210, resp.Status)
				require.Equal(t, id, resp.Field("apns-id"))
				require.Equal(t, string(body[:min(len(body), 16<<10)]), string(resp.Body))
			}
		})
	}
	wg.Wait()
	require.Zero(t, over, "never more streams than the server allows on each connection")
	require.Len(t, active, 3)
}

func TestAnEndlessBodyIsCut(t *testing.T) {
	t.Parallel()
	cfg, _ := serve(t, 100, func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 14 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	c := newClient(t, cfg)
	var resp h2.Response
	require.NoError(t, c.Do(t.Context(), &h2.Request{Path: "/"}, &resp))
	require.True(t, resp.Cut)
	require.Len(t, resp.Body, 16<<10)
	require.NoError(t, c.Do(t.Context(), &h2.Request{Path: "/"}, &resp), "the connection goes on")
}

func TestTheCallerStopsWaiting(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	cfg, _ := serve(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	cfg.Conns = 1
	c := newClient(t, cfg)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	var resp h2.Response
	var e *h2.Error
	require.ErrorAs(t, c.Do(ctx, &h2.Request{Path: "/"}, &resp), &e)
	require.True(t, e.Written, "the server has the request")
	require.ErrorIs(t, e, context.Canceled)

	// The one stream that the server allows is taken: the next request waits for a place and was not sent.
	taken, release := context.WithCancel(t.Context())
	defer release()
	go func() { _ = c.Do(taken, &h2.Request{Path: "/"}, new(h2.Response)) }()
	<-arrived
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := c.Do(ctx, &h2.Request{Path: "/"}, &resp)
	require.Error(t, err)
	require.False(t, written(err))
}

func written(err error) bool {
	e, ok := err.(*h2.Error) //nolint:errorlint // Do returns it bare
	return ok && e.Written
}

// script is a server that speaks frames: what a well-behaved library would not do.
func script(t *testing.T, settings []http2.Setting, serve func(fr *http2.Framer, nc net.Conn)) h2.Config {
	t.Helper()
	cfg, srv := serveTLS(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", srv)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
					return
				}
				fr := http2.NewFramer(nc, nc)
				if fr.WriteSettings(settings...) == nil {
					serve(fr, nc)
				}
			}()
		}
	}()
	cfg.Addr = ln.Addr().String()
	return cfg
}

func serveTLS(t *testing.T) (h2.Config, *tls.Config) {
	t.Helper()
	cfg, srv := serve(t, 1, func(http.ResponseWriter, *http.Request) {})
	return cfg, &tls.Config{Certificates: srv.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
}

// next reads frames until one of the wanted type comes.
func next(fr *http2.Framer, typ http2.FrameType) http2.Frame {
	for {
		f, err := fr.ReadFrame()
		if err != nil || f.Header().Type == typ {
			return f
		}
	}
}

func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		serve   func(fr *http2.Framer, nc net.Conn)
		written bool
		text    string
	}{
		{"connection dropped after the request", func(fr *http2.Framer, nc net.Conn) {
			next(fr, http2.FrameHeaders)
			_ = nc.Close()
		}, true, "answer lost"},
		{"stream refused", func(fr *http2.Framer, _ net.Conn) {
			_ = fr.WriteRSTStream(next(fr, http2.FrameHeaders).Header().StreamID, http2.ErrCodeRefusedStream)
			next(fr, 99)
		}, false, "refused"},
		{"stream reset", func(fr *http2.Framer, _ net.Conn) {
			_ = fr.WriteRSTStream(next(fr, http2.FrameHeaders).Header().StreamID, http2.ErrCodeInternal)
			next(fr, 99)
		}, true, "stream reset"},
		{"GOAWAY below the stream", func(fr *http2.Framer, _ net.Conn) {
			next(fr, http2.FrameHeaders)
			_ = fr.WriteGoAway(0, http2.ErrCodeNo, []byte(`{"reason":"Shutdown"}`))
			next(fr, 99)
		}, false, "Shutdown"},
		{"status that is no number", func(fr *http2.Framer, _ net.Conn) {
			id := next(fr, http2.FrameHeaders).Header().StreamID
			var b bytes.Buffer
			_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "many"})
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
			next(fr, 99)
		}, true, "no final status"},
		{"header block that is no HPACK", func(fr *http2.Framer, _ net.Conn) {
			id := next(fr, http2.FrameHeaders).Header().StreamID
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
			next(fr, 99)
		}, true, "answer lost"},
		{"garbage", func(fr *http2.Framer, nc net.Conn) {
			next(fr, http2.FrameHeaders)
			_, _ = nc.Write([]byte(strings.Repeat("HTTP/1.1 200 OK\r\n", 100)))
			next(fr, 99)
		}, true, "answer lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, script(t, nil, tt.serve))
			err := c.Do(t.Context(), &h2.Request{Path: "/", Body: []byte("{}")}, new(h2.Response))
			var e *h2.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.written, e.Written, "%v", err)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestSmallWindowsAreRespected(t *testing.T) {
	t.Parallel()
	got := make(chan []byte, 1)
	cfg := script(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 10}}, func(fr *http2.Framer, _ net.Conn) {
		var body []byte
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			d, ok := f.(*http2.DataFrame)
			if !ok {
				continue
			}
			if len(d.Data()) > 10 {
				return
			}
			body = append(body, d.Data()...)
			if d.StreamEnded() {
				got <- body
				var b bytes.Buffer
				_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: d.StreamID, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
				continue
			}
			_ = fr.WriteWindowUpdate(d.StreamID, 10)
		}
	})
	c := newClient(t, cfg)
	var resp h2.Response
	body := []byte(strings.Repeat("0123456789", 12) + "end")
	require.NoError(t, c.Do(t.Context(), &h2.Request{Path: "/", Body: body}, &resp))
	require.Equal(t, 200, resp.Status)
	require.Equal(t, string(body), string(<-got))
}

func TestASilentConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	cfg := script(t, nil, func(fr *http2.Framer, _ net.Conn) { next(fr, 99) })
	cfg.Idle = 20 * time.Millisecond
	c := newClient(t, cfg)
	err := c.Do(t.Context(), &h2.Request{Path: "/"}, new(h2.Response))
	require.ErrorContains(t, err, "no answer to a ping")
	require.True(t, written(err))
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	cfg, srv := serve(t, 1, func(http.ResponseWriter, *http.Request) {})
	srv.Close()
	c := newClient(t, cfg)
	err := c.Do(t.Context(), &h2.Request{Path: "/"}, new(h2.Response))
	require.Error(t, err)
	require.False(t, written(err))
	c.Close()
	require.ErrorIs(t, c.Do(t.Context(), &h2.Request{Path: "/"}, new(h2.Response)), h2.ErrClosed)
}
