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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
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
	fields := strings.Fields(i.banner)
	for n, f := range fields {
		switch f {
		case "page":
			i.url = fields[n+1]
		case "Kafka":
			i.kafka = fields[n+1]
		}
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return i
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

// hold asks for n messages to as many people, all to be released within a few seconds from now.
func (i *instance) hold(t *testing.T, n int, release time.Time) {
	t.Helper()
	var batch []event.Message
	for k := range n {
		user := fmt.Sprintf("u%04d", k)
		i.call(t, http.MethodPut, "/v1/devices/"+user+"-d", event.Device{
			DeviceID: user + "-d", UserID: user, Platform: "ios", Channel: "apns", AddressType: "token",
			Address: fmt.Sprintf("%064x", k+1), TimeZone: "Europe/Berlin", Permission: "granted", UpdatedAt: time.Now(),
		})
		batch = append(batch, event.Message{
			MessageID: fmt.Sprintf("m%04d", k), UserID: user, CampaignID: "kill", Priority: event.Transactional, Title: "Hello",
			Timing: event.TimingAt, SendAt: release, Deadline: release.Add(10 * time.Minute),
		})
		if len(batch) == 500 || k == n-1 {
			i.call(t, http.MethodPost, "/v1/messages", batch)
			batch = nil
		}
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

// A thousand messages are held, the process is killed, and started again: each ends exactly once.
func TestKilledUpLosesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir := t.TempDir()
	args := []string{"--data=" + filepath.Join(dir, "data"), "--fleet=0", "--push-log=" + filepath.Join(dir, "pushes")}
	first := start(t, args...)
	require.Contains(t, first.banner, filepath.Join(dir, "data"))
	release := time.Now().Add(15 * time.Second).Truncate(time.Second)
	first.hold(t, n, release)
	first.until(t, time.Minute, "all are held", func(r ledger.Row) bool { return r.Accepted == n && r.Held == n })
	require.Less(t, time.Now(), release, "they were to be held when the process is killed")
	require.Error(t, first.stop(t, syscall.SIGKILL))

	second := start(t, args...)
	second.until(t, 2*time.Minute, "all have ended", func(r ledger.Row) bool { return r.Accepted == n && r.Held == 0 })
	out := kairos(t, 0, "ledger", "--kafka-brokers="+second.kafka)
	require.Contains(t, out, "balanced: accepted 1000 = ended 1000 + held 0")
	require.Regexp(t, `(?m)^demo\s+kill\s+1000\s+0\s+1000\s*$`, out, "all sent, and nothing else")

	counts := pushed(t, filepath.Join(dir, "pushes"))
	require.Len(t, counts, n)
	for id, k := range counts {
		require.Equal(t, 1, k, "%s reached the gateway %d times", id, k)
	}
	require.NoError(t, second.stop(t, syscall.SIGTERM), second.stderr)
}

// The fleet finds its way through the whole system: phones, gateways, receipts.
func TestUpWithAFleet(t *testing.T) {
	t.Parallel()
	i := start(t, "--data=none", "--fleet=40")
	require.Contains(t, i.banner, "everything is gone at the end")
	require.NotContains(t, i.banner, "\x1b")
	i.until(t, 2*time.Minute, "pushes are sent and opened", func(r ledger.Row) bool {
		require.Zero(t, r.Contradictions)
		return r.Ended["sent"] >= 5 && r.After["delivered"] >= 3 && r.After["opened"] >= 1 && r.Held > 0
	})
	out := kairos(t, 0, "doctor", "--no-redis", "--kafka-brokers="+i.kafka, "--watch=1s")
	require.Contains(t, out, "ok    dead letters")
	require.Contains(t, out, "ok    input")
	require.NoError(t, i.stop(t, syscall.SIGINT), i.stderr)
}

func TestUpRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	i := start(t, "--data="+filepath.Join(t.TempDir(), "data"), "--fleet=0")
	data := ""
	for n, f := range strings.Fields(i.banner) {
		if f == "kept" {
			data = strings.Fields(i.banner)[n+2]
		}
	}
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
