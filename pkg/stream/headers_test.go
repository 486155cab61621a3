package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/stream"
)

func TestEventHeaders(t *testing.T) {
	t.Parallel()
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	ctx := trace.ContextWithSpanContext(t.Context(), sc)
	cause := stream.Cause{Topic: "facts.v1", Partition: 3, Offset: 1042}
	r := stream.Record{Headers: stream.Event{
		ID: "i", Type: "kairos.outcome.held", Source: "/kairos/timing", Cause: cause,
		Time: time.Date(2026, 3, 1, 13, 0, 0, 500, time.FixedZone("", 3600)),
	}.Headers(ctx)}
	for name, want := range map[string]string{
		"ce_id": "i", "ce_type": "kairos.outcome.held", "ce_source": "/kairos/timing", "ce_time": "2026-03-01T12:00:00.0000005Z",
		"ce_specversion": "1.0", "content-type": "application/json", "kairos-cause": "facts.v1/3/1042",
		"traceparent": "00-01000000000000000000000000000000-0200000000000000-01",
	} {
		require.Equal(t, want, r.Header(name), name)
	}
	require.Equal(t, sc, trace.SpanContextFromContext(stream.Extract(t.Context(), &r)))
	require.Empty(t, (&stream.Record{Headers: stream.Event{}.Headers(t.Context())}).Header("kairos-cause"))
}

func TestCauseRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := stream.Cause{
			Topic:     rapid.StringMatching(`[a-zA-Z0-9._-]{1,40}`).Draw(t, "topic"),
			Partition: rapid.IntRange(0, 1<<31-1).Draw(t, "partition"), Offset: rapid.Int64Range(0, 1<<63-1).Draw(t, "offset"),
		}
		got, err := stream.ParseCause(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	})
}

func FuzzParseCause(f *testing.F) {
	for _, s := range []string{"facts.v1/3/1042", "", "//", "a/-1/0", "a/0/-1", "a/+1/2", "a/1/2/3", "a/9999999999/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := stream.ParseCause(s)
		if err != nil {
			require.Zero(t, c)
			return
		}
		again, err := stream.ParseCause(c.String())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
