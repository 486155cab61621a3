package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// messageLog is the real log, or a synthetic one of the same size and shape for those who do not have it.
func messageLog(t *testing.T) []collegemsg.Message {
	t.Helper()
	log, err := collegemsg.Open()
	if errors.Is(err, collegemsg.ErrNoData) {
		require.Empty(t, os.Getenv(collegemsg.Env), "%s is set, but: %v", collegemsg.Env, err)
		t.Logf("on a synthetic log: %v", err)
		return collegemsg.Synthetic(1, 1899, 59835)
	}
	require.NoError(t, err)
	return log
}

// wishes gives people and messages of the log what gates are made of, by their numbers.
var wishes = collegemsg.Options{
	User: func(u *event.User) {
		switch len(u.UserID) * int(u.UserID[len(u.UserID)-1]) % 4 {
		case 0:
			u.QuietHours = &event.Window{Start: 22 * 60, End: 8 * 60}
		case 1:
			u.QuietHours = &event.Window{Start: 13*60 + 30, End: 15 * 60}
		}
	},
	Message: func(n int, m *event.Message) {
		m.AtDeadline = []string{"", "send", "drop"}[n%3]
		switch n % 7 {
		case 1:
			m.DeliveryWindow = &event.Window{Start: 9 * 60, End: 21 * 60}
		case 2:
			m.DeliveryWindow = &event.Window{Start: 18 * 60, End: 2 * 60}
		case 3:
			m.QuietHours = "bypass"
		case 4:
			m.Timing = event.TimingNow
		case 5:
			m.Priority = event.Transactional
		case 6:
			m.CollapseKey = "inbox"
		}
	},
}

// The whole log in virtual time: fast, every message accounted for, and nothing sent outside a gate.
func TestCollegeMsg(t *testing.T) {
	t.Parallel()
	log := messageLog(t)
	require.Len(t, log, 59835)
	log = log[:raced.Size(len(log), 1500)]
	var in, out bytes.Buffer
	require.NoError(t, collegemsg.Convert(&in, log, wishes))
	input := bytes.Clone(in.Bytes())

	start := time.Now()
	sum, err := replay.Run(t.Context(), timing.NewEngine(policy.Default()), replay.Streams{In: &in, Out: &out})
	took := time.Since(start)
	require.NoError(t, err)
	t.Logf("%d messages in %.1f s: %.0f messages/s, %.0f records/s", len(log), took.Seconds(), float64(len(log))/took.Seconds(), float64(sum.Lines)/took.Seconds())
	require.Less(t, took, 2*time.Minute)
	require.Zero(t, sum.Refused)

	v := newVerifier(t, input)
	for line := range strings.Lines(out.String()) {
		v.outcome(line)
	}
	v.balance(len(log))
	require.Equal(t, len(log), sum.Ledger.Accepted)
	require.True(t, sum.Ledger.Balanced(), "%+v", sum.Ledger)
	require.Equal(t, v.held(), sum.Ledger.Held)
}

// verifier checks outcome rows against the input. It shares no code with what it verifies but the decoder's field names.
type verifier struct {
	t        *testing.T
	messages map[string]map[string]any
	quiet    map[string][2]int // minutes of day, by user
	zone     *time.Location
	accepted map[string]bool
	ended    map[string]string
	lastSend map[string]time.Time
	counts   map[string]int
}

func newVerifier(t *testing.T, input []byte) *verifier {
	t.Helper()
	zone, err := time.LoadLocation(collegemsg.Zone)
	require.NoError(t, err)
	v := &verifier{
		t: t, zone: zone, messages: map[string]map[string]any{}, quiet: map[string][2]int{}, accepted: map[string]bool{},
		ended: map[string]string{}, lastSend: map[string]time.Time{}, counts: map[string]int{},
	}
	for line := range bytes.Lines(input) {
		var m map[string]any
		require.NoError(t, json.Unmarshal(line, &m))
		switch m["topic"] {
		case "messages":
			v.messages[m["message_id"].(string)] = m
		case "users":
			if q, ok := m["quiet_hours"].(map[string]any); ok {
				v.quiet[m["user_id"].(string)] = window(t, q)
			}
		}
	}
	return v
}

