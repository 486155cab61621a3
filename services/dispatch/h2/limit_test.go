package h2_test

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/services/dispatch/h2"
)

// TestTheLimitIsRaisedLater is what APNs does: one stream until it has authenticated the first request, many from then on.
func TestTheLimitIsRaisedLater(t *testing.T) {
	t.Parallel()
	const many = 10
	early := make(chan int, 1)
	cfg := script(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 1}}, func(fr *http2.Framer, _ net.Conn) {
		answer := func(id uint32) {
			var b bytes.Buffer
			_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
		}
		first := next(fr, http2.FrameHeaders).Header().StreamID
		_ = fr.WritePing(false, [8]byte{})
		n := 0
		for { // what comes before the answer to the ping came before the limit was raised
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			if f.Header().Type == http2.FrameHeaders {
				n++
			}
			if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
				break
			}
		}
		early <- n
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: many})
		answer(first)
		var ids []uint32
		for len(ids) < many-1 { // all of them before any is answered
			f := next(fr, http2.FrameHeaders)
			if f == nil {
				return
			}
			ids = append(ids, f.Header().StreamID)
		}
		for _, id := range ids {
			answer(id)
		}
		next(fr, 99)
	})
	cfg.Conns = 1
	c := newClient(t, cfg)
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			require.NoError(t, c.Do(t.Context(), &h2.Request{Path: "/", Body: []byte("{}")}, new(h2.Response)))
		})
	}
	require.Zero(t, <-early)
	wg.Wait()
}
