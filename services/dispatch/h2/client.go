// Package h2 is an HTTP/2 client for one job: very many small POSTs to one host, over a few long-lived connections.
// It frames by hand (golang.org/x/net/http2.Framer and hpack), because net/http's generality costs several times what
// a push costs. Requests of one connection leave in one write when they come together; each connection keeps below
// the server's stream limit; a request that was never written, or that the server says it did not process, comes back
// as such, so that the caller can tell "not sent" from "answer lost".
//
// It is not a general client: no redirects, no retries, no push, no trailers, request bodies in memory, and answers
// cut after 16 KB.
package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/pkg/clock"
)

// Config of a client. Addr and TLS are required.
type Config struct {
	Addr string // host:port
	TLS  *tls.Config
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // default: a net.Dialer
	// Conns is the most connections that are opened, each when the others have work (default 4).
	Conns int
	// Streams is the most requests under way on a connection, below the server's own limit (default 500).
	Streams int
	// Idle is how long a connection may be silent before it is pinged, and again before it is given up (default 15 s).
	Idle        time.Duration
	DialTimeout time.Duration // default 10 s
	Clock       clock.Clock
}

// spread is how many requests a connection has under way before another connection is opened.
const spread = 64

// Request is a POST. Sensitive fields are never put into the compression table: those whose value is new each time.
type Request struct {
	Path   string
	Fields []hpack.HeaderField
	Body   []byte
}

// Response to a request. A Response may be used again.
type Response struct {
	Status int
	Fields []hpack.HeaderField
	Body   []byte // at most maxBody
	// Cut says that the body was longer.
	Cut bool
}

// Field returns the first field of that name (lower case), or "".
func (r *Response) Field(name string) string {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Error says why there is no answer.
type Error struct {
	// Written: the server may have processed the request. Otherwise it certainly did not.
	Written bool
	Err     error
}

// Error text.
func (e *Error) Error() string {
	if e.Written {
		return "h2: answer lost: " + e.Err.Error()
	}
	return "h2: not sent: " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Written says of an error of Do whether the server may have processed the request.
func Written(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Written
}

// ErrClosed is the cause after Close.
var ErrClosed = errors.New("client closed")

// Client of one host.
type Client struct {
	cfg       Config
	authority string
	ctx       context.Context //nolint:containedctx // ends the dials that no caller waits for any more
	cancel    context.CancelFunc
	streams   sync.Pool

	mu      sync.Mutex
	conns   []*conn
	dialing bool
	waiters []chan grant
	closed  bool
	wg      sync.WaitGroup
}

type grant struct {
	conn *conn
	err  error
}

// Addr is the host:port of an endpoint, which is an https URL.
func Addr(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is not an https URL", endpoint)
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "443"), nil
	}
	return u.Host, nil
}

// New makes a client; it connects at the first request.
func New(cfg Config) *Client {
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	if cfg.Conns == 0 {
		cfg.Conns = 4
	}
	if cfg.Streams == 0 {
		cfg.Streams = 500
	}
	if cfg.Idle == 0 {
		cfg.Idle = 15 * time.Second
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	authority := cfg.Addr
	if err == nil && port == "443" {
		authority = host
	}
	t := cfg.TLS.Clone()
	if t.ServerName == "" {
		t.ServerName = host
	}
	t.NextProtos = []string{"h2"}
	if t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
	cfg.TLS = t
	c := &Client{cfg: cfg, authority: authority}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.streams.New = func() any { return &stream{done: make(chan error, 1)} }
	return c
}

// Do sends one request and waits for its answer, ctx's end or the connection's. The memory of req must not be used
// again after an error.
func (c *Client) Do(ctx context.Context, req *Request, resp *Response) error {
	cn, err := c.acquire(ctx)
	if err != nil {
		return &Error{Err: err}
	}
	s := c.streams.Get().(*stream)
	s.reset(req)
	cn.send(s) //nolint:contextcheck // a connection outlives the request that has it opened
	select {
	case err = <-s.done:
	case <-ctx.Done():
		if written, ended := cn.abandon(s); !ended { //nolint:contextcheck // a connection outlives the request that has it opened
			// The writer or reader may still hold the stream: it is left to the garbage collector.
			return &Error{Written: written, Err: context.Cause(ctx)}
		}
		err = <-s.done
	}
	if err != nil {
		return err
	}
	resp.Status, resp.Cut = s.resp.Status, s.resp.Cut
	resp.Fields, s.resp.Fields = s.resp.Fields, resp.Fields
	resp.Body, s.resp.Body = s.resp.Body, resp.Body
	c.streams.Put(s)
	return nil
}

// Close ends every connection; requests under way fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	conns := slices.Clone(c.conns)
	c.failWaiters(ErrClosed)
	c.mu.Unlock()
	c.cancel()
	for _, cn := range conns {
		cn.fail(ErrClosed)
	}
	c.wg.Wait()
}

