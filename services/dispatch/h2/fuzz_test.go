package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// answer are the frames of an honest server.
func answer(status, body string) []byte {
	var out, block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	fr := http2.NewFramer(&out, nil)
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = fr.WriteData(1, true, []byte(body))
	}
	return out.Bytes()
}

// FuzzFrames lets a server answer one request with anything: the client says how it went, and keeps to its bounds.
func FuzzFrames(f *testing.F) {
	f.Add(answer("200", ""))
	f.Add(answer("410", `{"reason":"Unregistered"}`))
	f.Add(append(answer("100", ""), answer("200", "x")...))
	var out bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	_ = fr.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
	_ = fr.WriteRSTStream(1, http2.ErrCodeRefusedStream)
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
	_ = fr.WriteWindowUpdate(0, 1<<31-1)
	_ = fr.WritePing(false, [8]byte{1})
	_ = fr.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
	_ = fr.WriteContinuation(1, true, []byte{0x88})
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, frames []byte) {
		client, server := net.Pipe()
		c := New(Config{Addr: "example.com:443", TLS: &tls.Config{MinVersion: tls.VersionTLS12}})
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		asked := make(chan struct{})
		go func() {
			_ = http2.NewFramer(server, nil).WriteSettings()
			<-asked
			_, _ = server.Write(frames)
			_ = server.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cn, err := c.start(ctx, client)
		require.NoError(t, err)
		c.mu.Lock()
		cn.active++ // the place of the request
		c.mu.Unlock()
		s := c.streams.Get().(*stream)
		s.reset(&Request{Path: "/", Body: []byte("{}")})
		cn.send(s)
		close(asked)
		select {
		case err = <-s.done:
		case <-ctx.Done():
			t.Fatal("neither an answer nor an error")
		}
		if err == nil {
			require.GreaterOrEqual(t, s.resp.Status, 200)
		}
		require.LessOrEqual(t, len(s.resp.Body), maxBody)
		require.LessOrEqual(t, len(s.resp.Fields), maxFields)
	})
}
