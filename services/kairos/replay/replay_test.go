package replay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

func engine() *timing.Engine {
	p := policy.Default()
	p.Defaults.Exploration = policy.Exploration{}
	return timing.NewEngine(p)
}

// play replays lines and returns the outcome rows, clock lines among them, and what was said of bad lines.
func play(t *testing.T, lines ...string) (rows []map[string]any, errs string) {
	t.Helper()
	var out, bad bytes.Buffer
	_, err := replay.Run(t.Context(), engine(), replay.Streams{In: strings.NewReader(strings.Join(lines, "\n")), Out: &out, Errors: &bad})
	require.NoError(t, err)
	for l := range strings.Lines(out.String()) {
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &row), l)
		rows = append(rows, row)
	}
	return rows, bad.String()
}

// types are the outcome types of a message, in order.
func types(rows []map[string]any, id string) []string {
	var out []string
	for _, r := range rows {
		if r["message_id"] == id {
			out = append(out, r["type"].(string))
		}
	}
	return out
}

const phone = `{"topic":"devices","at":"2026-05-04T08:00:00Z","device_id":"d1","user_id":"u1","platform":"android","channel":"fcm","address_type":"token","address":"t1","time_zone":"Europe/Berlin","permission":"granted","updated_at":"2026-05-04T08:00:00Z"}`

func TestANowMessageIsSentAtOnce(t *testing.T) {
	t.Parallel()
	rows, bad := play(t, phone,
		`{"topic":"messages","at":"2026-05-04T09:00:00Z","message_id":"m1","user_id":"u1","title":"hi","timing":"now"}`)
	require.Empty(t, bad)
	require.Equal(t, []string{"accepted", "released", "sent"}, types(rows, "m1"))
	require.Equal(t, "2026-05-04T09:00:00Z", rows[len(rows)-1]["occurred_at"])
}

func TestAMessageForATimeGoesAtThatTimeNotAtTheNextLine(t *testing.T) {
	t.Parallel()
	rows, _ := play(t, phone,
		`{"topic":"messages","at":"2026-05-04T09:00:00Z","message_id":"m1","user_id":"u1","title":"hi","timing":"at","send_at":"2026-05-04T11:30:00Z"}`,
		`{"topic":"clock","at":"2026-05-04T13:00:00Z"}`)
	require.Equal(t, []string{"accepted", "held", "released", "sent"}, types(rows, "m1"))
	sent := rows[len(rows)-2]
	require.Equal(t, "2026-05-04T11:30:00Z", sent["occurred_at"])
	require.Equal(t, "clock", rows[len(rows)-1]["topic"], "the clock line is echoed after all that happened before it")
}

func TestACancelBeforeTheReleaseWins(t *testing.T) {
	t.Parallel()
	rows, _ := play(t, phone,
		`{"topic":"messages","at":"2026-05-04T09:00:00Z","message_id":"m1","user_id":"u1","title":"hi","timing":"at","send_at":"2026-05-04T11:30:00Z"}`,
		`{"topic":"messages","at":"2026-05-04T11:29:59Z","type":"cancel","user_id":"u1","message_id":"m1"}`,
		`{"topic":"clock","at":"2026-05-04T13:00:00Z"}`)
	require.Equal(t, []string{"accepted", "held", "cancelled"}, types(rows, "m1"))
}

func TestBadLinesAreSaidAndPassedOver(t *testing.T) {
	t.Parallel()
	rows, bad := play(t, phone,
		`not json`,
		`{"topic":"weather","at":"2026-05-04T09:00:00Z"}`,
		`{"topic":"events","at":"yesterday","event_id":"e"}`,
		`{"topic":"messages","at":"2026-05-04T09:00:00Z","message_id":"m1","user_id":"u1","title":"hi","colour":"red"}`,
		`{"topic":"messages","at":"2026-05-03T09:00:00Z","message_id":"m2","user_id":"u1","title":"too late"}`,
		`{"topic":"events","at":"2026-05-04T09:00:00Z","event_id":"e1","user_id":"u1","name":"x","occurred_at":"2026-05-04T09:00:00Z","pad":"`+strings.Repeat("x", 70<<10)+`"}`,
		``,
		`{"topic":"messages","at":"2026-05-04T09:00:01Z","message_id":"m3","user_id":"u1","title":"hi","timing":"now"}`)
	for n, want := range map[int]string{2: "JSON", 3: "topic", 4: "at", 5: "colour", 6: "which has passed", 7: "65536 bytes"} {
		require.Regexp(t, fmt.Sprintf(`(?m)^line %d: .*%s`, n, want), bad)
	}
	require.Equal(t, 6, strings.Count(bad, "\n"))
	require.Equal(t, []string{"rejected"}, types(rows, "m1"))
	require.Equal(t, []string{"rejected"}, types(rows, "m2"))
	require.Equal(t, []string{"accepted", "released", "sent"}, types(rows, "m3"))
}

