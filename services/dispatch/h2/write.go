package h2

import (
	"errors"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// piece is what may be written of a stream now.
type piece struct {
	s     *stream
	first bool // HEADERS first
	from  int
	to    int
}

// writeLoop is the only writer. What came together leaves together.
func (cn *conn) writeLoop() {
	var queue, blocked []*stream
	var controls []control
	var pieces []piece
	for {
		select {
		case <-cn.dead:
			return
		case <-cn.wake:
		}
		cn.mu.Lock()
		queue, cn.queue = cn.queue, queue[:0]
		controls, cn.controls = cn.controls, controls[:0]
		pieces, blocked = cn.plan(pieces[:0], blocked, queue)
		cn.mu.Unlock()

		if err := cn.write(controls, pieces); err != nil {
			cn.fail(err)
			return
		}
		released := 0
		cn.mu.Lock()
		for _, p := range pieces {
			if p.to == len(p.s.req.Body) {
				p.s.written = true
				if cn.finish(p.s) {
					released++
				}
			}
		}
		cn.mu.Unlock()
		for range released {
			cn.c.release(cn)
		}
		clear(pieces)
	}
}

// plan says what the windows allow, in order; cn.mu is held. Streams that are blocked are looked at again when the
// server opens a window.
func (cn *conn) plan(pieces []piece, blocked, queue []*stream) ([]piece, []*stream) {
	still := blocked[:0]
	for _, s := range blocked {
		pieces, still = cn.planOne(pieces, still, s, false)
	}
	for _, s := range queue {
		if s.abandoned {
			continue
		}
		if cn.err != nil { // fail has run since the queue was taken
			s.tell(&Error{Err: cn.err})
			go cn.c.release(cn)
			continue
		}
		s.id, s.window = cn.nextID, cn.initWindow
		cn.nextID += 2
		cn.streams[s.id] = s
		pieces, still = cn.planOne(pieces, still, s, true)
	}
	if cn.nextID >= lastStream {
		go cn.c.drain(cn)
	}
	return pieces, still
}

func (cn *conn) planOne(pieces []piece, still []*stream, s *stream, first bool) ([]piece, []*stream) {
	body := len(s.req.Body)
	if s.ended && !s.abandoned && !first {
		// The server answered before it had the whole body: the rest is not wanted.
		cn.controls = append(cn.controls, control{kind: http2.FrameRSTStream, stream: s.id, value: uint32(http2.ErrCodeNo)})
		cn.wakeWriter()
		return append(pieces, piece{s: s, from: body, to: body}), still
	}
	if s.abandoned {
		return pieces, still
	}
	n := max(min(int64(body-s.sent), cn.window, s.window), 0)
	p := piece{s: s, first: first, from: s.sent, to: s.sent + int(n)}
	cn.window -= n
	s.window -= n
	s.sent = p.to
	if p.to < body {
		still = append(still, s)
	}
	if first || n > 0 {
		pieces = append(pieces, p)
	}
	return pieces, still
}

func (cn *conn) write(controls []control, pieces []piece) error {
	for _, c := range controls {
		if err := cn.writeControl(c); err != nil {
			return err
		}
	}
	for _, p := range pieces {
		if err := cn.writePiece(p); err != nil {
			return err
		}
	}
	return cn.bw.Flush()
}

func (cn *conn) writeControl(c control) error {
	switch c.kind {
	case http2.FrameSettings:
		cn.enc.SetMaxDynamicTableSizeLimit(c.value)
		return cn.fr.WriteSettingsAck()
	case http2.FramePing:
		return cn.fr.WritePing(c.stream != 0, c.ping)
	case http2.FrameWindowUpdate:
		return cn.fr.WriteWindowUpdate(c.stream, c.value)
	case http2.FrameRSTStream:
		return cn.fr.WriteRSTStream(c.stream, http2.ErrCode(c.value))
	default:
		return errors.New("unknown control frame " + c.kind.String())
	}
}

func (cn *conn) writePiece(p piece) error {
	body := p.s.req.Body
	if p.first {
		if err := cn.writeHeaders(p.s, len(body) == 0); err != nil {
			return err
		}
	}
	for from := p.from; from < p.to; {
		to := min(from+maxFrame, p.to)
		if err := cn.fr.WriteData(p.s.id, to == len(body), body[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (cn *conn) writeHeaders(s *stream, end bool) error {
	cn.encBuf.Reset()
	fields := [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: cn.c.authority},
		{Name: ":path", Value: s.req.Path, Sensitive: true},
	}
	for _, f := range fields {
		_ = cn.enc.WriteField(f)
	}
	for _, f := range s.req.Fields {
		_ = cn.enc.WriteField(f)
	}
	block := cn.encBuf.Bytes()
	first := block[:min(len(block), maxFrame)]
	rest := block[len(first):]
	err := cn.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: s.id, BlockFragment: first, EndStream: end, EndHeaders: len(rest) == 0,
	})
	for err == nil && len(rest) > 0 {
		part := rest[:min(len(rest), maxFrame)]
		rest = rest[len(part):]
		err = cn.fr.WriteContinuation(s.id, len(rest) == 0, part)
	}
	return err
}
