package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/console/ledger"
)

// instance is a kairos up in a process of its own.
type instance struct {
	cmd    *exec.Cmd
	url    string
	kafka  string
	banner string
	ended  chan error
	stderr *bytes.Buffer
}

// start runs kairos up and waits for its banner.
func start(t *testing.T, args ...string) *instance {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"up", "--listen=127.0.0.1:0", "--kafka-listen=127.0.0.1:0", "--log-format=json"}, args...)...)
	cmd.Env = append(os.Environ(), "KAIROS_TEST_AS_PROGRAM=1")
	i := &instance{cmd: cmd, ended: make(chan error, 1), stderr: new(bytes.Buffer)}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = i.stderr
	require.NoError(t, cmd.Start())
	banner := make(chan string, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(&text, lines.Text())
			if strings.HasPrefix(lines.Text(), "Ctrl-C") {
				banner <- text.String()
			}
		}
		i.ended <- cmd.Wait()
	}()
	select {
	case i.banner = <-banner:
	case err := <-i.ended:
		t.Fatalf("kairos up ended: %v\n%s", err, i.stderr)
	}
	i.url, i.kafka = i.row(t, "page"), i.row(t, "Kafka")
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return i
}

// row is what the banner says under a name.
func (i *instance) row(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(i.banner) {
		if rest, ok := strings.CutPrefix(line, "  "+name); ok {
			return strings.Fields(rest)[0]
		}
	}
	t.Fatalf("the banner has no %s:\n%s", name, i.banner)
	return ""
}

func (i *instance) stop(t *testing.T, sig syscall.Signal) error {
	t.Helper()
	require.NoError(t, i.cmd.Process.Signal(sig))
	return <-i.ended
}

func (i *instance) call(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	b, err := event.Encode(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, i.url+path, bytes.NewReader(b))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer demo")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s %s: %s", method, path, answer)
	return answer
}

// until follows the console's event stream until the counts are as wanted.
func (i *instance) until(t *testing.T, limit time.Duration, what string, ok func(ledger.Row) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+"/console/events", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<24)
	var last ledger.Row
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var u struct{ Total ledger.Row }
		require.NoError(t, json.Unmarshal([]byte(data), &u))
		if last = u.Total; ok(last) {
			return
		}
	}
	t.Fatalf("%s: not within %s; the ledger says %+v\n%s", what, limit, last, i.stderr)
}

