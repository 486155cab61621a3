package console

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event/schematest"
	"github.com/kairos-push/kairos/pkg/service"
)

func newConsole(t *testing.T) (*Console, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	c, err := New(Config{Messages: 1000}, service.Deps{Metrics: reg})
	require.NoError(t, err)
	return c, reg
}

func (c *Console) add(message string, types ...string) {
	for _, typ := range types {
		c.change(func(v *view) { v.outcome(outcome(message, typ, 0), whole) })
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	c, _ := newConsole(t)
	for path, want := range map[string]string{"/": "<title>Kairos</title>", "/console.js": "EventSource", "/console.css": "color-scheme", "/icon.svg": "<svg"} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Body.String(), want)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self'")
	}
	for _, path := range []string{"/web/index.html", "/nothing", "/console.go"} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusNotFound, w.Code, path)
	}
}

func TestMessageDetail(t *testing.T) {
	t.Parallel()
	c, _ := newConsole(t)
	odd := "a/b c?"
	c.add(odd, "accepted", "sent")
	c.change(func(v *view) { v.decision(decision(odd, "release", time.Second)) })

	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/console/message?app_id=demo&user_id=u1&message_id=a%2Fb%20c%3F", nil))
	require.Equal(t, http.StatusOK, w.Code)
	var d map[string]any
	require.NoError(t, schematest.Load(t).ValidateAnswer("MessageView", w.Body.Bytes()))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &d))
	require.Equal(t, odd, d["message_id"])
	require.Len(t, d["outcomes"], 2)
	require.Len(t, d["decisions"], 1)

	w = httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/console/message?app_id=demo&user_id=u1&message_id=none", nil))
	require.Equal(t, http.StatusNotFound, w.Code)

	w = httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/console/message?app_id=demo&message_id=a%2Fb%20c%3F", nil))
	require.Equal(t, http.StatusOK, w.Code, "the person may be left out")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &d))
	require.Equal(t, "sent", d["state"])
}

type eventStream struct {
	lines *bufio.Scanner
	close func()
}

func (s *eventStream) next(t *testing.T) (u struct {
	Reset    bool
	Total    struct{ Accepted, Held int }
	Arms     []struct{ Accepted, Sent int }
	Messages []struct {
		MessageID string `json:"message_id"`
		State     string
	}
},
) {
	t.Helper()
	for s.lines.Scan() {
		if data, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			require.NoError(t, json.Unmarshal([]byte(data), &u))
			return u
		}
	}
	t.Fatal("the stream has ended")
	return u
}

func listen(t *testing.T, c *Console) *eventStream {
	t.Helper()
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/console/events", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<22)
	stop := func() { cancel(); _ = resp.Body.Close() }
	t.Cleanup(stop)
	return &eventStream{lines, stop}
}

func TestEventsSendASnapshotThenChanges(t *testing.T) {
	t.Parallel()
	c, _ := newConsole(t)
	c.add("a", "accepted", "held")
	c.add("b", "accepted", "sent")
	s := listen(t, c)

	u := s.next(t)
	require.True(t, u.Reset)
	require.Equal(t, 2, u.Total.Accepted)
	require.Equal(t, 1, u.Total.Held)
	require.Len(t, u.Messages, 2)

	c.add("a", "sent")
	u = s.next(t)
	require.False(t, u.Reset)
	require.Len(t, u.Messages, 1)
	require.Equal(t, "a", u.Messages[0].MessageID)
	require.Equal(t, "sent", u.Messages[0].State)
	require.Zero(t, u.Total.Held)
	require.Equal(t, []struct{ Accepted, Sent int }{{2, 2}}, u.Arms)

	// A burst beyond what one update carries is a new snapshot, so that the page never shows what is over.
	c.change(func(v *view) {
		for i := range updateRows + 50 {
			v.outcome(outcome(fmt.Sprint("burst", i), "accepted", 0), whole)
		}
	})
	u = s.next(t)
	require.True(t, u.Reset)
	require.Len(t, u.Messages, snapshotRows+2)
}

func TestEventsEndWithTheConsole(t *testing.T) {
	t.Parallel()
	c, _ := newConsole(t)
	s := listen(t, c)
	s.next(t)
	close(c.done)
	for s.lines.Scan() {
	}
	require.NoError(t, s.lines.Err(), "a clean end of the response")
}

func TestLedgerMetric(t *testing.T) {
	t.Parallel()
	c, reg := newConsole(t)
	c.add("a", "accepted", "sent", "opened")
	c.add("b", "accepted")
	c.add("c", "sent")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kairos_ledger_faults Messages that break the conservation law.
# TYPE kairos_ledger_faults gauge
kairos_ledger_faults{fault="contradiction"} 0
kairos_ledger_faults{fault="orphan"} 1
`), "kairos_ledger_faults"))
	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "kairos_ledger_messages" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	require.InDelta(t, 2, got["accepted"], 0)
	require.InDelta(t, 1, got["held"], 0)
	require.InDelta(t, 1, got["sent"], 0)
}
