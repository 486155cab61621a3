package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// bundle is an ingest whose log is a slice.
type bundle struct {
	*Ingest
	mu   sync.Mutex
	recs []stream.Record
	logs bytes.Buffer
}

func newBundle(t *testing.T, configure ...func(*Config)) *bundle {
	t.Helper()
	apps, err := service.NewApps(service.App{AppID: "shop", APIKeys: []string{"key", "key2"}, Topics: "in."}, service.App{AppID: "other", APIKeys: []string{"theirs"}})
	require.NoError(t, err)
	b := &bundle{}
	cfg := Config{Apps: apps}
	for _, c := range configure {
		c(&cfg)
	}
	b.Ingest, err = New(cfg, service.Deps{Metrics: prometheus.NewRegistry(), Log: zerolog.New(zerolog.SyncWriter(&b.logs))})
	require.NoError(t, err)
	b.publish = func(_ context.Context, recs []stream.Record) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.recs = append(b.recs, recs...)
		return nil
	}
	return b
}

// facts are what was published to the facts topic.
func (b *bundle) facts(t *testing.T) []event.Fact {
	t.Helper()
	var out []event.Fact
	for _, r := range b.recs {
		if r.Topic == topic.Facts.Name {
			var f event.Fact
			require.NoError(t, event.Decode(r.Value, &f))
			require.Equal(t, f.Key(), string(r.Key))
			out = append(out, f)
		}
	}
	return out
}

type request struct {
	method, path, body string
	header             http.Header
}

func (b *bundle) do(t *testing.T, r request) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), r.method, r.path, strings.NewReader(r.body))
	req.Header.Set("Authorization", "Bearer key")
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, r.header)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, req)
	if w.Code >= 400 {
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), w.Body)
		var p problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, w.Code, p.Status)
		require.NotEmpty(t, p.Title)
		require.NotEmpty(t, p.Detail)
	}
	return w
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestEveryRouteMakesItsFact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    request
		kind string
	}{
		{request{method: "POST", path: "/v1/messages", body: good[event.KindMessage].data}, event.KindMessage},
		{request{method: "POST", path: "/v1/messages", body: good[event.KindCancel].data}, event.KindCancel},
		{request{method: "POST", path: "/v1/messages", body: "[" + good[event.KindMessage].data + "]"}, event.KindMessage},
		{request{method: "DELETE", path: "/v1/messages/m1?user_id=u1"}, event.KindCancel},
		{request{method: "POST", path: "/v1/events", body: good[event.KindEvent].data}, event.KindEvent},
		{request{method: "POST", path: "/v1/signals", body: good[event.KindSignal].data}, event.KindSignal},
		{request{method: "POST", path: "/v1/receipts", body: good[event.KindReceipt].data}, event.KindReceipt},
		{request{method: "PUT", path: "/v1/devices/d1", body: good[event.KindDevice].data}, event.KindDevice},
		{request{method: "PUT", path: "/v1/devices/d%2F1", body: strings.Replace(good[event.KindDevice].data, `"device_id":"d1",`, "", 1)}, event.KindDevice},
		{request{method: "PUT", path: "/v1/users/u1", body: `{"cohort":"beta"}`}, event.KindUser},
		{request{method: "PUT", path: "/v1/users/u1", body: ` { } `}, event.KindUser},
		{request{method: "DELETE", path: "/v1/users/u1"}, event.KindUser},
	} {
		b := newBundle(t)
		fixed(b)
		w := b.do(t, c.r)
		require.Equal(t, http.StatusAccepted, w.Code, "%v: %s", c.r, w.Body)
		facts := b.facts(t)
		require.Len(t, facts, 1)
		require.Equal(t, c.kind, facts[0].Kind)
		require.Equal(t, "shop", facts[0].AppID)
		require.Equal(t, "u1", facts[0].UserID)
		require.Equal(t, "kairos.fact."+c.kind, b.recs[0].Header(stream.HeaderType))
		require.Zero(t, b.gate.held.Load(), "room is given back")
		require.NotContains(t, b.logs.String(), "u1")
	}
}

// fixed gives the records of good their own time: the API takes the time of the clock, and theirs is long past.
func fixed(b *bundle) { b.deps.Clock = clock.Skewed(time.Until(now)) }

