package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/embedded"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

var t0 = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

// kairos runs a command line and wants its exit code.
func kairos(t *testing.T, code int, args ...string) string {
	t.Helper()
	return kairosIn(t, code, "", args...)
}

func kairosIn(t *testing.T, code int, in string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	got := run(t.Context(), args, strings.NewReader(in), &out, &errOut)
	require.Equal(t, code, got, "kairos %v\n%s%s", args, &out, &errOut)
	require.NotContains(t, out.String(), "\x1b", "no colours outside a terminal")
	return out.String() + errOut.String()
}

// system is an embedded broker and the flags that reach it.
type system struct {
	*stream.Client
	flags []string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	b, err := embedded.Kafka(t.Context(), embedded.KafkaOptions{Log: zerolog.Nop()})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	c, err := stream.New(stream.Config{Brokers: []string{b.Addr}, Prefix: "kairos."}, zerolog.Nop(), clock.Clock{}, prometheus.NewRegistry())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s := &system{c, []string{"--kafka-brokers=" + b.Addr}}
	require.Contains(t, s.run(t, 0, "topics", "apply", "--partitions=4"), fmt.Sprintf("there are %d topics", len(topic.All)))
	return s
}

func (s *system) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	return kairos(t, code, append(args, s.flags...)...)
}

func (s *system) publish(t *testing.T, tp topic.Topic, key string, v any, headers ...stream.Header) {
	t.Helper()
	value, raw := v.([]byte)
	if !raw {
		var err error
		value, err = event.Encode(v)
		require.NoError(t, err)
	}
	require.NoError(t, s.Publish(t.Context(), []stream.Record{{Topic: tp.Name, Key: []byte(key), Value: value, Headers: headers}}))
}

func row(user, message, typ string, after time.Duration) event.Outcome {
	at := t0.Add(after)
	return event.Outcome{
		OutcomeID: user + message + typ, AppID: "demo", UserID: user, MessageID: message, CampaignID: "spring", Type: typ,
		OccurredAt: at, OccurredAtMS: at.UnixMilli(), TimeZone: "Europe/Berlin",
	}
}

// life publishes a message that was held, released, sent and opened.
func (s *system) life(t *testing.T, user, message string) {
	t.Helper()
	for i, typ := range []string{"accepted", "held", "released", "sent", "opened"} {
		s.publish(t, topic.Outcomes, "demo|"+user, row(user, message, typ, time.Duration(i)*time.Minute))
	}
	for i, action := range []string{"hold", "release"} {
		version := score.DefaultVersion
		if action == "release" {
			version = "learned-7"
		}
		s.publish(t, topic.Decisions, "demo|"+user, event.Decision{
			DecisionID: message + action, AppID: "demo", UserID: user, MessageID: message, Trigger: "signal", Action: action,
			OccurredAt: t0.Add(time.Duration(i) * 2 * time.Minute), Score: 0.21, ValueOfWaiting: 0.34, Gates: []string{"min_gap"},
			NextWakeAt: t0.Add(2 * time.Minute), Why: "it is better to wait: " + action, PSeen: 0.8, POpen: 0.12, ModelVersion: version,
			Features: event.Features{"live": 1, "value": 2, "relevance": 0.5, "opens_user": -0.25}, RunnerUpMessageID: "rival",
			Curve: event.Curve{AfterS: []float64{0, 60, 120, 7200}, Score: []float64{0.21, 0.3, 0.4, 0.1}, Waiting: []float64{0.34, 0.35, 0.36, 0}, ShutS: []float64{0, 60}},
		})
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.life(t, "ada", "m-1")
	s.publish(t, topic.Outcomes, "demo|bo", row("bo", "m-2", "accepted", 0))
	out := s.run(t, 0, "ledger")
	require.Contains(t, out, "balanced: accepted 2 = ended 1 + held 1")
	require.Contains(t, s.run(t, 0, "ledger", "--campaign=other"), "accepted 0 = ended 0 + held 0")
	require.Contains(t, s.run(t, 0, "ledger", "--json"), `"accepted":2,"held":1,"ended":{"sent":1}`)

	s.publish(t, topic.Outcomes, "demo|ada", row("ada", "m-1", "cancelled", time.Hour))
	require.Contains(t, s.run(t, 1, "ledger"), "broken: accepted 2 = ended 1 + held 1, but 1 ended in two ways")
}

func TestLedgerOfALogWhoseStartIsGone(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.life(t, "ada", "m-1")
	s.publish(t, topic.Outcomes, "demo|bo", row("bo", "m-2", "accepted", 0))
	c, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(s.flags[0], "--kafka-brokers=")))
	require.NoError(t, err)
	defer c.Close()
	cut := kmsg.DeleteRecordsRequest{TimeoutMillis: 1000, Topics: []kmsg.DeleteRecordsRequestTopic{{
		Topic:      topic.Outcomes.Full(topic.DefaultPrefix),
		Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: int32(state.Partition("demo|ada", 4)), Offset: 2}},
	}}}
	resp, err := cut.RequestWith(t.Context(), c)
	require.NoError(t, err)
	require.Zero(t, resp.Topics[0].Partitions[0].ErrorCode)
	require.Contains(t, s.run(t, 0, "ledger"), "balanced: accepted 1 = ended 0 + held 1; beside 1 that were accepted before the log begins")
}

