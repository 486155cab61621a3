package h2

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	maxBody     = 16 << 10 // of an answer
	maxFields   = 32       // of an answer
	maxFrame    = 16 << 10 // what we take and, unless the server allows less, send
	recvWindow  = 1 << 20  // of a connection
	lastStream  = 1<<31 - 3
	firstWindow = 65535 // RFC 9113 §6.9.2
)

var (
	errDrained  = errors.New("connection drained")
	errIdle     = errors.New("no answer to a ping")
	errRefused  = errors.New("server refused the stream")
	errProtocol = errors.New("protocol error")
)

// stream is one request under way. Its fields are guarded by conn.mu but for req and done.
type stream struct {
	req  *Request
	resp Response
	done chan error

	id        uint32
	window    int64
	sent      int  // bytes of the body that were written
	written   bool // the writer is done with req
	ended     bool // the answer is complete, or the stream was reset
	abandoned bool // the caller has gone
	finished  bool // done was told
	err       error
}

func (s *stream) reset(req *Request) {
	fields, body := s.resp.Fields[:0], s.resp.Body[:0]
	*s = stream{req: req, done: s.done, resp: Response{Fields: fields, Body: body}}
}

// control is a frame that the reader asks the writer to send.
type control struct {
	kind   http2.FrameType
	stream uint32
	value  uint32
	ping   [8]byte
}

// conn is one connection: a writer, a reader and a watch, each a goroutine.
type conn struct {
	c      *Client
	nc     net.Conn
	br     *bufio.Reader
	bw     *bufio.Writer
	fr     *http2.Framer
	dec    *hpack.Decoder
	enc    *hpack.Encoder
	encBuf bytes.Buffer
	wake   chan struct{}
	dead   chan struct{}
	reads  atomic.Int64

	// Guarded by Client.mu.
	active   int
	limit    int
	draining bool

	mu         sync.Mutex
	queue      []*stream
	controls   []control
	streams    map[uint32]*stream
	nextID     uint32
	window     int64
	initWindow int64
	tableSize  uint32 // of the header compression, as the server allows
	err        error
	away       error // of a server that takes nothing new

	// Owned by the reader.
	current    *stream
	headerOnly bool // the HEADERS frame being read ends its stream
	unacked    uint32
}

// start does the HTTP/2 handshake: the server's SETTINGS must be there before the first request.
func (c *Client) start(ctx context.Context, nc net.Conn) (*conn, error) {
	cn := &conn{
		c: c, nc: nc,
		br:   bufio.NewReaderSize(nc, 32<<10),
		bw:   bufio.NewWriterSize(nc, 32<<10),
		wake: make(chan struct{}, 1), dead: make(chan struct{}),
		limit: c.cfg.Streams, streams: map[uint32]*stream{}, nextID: 1,
		window: firstWindow, initWindow: firstWindow, tableSize: 4096,
	}
	cn.fr = http2.NewFramer(cn.bw, cn.br)
	cn.fr.SetReuseFrames()
	cn.fr.SetMaxReadFrameSize(maxFrame)
	cn.enc = hpack.NewEncoder(&cn.encBuf)
	cn.dec = hpack.NewDecoder(4096, cn.field)
	cn.dec.SetMaxStringLength(maxBody)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err := cn.handshake()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("HTTP/2 handshake: %w", err)
	}
	c.wg.Go(cn.writeLoop)
	c.wg.Go(cn.readLoop)
	c.wg.Go(cn.watch)
	return cn, nil
}

func (cn *conn) handshake() error {
	_, _ = cn.bw.WriteString(http2.ClientPreface)
	_ = cn.fr.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4 * maxBody},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxBody},
	)
	_ = cn.fr.WriteWindowUpdate(0, recvWindow-firstWindow)
	if err := cn.bw.Flush(); err != nil {
		return err
	}
	f, err := cn.fr.ReadFrame()
	if err != nil {
		return err
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok || settings.IsAck() {
		return fmt.Errorf("%w: the first frame is %s, not SETTINGS", errProtocol, f.Header().Type)
	}
	return cn.settings(settings)
}

