package h2

import (
	"fmt"

	"golang.org/x/net/http2"
)

// readLoop is the only reader.
func (cn *conn) readLoop() {
	for {
		f, err := cn.fr.ReadFrame()
		if err != nil {
			cn.fail(err)
			return
		}
		cn.reads.Add(1)
		switch f := f.(type) {
		case *http2.HeadersFrame:
			err = cn.headers(f.StreamID, f.HeaderBlockFragment(), f.StreamEnded(), f.HeadersEnded())
		case *http2.ContinuationFrame:
			err = cn.fragment(f.StreamID, f.HeaderBlockFragment(), f.HeadersEnded())
		case *http2.DataFrame:
			cn.data(f)
		case *http2.RSTStreamFrame:
			cn.resetStream(f)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = cn.settings(f)
			}
		case *http2.WindowUpdateFrame:
			cn.openWindow(f)
		case *http2.PingFrame:
			if !f.IsAck() {
				cn.control(control{kind: http2.FramePing, stream: 1, ping: f.Data})
			}
		case *http2.GoAwayFrame:
			cn.goAway(f)
		case *http2.PushPromiseFrame:
			err = fmt.Errorf("%w: PUSH_PROMISE", errProtocol)
		}
		if err != nil {
			cn.fail(err)
			return
		}
	}
}

func (cn *conn) control(c control) {
	cn.mu.Lock()
	cn.controls = append(cn.controls, c)
	cn.mu.Unlock()
	cn.wakeWriter()
}

func (cn *conn) headers(id uint32, block []byte, end, endHeaders bool) error {
	cn.headerOnly = end
	return cn.fragment(id, block, endHeaders)
}

// fragment decodes a part of a header block. Blocks of streams that are gone are decoded, too: the compression table
// depends on them.
func (cn *conn) fragment(id uint32, block []byte, last bool) error {
	cn.mu.Lock()
	cn.current = cn.streams[id]
	_, err := cn.dec.Write(block)
	s := cn.current
	cn.current = nil
	released, waiting := false, false
	if err == nil && last {
		err = cn.dec.Close()
	}
	if s != nil && err == nil && last {
		interim := s.resp.Status < 200
		if interim {
			s.resp.Fields = s.resp.Fields[:0]
		}
		if cn.headerOnly {
			s.ended = true
			if interim {
				s.err = &Error{Written: true, Err: fmt.Errorf("%w: no final status", errProtocol)}
			}
			released = cn.finish(s) // from here on the stream is the caller's
			waiting = !released
		}
	}
	cn.mu.Unlock()
	cn.after(released, waiting)
	return err
}

// after gives a place back, or tells the writer that a stream has ended whose body it still holds.
func (cn *conn) after(released, waiting bool) {
	if released {
		cn.c.release(cn)
	}
	if waiting {
		cn.wakeWriter()
	}
}

func (cn *conn) data(f *http2.DataFrame) {
	cn.mu.Lock()
	cn.unacked += f.Length
	if cn.unacked >= recvWindow/2 {
		cn.controls = append(cn.controls, control{kind: http2.FrameWindowUpdate, value: cn.unacked})
		cn.unacked = 0
		cn.wakeWriter()
	}
	s := cn.streams[f.StreamID]
	released, waiting := false, false
	if s != nil && !s.ended {
		d := f.Data()
		if room := maxBody - len(s.resp.Body); len(d) > room {
			d = d[:room]
			s.resp.Cut = true
			cn.controls = append(cn.controls, control{kind: http2.FrameRSTStream, stream: s.id, value: uint32(http2.ErrCodeCancel)})
			cn.wakeWriter()
		}
		s.resp.Body = append(s.resp.Body, d...)
		if f.StreamEnded() || s.resp.Cut {
			s.ended = true
			if s.resp.Status < 200 {
				s.err = &Error{Written: true, Err: fmt.Errorf("%w: body without a final status", errProtocol)}
			}
			released = cn.finish(s)
			waiting = !released
		}
	}
	cn.mu.Unlock()
	cn.after(released, waiting)
}

func (cn *conn) resetStream(f *http2.RSTStreamFrame) {
	cn.mu.Lock()
	s := cn.streams[f.StreamID]
	released, waiting := false, false
	if s != nil && !s.ended {
		s.ended = true
		if f.ErrCode == http2.ErrCodeRefusedStream {
			s.err = &Error{Err: errRefused}
		} else {
			s.err = &Error{Written: true, Err: fmt.Errorf("stream reset: %s", f.ErrCode)}
		}
		released = cn.finish(s)
		waiting = !released
	}
	cn.mu.Unlock()
	cn.after(released, waiting)
}

// settings applies and acknowledges the server's settings.
func (cn *conn) settings(f *http2.SettingsFrame) error {
	cn.mu.Lock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingInitialWindowSize:
			delta := int64(s.Val) - cn.initWindow
			cn.initWindow = int64(s.Val)
			for _, st := range cn.streams {
				st.window += delta
			}
		case http2.SettingHeaderTableSize:
			cn.tableSize = min(4096, s.Val)
		default: // of the others, only the limit of streams matters to us: below
		}
		return nil
	})
	// SETTINGS_MAX_FRAME_SIZE is never below 16 KB, which is all that we use.
	cn.controls = append(cn.controls, control{kind: http2.FrameSettings, value: cn.tableSize})
	cn.mu.Unlock()
	if limit, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		cn.c.setLimit(cn, limit)
	}
	cn.wakeWriter()
	return err
}

func (cn *conn) openWindow(f *http2.WindowUpdateFrame) {
	cn.mu.Lock()
	if f.StreamID == 0 {
		cn.window += int64(f.Increment)
	} else if s := cn.streams[f.StreamID]; s != nil {
		s.window += int64(f.Increment)
	}
	cn.mu.Unlock()
	cn.wakeWriter()
}

// goAway drains the connection: streams above the last one that the server took were not processed.
func (cn *conn) goAway(f *http2.GoAwayFrame) {
	cn.c.drain(cn)
	reason := fmt.Errorf("server goes away: %s %.200q", f.ErrCode, f.DebugData())
	released := 0
	cn.mu.Lock()
	cn.away = reason // a place may have been given to somebody who has not sent yet
	for _, s := range cn.streams {
		if s.id > f.LastStreamID && !s.ended {
			s.ended, s.written = true, true
			s.err = &Error{Err: reason}
			if cn.finish(s) {
				released++
			}
		}
	}
	for _, s := range cn.queue {
		if !s.abandoned {
			s.tell(&Error{Err: reason})
			released++
		}
	}
	cn.queue = nil
	cn.mu.Unlock()
	for range released {
		cn.c.release(cn)
	}
}