// A world outside reads what was sent and answers, with both ends open.
func TestAWorldOutsideCanPlayAgainstTheCore(t *testing.T) {
	t.Parallel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := replay.Run(t.Context(), engine(), replay.Streams{In: inR, Out: outW})
		_ = outW.Close()
		done <- err
	}()
	out := bufio.NewScanner(outR)
	say := func(line string) {
		_, err := io.WriteString(inW, line+"\n")
		require.NoError(t, err)
	}
	// until the clock line comes back
	hear := func() (rows []map[string]any) {
		for out.Scan() {
			var row map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &row))
			if row["topic"] == "clock" {
				return rows
			}
			rows = append(rows, row)
		}
		return rows
	}
	say(phone)
	say(`{"topic":"messages","at":"2026-05-04T09:00:00Z","message_id":"m1","user_id":"u1","title":"hi","timing":"now"}`)
	say(`{"topic":"clock","at":"2026-05-04T09:00:01Z"}`)
	require.Equal(t, []string{"accepted", "released", "sent"}, types(hear(), "m1"))
	say(`{"topic":"receipts","at":"2026-05-04T09:02:00Z","receipt_id":"r1","message_id":"m1","user_id":"u1","device_id":"d1","kind":"opened","occurred_at":"2026-05-04T09:01:58Z"}`)
	say(`{"topic":"clock","at":"2026-05-04T09:03:00Z"}`)
	require.Equal(t, []string{"opened"}, types(hear(), "m1"))
	require.NoError(t, inW.Close())
	require.Empty(t, hear())
	require.NoError(t, <-done)
}

func TestTheSameLogGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	require.NoError(t, collegemsg.Convert(&in, collegemsg.Synthetic(3, 200, raced.Size(3000, 400)), wishes))
	var outs, decisions [2]bytes.Buffer
	for i := range outs {
		_, err := replay.Run(t.Context(), timing.NewEngine(policy.Default()), replay.Streams{
			In: bytes.NewReader(in.Bytes()), Out: &outs[i], Decisions: &decisions[i],
		})
		require.NoError(t, err)
	}
	require.Equal(t, outs[0].String(), outs[1].String())
	require.Equal(t, decisions[0].String(), decisions[1].String())
	require.NotEmpty(t, decisions[0].String())
}

func TestAnotherSeedDrawsOtherArms(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	require.NoError(t, collegemsg.Convert(&in, collegemsg.Synthetic(3, 50, 300), collegemsg.Options{}))
	var outs [2]bytes.Buffer
	for i := range outs {
		_, err := replay.Run(t.Context(), timing.NewEngine(policy.Default().Seeded(int64(i))), replay.Streams{In: bytes.NewReader(in.Bytes()), Out: &outs[i]})
		require.NoError(t, err)
	}
	require.NotEqual(t, outs[0].String(), outs[1].String())
	require.NotZero(t, strings.Count(outs[0].String(), `"arm":"immediate"`))
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(phone))
	f.Add([]byte(`{"topic":"clock","at":"2026-05-04T09:00:00Z"}`))
	f.Add([]byte(`{"at":1,"topic":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := replay.ParseLine(raw)
		if err != nil {
			return
		}
		var whole, record map[string]any
		require.NoError(t, json.Unmarshal(raw, &whole))
		require.NoError(t, json.Unmarshal(l.Record, &record), "what is left is JSON")
		delete(whole, "topic")
		delete(whole, "at")
		require.Equal(t, whole, record, "and nothing else is lost")
	})
}