// join registers n people with a phone each.
func (i *instance) join(t *testing.T, n int) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for k := range n {
		user := fmt.Sprintf("u%04d", k)
		g.Go(func() error {
			i.call(t, http.MethodPut, "/v1/devices/"+user+"-d", event.Device{
				DeviceID: user + "-d", UserID: user, Platform: "ios", Channel: "apns", AddressType: "token",
				Address: fmt.Sprintf("%064x", k+1), TimeZone: "Europe/Berlin", Permission: "granted", UpdatedAt: time.Now(),
			})
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

// hold asks for a message to each of n people, all for the same time.
func (i *instance) hold(t *testing.T, n int, release time.Time) {
	t.Helper()
	all := make([]event.Message, n)
	for k := range all {
		all[k] = event.Message{
			MessageID: fmt.Sprintf("m%04d", k), UserID: fmt.Sprintf("u%04d", k), CampaignID: "kill", Priority: event.Transactional,
			Title: "Hello", Timing: event.TimingAt, SendAt: release, Deadline: release.Add(10 * time.Minute),
		}
	}
	for batch := range slices.Chunk(all, 500) {
		i.call(t, http.MethodPost, "/v1/messages", batch)
	}
}

// pushed counts what the gateways accepted, by message.
func pushed(t *testing.T, log string) map[string]int {
	t.Helper()
	data, err := os.ReadFile(log)
	require.NoError(t, err)
	counts := map[string]int{}
	for line := range bytes.Lines(data) {
		var a struct {
			MessageID string `json:"message_id"`
		}
		if json.Unmarshal(line, &a) == nil { // the last line of a killed process may be torn
			counts[a.MessageID]++
		}
	}
	return counts
}

// Hundreds of messages are held. The process is killed while it sends some of them, and started again: each ends once, and
// reaches the gateway once at most. Redis was in the process; only Kafka knows which calls were being made.
func TestKilledUpLosesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	n := raced.Size(1000, 300)
	dir := t.TempDir()
	log := filepath.Join(dir, "pushes")
	args := []string{"--data=" + filepath.Join(dir, "data"), "--fleet=0", "--push-log=" + log}
	first := start(t, args...)
	require.Contains(t, first.banner, filepath.Join(dir, "data"))
	first.join(t, n)
	release := time.Now().Add(30 * time.Second).Truncate(time.Second)
	first.hold(t, n, release)
	first.until(t, time.Minute, "all are held", func(r ledger.Row) bool { return r.Accepted == n && r.Held == n })
	require.Less(t, time.Now(), release, "they were to be held until now")
	require.Eventually(t, func() bool { return len(pushed(t, log)) > 0 }, time.Minute, time.Millisecond)
	require.Error(t, first.stop(t, syscall.SIGKILL))

	second := start(t, args...)
	second.until(t, 2*time.Minute, "all have ended", func(r ledger.Row) bool { return r.Accepted == n && r.Held == 0 })
	out := kairos(t, 0, "ledger", "--kafka-brokers="+second.kafka)
	require.Contains(t, out, fmt.Sprintf("balanced: accepted %d = ended %d + held 0", n, n))
	second.until(t, time.Minute, "all were sent, or nobody knows", func(r ledger.Row) bool {
		require.Zero(t, r.Contradictions)
		return r.Ended["sent"]+r.Ended["unknown"] == n
	})
	for id, k := range pushed(t, log) {
		require.Equal(t, 1, k, "%s reached the gateway %d times", id, k)
	}
	require.NoError(t, second.stop(t, syscall.SIGTERM), second.stderr)
}

// The fleet finds its way through the whole system: phones, gateways, receipts.
func TestUpWithAFleet(t *testing.T) {
	t.Parallel()
	i := start(t, "--data=none", "--fleet=40")
	require.Contains(t, i.banner, os.Args[0]+" send ada", "it can be copied")
	require.Contains(t, i.banner, "everything is gone at the end")
	require.NotContains(t, i.banner, "\x1b")
	// The model lets two minutes pass after an unlock before a moment is good, and nobody has to open the first push.
	i.until(t, 5*time.Minute, "pushes are sent and opened", func(r ledger.Row) bool {
		require.Zero(t, r.Contradictions)
		return r.Ended["sent"] >= 5 && r.After["delivered"] >= 3 && r.After["opened"] >= 1 && r.Held > 0
	})
	require.Contains(t, string(i.call(t, http.MethodGet, "/sandbox/pushes", nil)), `"message_id":"`)
	require.Contains(t, string(i.call(t, http.MethodGet, "/sandbox/", nil)), "Sandbox gateways")
	out := kairos(t, 0, "doctor", "--no-redis", "--kafka-brokers="+i.kafka, "--watch=10s")
	require.Contains(t, out, "ok    dead letters")
	require.Contains(t, out, "ok    input")
	require.NoError(t, i.stop(t, syscall.SIGINT), i.stderr)
}

func TestUpRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	i := start(t, "--data="+filepath.Join(t.TempDir(), "data"), "--fleet=0")
	data := i.row(t, "kept in")
	at := strings.TrimPrefix(i.url, "http://localhost:")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--data=" + data}, "is in use by another kairos up"},
		{[]string{"--data=none", "--kafka-listen=" + i.kafka}, "another broker runs there: use it with --kafka"},
		{[]string{"--data=none", "--kafka-listen=127.0.0.1:0", "--listen=127.0.0.1:" + at}, "say --listen 127.0.0.1:0"},
		{[]string{"--data=none", "--partitions=3"}, "power of two"},
		{[]string{"--data=none", "--kafka-listen=127.0.0.1:0", "--policy=/nowhere.yaml"}, "policy: open /nowhere.yaml"},
		{[]string{"--apps-file=/nowhere.yaml"}, "apps: open /nowhere.yaml"},
	} {
		require.Contains(t, kairos(t, 1, append([]string{"up", "--fleet=0"}, tc.args...)...), tc.want)
	}
	require.NoError(t, i.stop(t, syscall.SIGTERM), i.stderr)
}

// A client of another make produces to the input topic and reads the outcomes.
func TestAnyKafkaClientTakesPart(t *testing.T) {
	t.Parallel()
	i := start(t, "--data=none", "--fleet=0")
	i.join(t, 3)
	client, err := kgo.NewClient(kgo.SeedBrokers(i.kafka), kgo.ConsumeTopics("kairos.outcomes.v1"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	now := time.Now().UTC()
	for user, m := range map[string]event.Message{
		"u0000": {MessageID: "now", Timing: event.TimingNow},
		"u0001": {MessageID: "at", Timing: event.TimingAt, SendAt: now.Add(3 * time.Second)},
		"u0002": {MessageID: "best", Timing: event.TimingBestMoment, Deadline: now.Add(20 * time.Second)}, // sent at its deadline at the latest
	} {
		m.UserID, m.Title, m.Priority = user, "Hello", event.Transactional // promotional ones may be held out as controls
		value, err := event.Encode(m)
		require.NoError(t, err)
		rec := &kgo.Record{Topic: "kairos.in.messages.v1", Key: []byte(user), Value: value}
		require.NoError(t, client.ProduceSync(ctx, rec).FirstErr())
	}
	sent := map[string]time.Time{}
	for len(sent) < 3 {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err(), "sent so far: %v", sent)
		fetches.EachRecord(func(r *kgo.Record) {
			var o event.Outcome
			require.NoError(t, event.Decode(r.Value, &o))
			if o.Type == event.OutcomeSent {
				sent[o.MessageID] = o.OccurredAt
			}
		})
	}
	require.False(t, sent["at"].Before(now.Add(3*time.Second).Truncate(time.Millisecond)), "not before its time")
	require.Less(t, sent["best"], now.Add(21*time.Second), "not after its deadline")
	require.NoError(t, i.stop(t, syscall.SIGTERM), i.stderr)
}