func TestEveryBadRequestHasItsProblem(t *testing.T) {
	t.Parallel()
	message := `{"message_id":"m1","user_id":"u1"}`
	gz := func(n int) string {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		_, _ = z.Write(bytes.Repeat([]byte(" "), n))
		_ = z.Close()
		return buf.String()
	}
	for name, c := range map[string]struct {
		r      request
		status int
		says   string
	}{
		"no key":              {request{"POST", "/v1/messages", message, header("Authorization", "")}, 401, "Bearer"},
		"unknown key":         {request{"POST", "/v1/messages", message, header("Authorization", "Bearer nope")}, 401, "Bearer"},
		"other scheme":        {request{"POST", "/v1/messages", message, header("Authorization", "Basic key")}, 401, "Bearer"},
		"no such path":        {request{"GET", "/v2/messages", "", nil}, 404, "not offered"},
		"no such method":      {request{"PATCH", "/v1/messages", message, nil}, 405, "not offered"},
		"not JSON by type":    {request{"POST", "/v1/messages", message, header("Content-Type", "text/plain")}, 415, "application/json"},
		"no type":             {request{"POST", "/v1/messages", message, header("Content-Type", "")}, 415, "application/json"},
		"brotli":              {request{"POST", "/v1/messages", message, header("Content-Encoding", "br")}, 415, "gzip"},
		"not gzip":            {request{"POST", "/v1/messages", message, header("Content-Encoding", "gzip")}, 400, "gzip"},
		"gzip bomb":           {request{"POST", "/v1/messages", gz(maxBody + 1), header("Content-Encoding", "gzip")}, 413, "bytes"},
		"half a gzip":         {request{"POST", "/v1/messages", gz(100)[:20], header("Content-Encoding", "gzip")}, 400, "end"},
		"too large":           {request{"POST", "/v1/messages", strings.Repeat(" ", maxBody+1), nil}, 413, "bytes"},
		"empty":               {request{"POST", "/v1/messages", "", nil}, 422, "JSON"},
		"not JSON":            {request{"POST", "/v1/messages", "{", nil}, 422, "JSON"},
		"array not ended":     {request{"POST", "/v1/messages", "[" + message, nil}, 400, "JSON"},
		"array and more":      {request{"POST", "/v1/messages", "[" + message + "] {}", nil}, 400, "after the array"},
		"empty array":         {request{"POST", "/v1/messages", "[]", nil}, 400, "empty"},
		"501 records":         {request{"POST", "/v1/messages", "[" + strings.Repeat("{},", 500) + "{}]", nil}, 413, "500"},
		"depth bomb":          {request{"POST", "/v1/messages", strings.Repeat("[", 20000), nil}, 400, "JSON"},
		"bad record":          {request{"POST", "/v1/messages", `{"user_id":"u1"}`, nil}, 422, "message_id"},
		"all of an array":     {request{"POST", "/v1/messages", `[{"user_id":"u1"},7]`, nil}, 422, "items"},
		"another device":      {request{"PUT", "/v1/devices/d2", good[event.KindDevice].data, nil}, 422, "device_id"},
		"device id no string": {request{"PUT", "/v1/devices/d2", `{"device_id":7}`, nil}, 422, "device_id"},
		"user is no object":   {request{"PUT", "/v1/users/u1", `[]`, nil}, 422, "object"},
		"cancel of nobody's":  {request{"DELETE", "/v1/messages/m1", "", nil}, 422, "user_id"},
		"bad key":             {request{"POST", "/v1/messages", message, http.Header{"Idempotency-Key": {"a\x00b"}}}, 400, "Idempotency-Key"},
		"no view":             {request{"GET", "/v1/messages/m1", "", nil}, 503, "--console-url"},
		"no scores":           {request{"GET", "/v1/users/u1/moments", "", nil}, 503, "--timing-url"},
	} {
		b := newBundle(t)
		w := b.do(t, c.r)
		require.Equal(t, c.status, w.Code, "%s: %s", name, w.Body)
		require.Contains(t, w.Body.String(), c.says, name)
		require.Empty(t, b.facts(t), name)
		require.Zero(t, b.gate.held.Load(), name)
	}
	require.Equal(t, "POST", newBundle(t).do(t, request{method: "PATCH", path: "/v1/messages"}).Header().Get("Allow"))
}