// acquire reserves a place on the least busy connection, opening another one when all have work.
func (c *Client) acquire(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	cn := c.take()
	if cn == nil || (cn.active > spread && len(c.conns) < c.cfg.Conns) {
		c.dial() //nolint:contextcheck // a connection outlives the request that has it opened
	}
	if cn != nil {
		c.mu.Unlock()
		return cn, nil
	}
	ch := make(chan grant, 1)
	c.waiters = append(c.waiters, ch)
	c.mu.Unlock()
	select {
	case g := <-ch:
		if ctx.Err() == nil {
			return g.conn, g.err
		}
		ch <- g // both came while this process slept: whoever waited does not any more, and others may have asked meanwhile
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiters, ch); i >= 0 {
		c.waiters = slices.Delete(c.waiters, i, i+1)
	} else if g := <-ch; g.conn != nil {
		c.put(g.conn) //nolint:contextcheck // a connection outlives the request that has it opened
	}
	return nil, context.Cause(ctx)
}

// take reserves a place; c.mu is held.
func (c *Client) take() *conn {
	var best *conn
	for _, cn := range c.conns {
		if !cn.draining && cn.active < cn.limit && (best == nil || cn.active < best.active) {
			best = cn
		}
	}
	if best != nil {
		best.active++
	}
	return best
}

// put gives a place back; c.mu is held.
func (c *Client) put(cn *conn) {
	cn.active--
	if cn.draining && cn.active == 0 {
		go cn.fail(errDrained)
	}
	c.serveWaiters()
}

func (c *Client) release(cn *conn) {
	c.mu.Lock()
	c.put(cn)
	c.mu.Unlock()
}

func (c *Client) serveWaiters() {
	for len(c.waiters) > 0 {
		cn := c.take()
		if cn == nil {
			c.dial()
			return
		}
		c.waiters[0] <- grant{conn: cn}
		c.waiters = c.waiters[1:]
	}
}

func (c *Client) failWaiters(err error) {
	for _, w := range c.waiters {
		w <- grant{err: err}
	}
	c.waiters = nil
}

// dial opens one more connection unless one is being opened or there are enough; c.mu is held.
func (c *Client) dial() {
	if c.dialing || c.closed || c.usable() >= c.cfg.Conns {
		return
	}
	c.dialing = true
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.DialTimeout)
		defer cancel()
		cn, err := c.connect(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dialing = false
		switch {
		case err == nil && c.closed:
			go cn.fail(ErrClosed)
		case err == nil:
			c.conns = append(c.conns, cn)
			c.serveWaiters()
		case c.usable() == 0:
			c.failWaiters(err)
		}
	})
}

func (c *Client) usable() int {
	n := 0
	for _, cn := range c.conns {
		if !cn.draining {
			n++
		}
	}
	return n
}

// drain stops new requests on a connection that the server is about to close.
func (c *Client) drain(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cn.draining = true
	if cn.active == 0 {
		go cn.fail(errDrained)
	}
}

// drop forgets a dead connection.
func (c *Client) drop(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cn.draining = true
	c.conns = slices.DeleteFunc(c.conns, func(x *conn) bool { return x == cn })
	if len(c.waiters) > 0 {
		c.dial()
	}
}

// setLimit takes the server's limit of concurrent streams.
func (c *Client) setLimit(cn *conn, server uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cn.limit = int(min(uint32(c.cfg.Streams), server))
	c.serveWaiters()
}

func (c *Client) connect(ctx context.Context) (*conn, error) {
	raw, err := c.cfg.Dial(ctx, "tcp", c.cfg.Addr)
	if err != nil {
		return nil, err
	}
	tc := tls.Client(raw, c.cfg.TLS)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	if p := tc.ConnectionState().NegotiatedProtocol; p != "h2" {
		_ = tc.Close()
		return nil, fmt.Errorf("server speaks %q, not HTTP/2", p)
	}
	return c.start(ctx, tc)
}