func TestTail(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.life(t, "ada", "m-1")
	s.life(t, "bo", "m-2")
	tail := func(args ...string) []string {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out bytes.Buffer
		stop := &stopper{w: &out, after: "opened", cancel: cancel}
		require.Zero(t, run(ctx, append(append([]string{"tail", "--start"}, args...), s.flags...), nil, stop, io.Discard))
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	lines := tail("outcomes", "--user=bo")
	require.Len(t, lines, 5)
	require.Contains(t, lines[0], `"message_id":"m-2"`)
	require.Len(t, tail("--message=m-1", "--type=held,opened"), 2)
	require.Contains(t, s.run(t, 1, "tail", "nothing"), "there is no topic")
}

// stopper cancels once it has seen a word.
type stopper struct {
	w      io.Writer
	after  string
	cancel func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.after)) {
		s.cancel()
	}
	return s.w.Write(p)
}

func TestLag(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publish(t, topic.Facts, "demo|ada", []byte("{}"))
	out := s.run(t, 0, "lag")
	require.Regexp(t, `enrich\s+facts.v1\s+all 4\s+0\s+1\s+1`, out)
	require.Regexp(t, `dispatch\s+releases.v1\s+all 4\s+0\s+0\s+0`, out)
	require.Regexp(t, `enrich\s+facts.v1\s+\d\s+none\s+1\s+1`, s.run(t, 0, "lag", "--all"))
}

func TestDLQ(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.Contains(t, s.run(t, 0, "dlq", "list"), "no record was refused")
	bad := []byte("{\"title\":\x00\"oops\"}")
	dead := topic.InMessages.DLQ()
	headers := func(offset string) []stream.Header {
		return []stream.Header{
			{Key: "mine", Value: []byte("kept")},
			{Key: topic.DeadTopic, Value: []byte(topic.InMessages.Name)},
			{Key: topic.DeadPartition, Value: []byte("0")},
			{Key: topic.DeadOffset, Value: []byte(offset)},
			{Key: topic.DeadStage, Value: []byte("ingest")},
			{Key: topic.DeadReason, Value: []byte("message_id must be there (got 7)")},
		}
	}
	s.publish(t, dead, "ada", bad, headers("7")...)
	s.publish(t, dead, "ada", []byte(`{"title":"two"}`), headers("8")...)

	require.Regexp(t, `in.messages.v1\s+2\s+.*ingest\s+message_id must be there`, s.run(t, 0, "dlq", "list"))
	out := s.run(t, 0, "dlq", "show", "in.messages")
	require.Contains(t, out, "from in.messages.v1/0/7, key ada")
	require.Contains(t, out, `{"title": "oops"}`, "control characters stay away from the terminal")

	require.Contains(t, s.run(t, 1, "dlq", "retry", "in.messages"), "say which records")
	require.Contains(t, s.run(t, 1, "dlq", "retry", "in.messages", "99/99"), "not there: 99/99")
	at := strings.Fields(out)[0]
	require.Contains(t, s.run(t, 0, "dlq", "retry", "in.messages", at), "put back 1 records")
	require.Contains(t, s.run(t, 0, "dlq", "retry", "in.messages.v1", "--all"), "put back 2 records")

	var back []stream.Record
	ranges, err := s.Offsets(t.Context(), topic.InMessages)
	require.NoError(t, err)
	for p := range ranges {
		require.NoError(t, s.Read(t.Context(), topic.InMessages, p, -1, -1, func(recs []stream.Record) error {
			back = append(back, recs...)
			return nil
		}))
	}
	require.Len(t, back, 3)
	require.Equal(t, bad, back[0].Value, "the original bytes")
	require.Equal(t, "ada", string(back[0].Key))
	require.Len(t, back[0].Headers, 1)
	require.Equal(t, "kept", back[0].Header("mine"))
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r, err := embedded.Redis(embedded.RedisOptions{})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	redis := "--redis-addrs=" + r.Addr

	out := s.run(t, 0, "doctor", redis, "--watch=1ms")
	for _, want := range []string{"ok    apps file", "ok    kafka", "ok    topics", "ok    partitions", "ok    buckets", "ok    clock", "ok    progress", "ok    dead letters", "ok    clamped", "warn  eviction"} {
		require.Contains(t, out, want)
	}

	now := time.Now()
	s.publish(t, topic.Facts, "demo|ada", event.Fact{AppID: "demo", UserID: "ada", Kind: "signal", ReceivedAt: now, Signal: &event.Signal{
		SignalID: "s", UserID: "ada", DeviceID: "d", Kind: "battery_level", Value: event.Scalar{Text: "900", Number: true}, ObservedAt: now,
	}})
	for _, n := range []uint32{1, 12} {
		s.publish(t, topic.Enriched, "demo|ada", profile.Enriched{Profile: profile.Profile{Clamped: n}})
	}
	s.publish(t, topic.Enriched, "demo|bo", profile.Enriched{})
	s.publish(t, topic.Facts.DLQ(), "demo|ada", []byte("x"))
	out = s.run(t, 1, "doctor", "--no-redis", "--watch=1ms")
	require.Contains(t, out, "1 batteries outside 0 to 100")
	require.Contains(t, out, "1 of the 2 people heard of last sent absurd times, values or rates: 12 records were bent, 12 of one person")
	require.Contains(t, out, "1 records were refused within the last hour")
	require.Regexp(t, `FAIL  progress\s+3 partitions are behind.*enrich at facts`, out)
	require.Contains(t, out, "→ is the service running?")

	bad := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("nonsense: [1"), 0o600))
	out = s.run(t, 1, "doctor", "--redis-addrs=127.0.0.1:1", "--watch=1ms", "--policy="+bad, "--apps-file=/nowhere.yaml", "--kafka-prefix=other.")
	for _, want := range []string{"FAIL  apps file", "FAIL  policy file", "FAIL  redis", "FAIL  topics", "→ kairos topics apply"} {
		require.Contains(t, out, want)
	}
}

