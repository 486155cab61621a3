package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
)

func TestNoAnswerBeforeTheLogHasIt(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.publish = func(context.Context, []stream.Record) error { return errors.New("broker gone") }
	w := b.do(t, request{method: "POST", path: "/v1/messages", body: `{"message_id":"m1","user_id":"u1"}`})
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.NotContains(t, w.Body.String(), "broker gone")
	require.Zero(t, testutil.ToFloat64(b.metrics.accepted.WithLabelValues(event.KindMessage, doorHTTP)))
}

// While Kafka does not answer, requests wait up to the bound, and the rest is told to come back.
func TestLoadIsShedWhileKafkaHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, func(c *Config) { c.MaxPending, c.Timeout = maxBody, 10*time.Second })
		release := make(chan struct{})
		b.publish = func(ctx context.Context, _ []stream.Record) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		body := `{"message_id":"m1","user_id":"u1","body":"` + strings.Repeat("x", 4000) + `"}`
		fits := maxBody / len(body)
		codes := make(chan *httptest.ResponseRecorder, 2*fits)
		for range fits {
			go func() { //nolint:testifylint // do asserts nothing about a request without headers
				codes <- b.do(t, request{method: "POST", path: "/v1/messages", body: body})
			}()
		}
		synctest.Wait()
		w := b.do(t, request{method: "POST", path: "/v1/messages", body: body})
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.InDelta(t, 1, testutil.ToFloat64(b.metrics.shed), 0)

		close(release)
		for range fits {
			require.Equal(t, http.StatusAccepted, (<-codes).Code)
		}
		require.Equal(t, http.StatusAccepted, b.do(t, request{method: "POST", path: "/v1/messages", body: body}).Code)

		release = make(chan struct{}) // and again, until the requests' own time is over
		begun := time.Now()
		w = b.do(t, request{method: "POST", path: "/v1/messages", body: body})
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, 10*time.Second, time.Since(begun))
		require.Zero(t, b.gate.held.Load())
	})
}

// pipes is a listener without a network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A body of unknown size takes the room of the largest. Clients that begin one and do not go on must not keep it.
func TestABodyThatDoesNotComeGivesItsRoomBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, func(c *Config) { c.MaxPending = maxBody })
		late := make(chan struct{})
		publish := b.publish
		b.publish = func(ctx context.Context, recs []stream.Record) error {
			select {
			case <-late:
				return publish(ctx, recs)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		l := pipes(make(chan net.Conn))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- service.Serve(ctx, l, b) }()
		begin := func(first string) (net.Conn, *bufio.Reader) {
			ours, theirs := net.Pipe()
			l <- theirs
			_, err := io.WriteString(ours, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n"+first)
			require.NoError(t, err)
			return ours, bufio.NewReader(ours)
		}
		status := func(r *bufio.Reader) int {
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp.StatusCode
		}
		whole := `{"message_id":"m1","user_id":"u1"}`
		whole = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(whole), whole)

		begun := time.Now()
		stalled, answer := begin("1\r\n{\r\n")
		other, refused := begin("")
		require.Equal(t, http.StatusTooManyRequests, status(refused))
		require.Equal(t, http.StatusBadRequest, status(answer))
		require.Equal(t, bodyWithin, time.Since(begun))
		require.Zero(t, b.gate.held.Load())

		// The deadline is the body's: one that has come may wait for Kafka beyond it.
		b.cfg.Timeout = 3 * bodyWithin
		slow, answer := begin(whole)
		time.Sleep(2 * bodyWithin)
		close(late)
		require.Equal(t, http.StatusAccepted, status(answer))
		for _, c := range []net.Conn{stalled, other, slow} {
			require.NoError(t, c.Close())
		}
		stop()
		require.NoError(t, <-ended)
	})
}