func window(t *testing.T, w map[string]any) [2]int {
	t.Helper()
	var out [2]int
	for i, side := range []string{"start", "end"} {
		var h, m int
		_, err := fmt.Sscanf(w[side].(string), "%d:%d", &h, &m)
		require.NoError(t, err)
		out[i] = 60*h + m
	}
	return out
}

func inside(w [2]int, minute int) bool {
	if w[0] <= w[1] {
		return w[0] <= minute && minute < w[1]
	}
	return minute >= w[0] || minute < w[1]
}

// ends are the outcomes that end a message.
var ends = map[string]bool{"sent": true, "expired": true, "cancelled": true, "suppressed": true, "superseded": true, "failed": true, "unknown": true, "control": true}

func (v *verifier) outcome(line string) {
	var o map[string]any
	require.NoError(v.t, json.Unmarshal([]byte(line), &o), line)
	id, typ := o["message_id"].(string), o["type"].(string)
	v.counts[typ]++
	at, err := time.Parse(time.RFC3339Nano, o["occurred_at"].(string))
	require.NoError(v.t, err)
	m := v.messages[id]
	require.NotNil(v.t, m, "an outcome of a message that nobody asked for: %s", line)
	require.Equal(v.t, m["user_id"], o["user_id"], line)
	switch {
	case typ == "accepted":
		require.False(v.t, v.accepted[id], "accepted twice: %s", line)
		v.accepted[id] = true
	case ends[typ]:
		require.True(v.t, v.accepted[id], "ended, never accepted: %s", line)
		require.Empty(v.t, v.ended[id], "ended twice: %s", line)
		v.ended[id] = typ
	}
	if typ == "sent" {
		v.sent(m, at, line)
	}
}

// sent checks the gates of a send.
func (v *verifier) sent(m map[string]any, at time.Time, line string) {
	user := m["user_id"].(string)
	local := at.In(v.zone)
	minute := 60*local.Hour() + local.Minute()
	if q, ok := v.quiet[user]; ok && m["quiet_hours"] != "bypass" {
		require.False(v.t, inside(q, minute), "sent in quiet hours %v at %s: %s", q, local, line)
	}
	if w, ok := m["delivery_window"].(map[string]any); ok {
		require.True(v.t, inside(window(v.t, w), minute), "sent outside its window at %s: %s", local, line)
	}
	asked, err := time.Parse(time.RFC3339Nano, m["at"].(string))
	require.NoError(v.t, err)
	require.False(v.t, at.Before(asked), line)
	require.False(v.t, at.After(asked.Add(24*time.Hour+time.Second)), "sent after the deadline: %s", line)
	if last, ok := v.lastSend[user]; ok {
		require.GreaterOrEqual(v.t, at.Sub(last), time.Minute, "two sends to one person within the minimum gap: %s", line)
	}
	v.lastSend[user] = at
}

func (v *verifier) held() int { return len(v.accepted) - len(v.ended) }

// balance checks that every message was accepted and that what has not ended can still be held.
func (v *verifier) balance(messages int) {
	require.Len(v.t, v.accepted, messages)
	last := time.Time{}
	for _, m := range v.messages {
		at, err := time.Parse(time.RFC3339Nano, m["at"].(string))
		require.NoError(v.t, err)
		if at.After(last) {
			last = at
		}
	}
	for id := range v.accepted {
		at, err := time.Parse(time.RFC3339Nano, v.messages[id]["at"].(string))
		require.NoError(v.t, err)
		if v.ended[id] == "" {
			require.Less(v.t, last.Sub(at), 24*time.Hour+time.Second, "%s is past its deadline and has not ended", id)
		}
	}
	v.t.Logf("outcomes: %v; held at the end: %d", v.counts, v.held())
	require.Greater(v.t, v.counts["sent"], messages/2)
}