func TestSendAndCancel(t *testing.T) {
	t.Parallel()
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+string(body))
		if r.Header.Get("Authorization") != "Bearer k" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"title":"Unauthorized","detail":"no app has this key"}`)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	api := []string{"--url=" + srv.URL, "--key=k"}

	out := kairos(t, 0, append([]string{"send", "ada", "--id=m-1", "--title=Hi", "--timing=now", "--value=2"}, api...)...)
	require.Contains(t, out, "accepted m-1 for ada")
	require.Equal(t, `POST /v1/messages {"message_id":"m-1","user_id":"ada","title":"Hi","value":2,"timing":"now"}`, got[0])

	kairosIn(t, 0, `[{"a":1}]`, append([]string{"send", "--record=-"}, api...)...)
	require.Equal(t, `POST /v1/messages [{"a":1}]`, got[1])
	kairos(t, 0, append([]string{"cancel", "m/1", "--user=ada b"}, api...)...)
	require.Equal(t, "DELETE /v1/messages/m%2F1?user_id=ada+b ", got[2])
	kairos(t, 0, append([]string{"cancel", "sale", "--by-key", "--user=ada"}, api...)...)
	require.Equal(t, `POST /v1/messages {"type":"cancel","user_id":"ada","cancel_key":"sale"}`, got[3])

	require.Contains(t, kairos(t, 1, "send", "ada", "--url="+srv.URL), "Unauthorized: no app has this key")
	require.Contains(t, kairos(t, 1, append([]string{"send"}, api...)...), "say who gets it")
	require.Contains(t, kairos(t, 1, append([]string{"send", "ada", "--value=-1"}, api...)...), "value")
	require.Contains(t, kairos(t, 1, "send", "ada", "--url=http://127.0.0.1:1"), "is `kairos up` running?")
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	require.Contains(t, kairos(t, 0), "Usage: kairos <command>")
	require.Contains(t, kairos(t, 0, "dlq", "--help"), "retry")
	require.Contains(t, kairos(t, 2, "sned"), "unexpected argument sned")
	require.Contains(t, kairos(t, 2, "why"), "expected \"<id>\"")
}

func TestSettingsComeFromTheEnvironmentAndACallDoesNot(t *testing.T) {
	t.Setenv("KAIROS_TITLE", "from nowhere")
	t.Setenv("KAIROS_URL", "http://127.0.0.1:1/from-env")
	out := kairos(t, 1, "send", "ada")
	require.Contains(t, out, "from-env")
}

// TestTheAppsFileIsASetting: the environment that the services get is enough for the commands, too.
func TestTheAppsFileIsASetting(t *testing.T) {
	t.Setenv("KAIROS_APPS_FILE", "/nowhere.yaml")
	for _, args := range [][]string{{"topics", "apply"}, {"lag"}, {"tail", "in.messages.v1"}, {"dlq", "list"}} {
		require.Contains(t, kairos(t, 1, args...), "apps: open /nowhere.yaml", "%v", args)
	}
}