func TestPartOfAnArrayIsAccepted(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	w := b.do(t, request{method: "POST", path: "/v1/messages", body: `[
		{"message_id":"m1","user_id":"u1"},
		{"message_id":"m2","user_id":"u1","priority":"urgent","campaign_id":"c"},
		{"message_id":"m3","user_id":"u1","user_id":"u2"},
		{"message_id":"m4","user_id":"u2"}]`})
	require.Equal(t, http.StatusMultiStatus, w.Code)
	var a acceptedAnswer
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
	require.Equal(t, 2, a.Accepted)
	require.Equal(t, 2, a.Rejected)
	require.Equal(t, []string{"m1", "m2", "m3", "m4"}, []string{a.Items[0].ID, a.Items[1].ID, a.Items[2].ID, a.Items[3].ID})
	require.Equal(t, "priority", a.Items[1].Errors[0].Field)
	require.Equal(t, "user_id", a.Items[2].Errors[0].Field)
	require.Len(t, b.facts(t), 2)
	require.Len(t, b.recs, 4, "refused messages that can be named are outcomes")
	var o event.Outcome
	require.NoError(t, event.Decode(b.recs[1].Value, &o))
	require.Equal(t, []string{event.OutcomeRejected, "m2", "c"}, []string{o.Type, o.MessageID, o.CampaignID})
	require.InDelta(t, 2, testutil.ToFloat64(b.metrics.rejected.WithLabelValues(topic.InMessages.Name, doorHTTP)), 0)
}

func TestIdempotencyKeyGivesTheSameIdsAgain(t *testing.T) {
	t.Parallel()
	ids := func(key, auth, body string) []string {
		b := newBundle(t)
		w := b.do(t, request{"POST", "/v1/messages", body, header("Idempotency-Key", key, "Authorization", "Bearer "+auth)})
		require.Equal(t, http.StatusAccepted, w.Code, w.Body)
		var a acceptedAnswer
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
		var out []string
		for i, f := range b.facts(t) {
			require.Equal(t, a.Items[i].ID, idOf(&f))
			out = append(out, idOf(&f))
		}
		return out
	}
	body := `[{"user_id":"u1"},{"user_id":"u1"},{"message_id":"own","user_id":"u1"},{"type":"cancel","user_id":"u1","message_id":"m"}]`
	first := ids("k", "key", body)
	require.Equal(t, first, ids("k", "key2", body), "the same app, request and key")
	require.NotEqual(t, first[0], first[1])
	require.Equal(t, []string{"own", "m"}, first[2:])
	require.NotEqual(t, first[0], ids("l", "key", body)[0])
	require.NotEqual(t, first[0], ids("k", "theirs", body)[0], "keys of two apps do not meet")
}

func TestADeviceMovesToAnotherUser(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	fixed(b)
	w := b.do(t, request{method: "PUT", path: "/v1/devices/d1?previous_user_id=u0", body: good[event.KindDevice].data})
	require.Equal(t, http.StatusAccepted, w.Code)
	facts := b.facts(t)
	require.Len(t, facts, 2)
	require.Equal(t, "u1", facts[0].UserID)
	require.False(t, facts[0].Device.Deleted)
	require.Equal(t, "u0", facts[1].UserID)
	require.True(t, facts[1].Device.Deleted)
	require.Equal(t, facts[0].Device.UpdatedAt, facts[1].Device.UpdatedAt)
}

func TestGzipIsRead(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write([]byte(`{"message_id":"m1","user_id":"u1"}`))
	require.NoError(t, z.Close())
	b := newBundle(t)
	w := b.do(t, request{"POST", "/v1/messages", buf.String(), header("Content-Encoding", "gzip")})
	require.Equal(t, http.StatusAccepted, w.Code)
}

func TestTheTraceGoesOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const id = "0af7651916cd43dd8448eb211c80319c"
	b.do(t, request{"POST", "/v1/messages", `{"message_id":"m1","user_id":"u1"}`, header("Traceparent", "00-"+id+"-b7ad6b7169203331-01")})
	require.Contains(t, b.recs[0].Header(stream.HeaderTrace), id)
}

func TestLabelsOfMetricsAreOurs(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for i := range 50 {
		b.do(t, request{method: "GET", path: fmt.Sprintf("/x/%d//v1/messages", i)})
		b.do(t, request{method: "GET", path: fmt.Sprintf("/a//%%20/v1/%d", i)})
	}
	require.LessOrEqual(t, testutil.CollectAndCount(b.metrics.requests), 3)
}
