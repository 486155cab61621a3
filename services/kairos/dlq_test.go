package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/service"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/enrich"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// A message whose enriched record timing refused is accepted after a retry, though timing has seen later facts since.
func TestRetryOfAnEnrichedRecord(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const key = "demo|ada"
	p := state.Partition(key, 4)
	fact := func(f event.Fact) event.Fact {
		f.AppID, f.UserID, f.ReceivedAt = "demo", "ada", time.Now()
		return f
	}
	message := func(id string) event.Fact {
		return fact(event.Fact{Kind: event.KindMessage, Message: &event.Message{MessageID: id, UserID: "ada"}})
	}
	signal := fact(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{SignalID: "s", UserID: "ada", DeviceID: "d", Kind: "unlocked", ObservedAt: time.Now()}})
	cause := func(offset int) stream.Header {
		return stream.Header{Key: stream.HeaderCause, Value: fmt.Appendf(nil, "facts.v1/%d/%d", p, offset)}
	}
	s.publish(t, topic.Facts, key, message("refused"), stream.Header{Key: "mine", Value: []byte("kept")})
	s.publish(t, topic.Facts, key, signal)
	s.publish(t, topic.Facts, key, message("next"))
	for offset := range 2 {
		s.publish(t, topic.Enriched, key, []byte("{"), cause(offset))
	}
	s.publish(t, topic.Enriched, key, []byte("{"))
	s.publish(t, topic.Enriched, key, []byte("{"), cause(99))
	s.publish(t, topic.Enriched, key, profile.Enriched{Fact: message("next")}, cause(2))

	s.serve(t)
	s.until(t, topic.Outcomes, "next is accepted", accepted("next"))
	out := s.run(t, 1, "dlq", "retry", "enriched.v1", "--all")
	require.Contains(t, out, "put back 1 records")
	for _, want := range []string{
		"cannot be put back: its fact is a signal, which enrich has seen and would drop",
		"cannot be put back: it names no fact that it came of",
		fmt.Sprintf("cannot be put back: its fact, facts.v1/%d/99, is gone", p),
	} {
		require.Contains(t, out, want)
	}
	s.until(t, topic.Outcomes, "the other is accepted too", accepted("refused"))
	s.until(t, topic.Facts, "the fact came in again as it was", func(r *stream.Record) bool { return r.Offset == 3 && r.Header("mine") == "kept" })
}

// Dead letters stay for longer than timing remembers a message. Who retries all of them twice must not send the old ones twice.
func TestRetryLeavesOutWhatNobodyRemembers(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	window := time.Duration(policy.Default().DedupeWindow)
	for id, age := range map[string]time.Duration{"old": window + time.Hour, "young": window - time.Hour} {
		r := stream.DeadLetter(&stream.Record{
			Topic: topic.InMessages.Name, Key: []byte("demo|ada"), Value: []byte(id), Time: time.Now().Add(-age),
		}, "ingest", "user_id: is required")
		require.NoError(t, s.Publish(t.Context(), []stream.Record{r}))
	}
	back := func(what string) {
		s.until(t, topic.InMessages, what, func(r *stream.Record) bool { return string(r.Value) == what })
	}
	var at string
	s.until(t, topic.InMessages.DLQ(), "old", func(r *stream.Record) bool {
		if string(r.Value) != "old" {
			return false
		}
		at = fmt.Sprintf("%d/%d", r.Partition, r.Offset)
		return true
	})

	out := s.run(t, 0, "dlq", "retry", "in.messages", "--all")
	require.Contains(t, out, "put back 1 records")
	require.Contains(t, out, "left out 1 records older than 168h0m0s")
	back("young")
	out = s.run(t, 1, "dlq", "retry", "in.messages", at)
	require.Contains(t, out, "put back 0 records")
	require.Contains(t, out, at+" cannot be put back: it is of ")
	out = s.run(t, 0, "dlq", "retry", "in.messages", at, "--max-age", (window + 2*time.Hour).String())
	require.Contains(t, out, "put back 1 records")
	back("old")
}

func accepted(message string) func(*stream.Record) bool {
	return func(r *stream.Record) bool {
		var o event.Outcome
		return event.Decode(r.Value, &o) == nil && o.MessageID == message && o.Type == event.OutcomeAccepted
	}
}

// serve runs enrich and timing on the broker.
func (s *system) serve(t *testing.T) {
	t.Helper()
	rs, err := embedded.Redis(embedded.RedisOptions{})
	require.NoError(t, err)
	t.Cleanup(rs.Close)
	store, err := state.Open(state.Config{Addrs: []string{rs.Addr}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	deps := func() service.Deps {
		return service.Deps{Kafka: s.Client, Redis: store, Clock: clock.Clock{}, Metrics: prometheus.NewRegistry(), Log: zerolog.Nop()}
	}
	e, err := enrich.New(enrich.Config{}, deps())
	require.NoError(t, err)
	tm, err := timing.New(timing.Config{Policy: policy.Default()}, deps())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	for _, run := range []func(context.Context) error{e.Run, tm.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
	})
}

// until waits for a record of a topic.
func (s *system) until(t *testing.T, tp topic.Topic, what string, ok func(*stream.Record) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := false
	err := s.Tail(ctx, tp, stream.Start, func(r stream.Record) error {
		if ok(&r) {
			found = true
			cancel()
		}
		return nil
	})
	require.True(t, found, "%s: %v", what, err)
}