// send queues a request on its reserved place.
func (cn *conn) send(s *stream) {
	cn.mu.Lock()
	if err := cmp.Or(cn.err, cn.away); err != nil {
		s.tell(&Error{Err: err})
		cn.mu.Unlock()
		cn.c.release(cn)
		return
	}
	cn.queue = append(cn.queue, s)
	cn.mu.Unlock()
	cn.wakeWriter()
}

func (cn *conn) wakeWriter() {
	select {
	case cn.wake <- struct{}{}:
	default:
	}
}

// abandon gives up a request. It says whether the request was written, and whether the answer came all the same.
func (cn *conn) abandon(s *stream) (written, ended bool) {
	cn.mu.Lock()
	if s.finished {
		cn.mu.Unlock()
		return true, true
	}
	s.abandoned = true
	if s.id != 0 {
		delete(cn.streams, s.id)
		if cn.err == nil && !s.ended {
			cn.controls = append(cn.controls, control{kind: http2.FrameRSTStream, stream: s.id, value: uint32(http2.ErrCodeCancel)})
		}
	}
	cn.mu.Unlock()
	cn.wakeWriter()
	cn.c.release(cn)
	return s.id != 0, false
}

// finish hands the answer over once the writer is done with the request, too; cn.mu is held.
// It says whether the place is to be given back.
func (cn *conn) finish(s *stream) bool {
	if !s.ended || !s.written || s.abandoned || s.finished {
		return false
	}
	delete(cn.streams, s.id)
	s.tell(s.err)
	return true
}

// tell ends the caller's wait; conn.mu is held.
func (s *stream) tell(err error) {
	s.finished = true
	s.done <- err
}

// fail ends the connection. Requests that were written are lost, the others were not sent.
func (cn *conn) fail(err error) {
	cn.mu.Lock()
	if cn.err != nil {
		cn.mu.Unlock()
		return
	}
	cn.err = err
	cn.mu.Unlock()
	cn.c.drop(cn) // before anybody hears of it: who tries again gets another connection
	cn.mu.Lock()
	lost := cn.streams
	unsent := cn.queue
	cn.streams, cn.queue = nil, nil
	n := 0
	for _, s := range lost {
		if !s.abandoned && !s.finished {
			n++
			s.tell(&Error{Written: true, Err: err})
		}
	}
	for _, s := range unsent {
		if !s.abandoned {
			n++
			s.tell(&Error{Err: err})
		}
	}
	cn.mu.Unlock()
	close(cn.dead)
	_ = cn.nc.Close()
	for range n {
		cn.c.release(cn)
	}
}

// watch pings a silent connection and gives it up when no answer comes.
func (cn *conn) watch() {
	t := cn.c.cfg.Clock.Ticker(cn.c.cfg.Idle)
	defer t.Stop()
	seen, pinged := cn.reads.Load(), false
	for {
		select {
		case <-cn.dead:
			return
		case <-t.C:
		}
		switch now := cn.reads.Load(); {
		case now != seen:
			seen, pinged = now, false
		case pinged:
			cn.fail(errIdle)
			return
		default:
			pinged = true
			cn.mu.Lock()
			cn.controls = append(cn.controls, control{kind: http2.FramePing})
			cn.mu.Unlock()
			cn.wakeWriter()
		}
	}
}

// field takes one header field of the answer being read.
func (cn *conn) field(f hpack.HeaderField) {
	s := cn.current
	switch {
	case s == nil || s.ended:
	case f.Name == ":status":
		s.resp.Status, _ = strconv.Atoi(f.Value)
	case len(s.resp.Fields) < maxFields:
		s.resp.Fields = append(s.resp.Fields, f)
	}
}
