package pipeline_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// The pipeline and replay are one and the same core: a slice of a real log through the real topics and services has the
// outcomes that replay gives, a second apart at most.
func TestServicesSayWhatReplaySays(t *testing.T) {
	t.Parallel()
	messages := raced.Size(100, 30)
	lines := slice(t, messages)
	lines = answered(lines, replayed(t, lines))
	want := replayed(t, lines)
	var got []event.Outcome
	var exported bytes.Buffer
	synctest.Test(t, func(t *testing.T) { got = served(t, lines, &exported) })

	agree := func(what string, want, got []event.Outcome) {
		apart, wrong := compare(want, got)
		for i := range min(len(wrong), 20) {
			t.Error(wrong[i])
		}
		require.Empty(t, wrong, what)
		t.Logf("%s: %d outcomes of %d messages agree, at most %v apart", what, len(want), messages, apart)
	}
	agree("replay and the services", want, got)
	agree("the services and a replay of what was exported of them", got, rowsOf(t, &exported))
}

// slice is a busy part of the log, moved to the first days of the bubble's time, with a second between any two lines: the
// input topics do not order what comes at one instant, so here nothing does.
func slice(t *testing.T, messages int) []replay.Line {
	t.Helper()
	log, err := collegemsg.Open()
	if errors.Is(err, collegemsg.ErrNoData) {
		require.Empty(t, os.Getenv(collegemsg.Env), "%s is set, but: %v", collegemsg.Env, err)
		log, err = collegemsg.Synthetic(1, 1899, 59835), nil
	}
	require.NoError(t, err)
	log = log[20_000 : 20_000+messages]
	moved := log[0].At.Sub(time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)).Truncate(24 * time.Hour)
	at := time.Time{}
	for i := range log { // in bursts: between them the folds rest, and so does this test
		log[i].At = log[i].At.Add(-moved).Truncate(30 * time.Minute)
		if next := at.Add(5 * time.Second); log[i].At.Before(next) {
			log[i].At = next
		}
		at = log[i].At
	}
	var b bytes.Buffer
	require.NoError(t, collegemsg.Convert(&b, log, collegemsg.Options{
		Hold: hold,
		User: func(u *event.User) {
			if u.UserID[len(u.UserID)-1]%3 == 0 {
				u.QuietHours = &event.Window{Start: 22 * 60, End: 8 * 60}
			}
		},
		Message: func(n int, m *event.Message) {
			switch n % 6 {
			case 1:
				m.DeliveryWindow = &event.Window{Start: 9 * 60, End: 21 * 60}
			case 2:
				m.AtDeadline = "drop"
			case 3:
				m.Timing = event.TimingNow
			case 4:
				m.CollapseKey = "inbox"
			}
		},
	}))
	var lines []replay.Line
	for raw := range bytes.Lines(b.Bytes()) {
		l, err := replay.ParseLine(raw)
		require.NoError(t, err)
		if n := len(lines); n > 0 && !l.At.After(lines[n-1].At) {
			l.At = lines[n-1].At.Add(time.Second)
		}
		lines = append(lines, l)
	}
	return lines
}

// answered adds receipts of some of what was sent.
func answered(lines []replay.Line, rows []event.Outcome) []replay.Line {
	out := slices.Clone(lines)
	for i, o := range rows {
		if o.Type != event.OutcomeSent || i%3 != 0 {
			continue
		}
		kind := []string{event.ReceiptOpened, event.ReceiptDismissed, event.ReceiptDelivered}[i/3%3]
		at := o.OccurredAt.Add(97*time.Second + 300*time.Millisecond).Truncate(time.Millisecond)
		token := event.SignReceipt([]byte(pipeline.App.ReceiptSecret), replay.AppID, o.UserID, o.MessageID, o.DeviceID, at.Add(time.Hour))
		out = append(out, replay.Line{Topic: "receipts", At: at, Record: fmt.Appendf(nil,
			`{"receipt_id":"r%d","message_id":%q,"user_id":%q,"device_id":%q,"kind":%q,"occurred_at":%q,"token":%q}`,
			i, o.MessageID, o.UserID, o.DeviceID, kind, at.Format(time.RFC3339Nano), token)})
	}
	slices.SortStableFunc(out, func(a, b replay.Line) int { return a.At.Compare(b.At) })
	return out
}

// hold is the time from a message to its deadline, and from its release until it counts as ignored.
const hold = 10 * time.Hour

// rules are the default policy, exploration included, but for the time that answers may take.
func rules() policy.Policy {
	p := policy.Default()
	p.AttributionWindow = event.Duration(hold)
	return p
}

// end is when both stop: every deadline and attribution window is over by then.
func end(lines []replay.Line) time.Time { return lines[len(lines)-1].At.Add(2*hold + time.Hour) }

func replayed(t *testing.T, lines []replay.Line) []event.Outcome {
	t.Helper()
	var in bytes.Buffer
	for _, l := range lines {
		fmt.Fprintf(&in, `{"topic":%q,"at":%q,%s`+"\n", l.Topic, l.At.Format(time.RFC3339Nano), l.Record[1:])
	}
	fmt.Fprintf(&in, `{"topic":"clock","at":%q}`, end(lines).Format(time.RFC3339Nano))
	return rowsOf(t, &in)
}

// rowsOf replays a file.
func rowsOf(t *testing.T, in io.Reader) []event.Outcome {
	t.Helper()
	var out bytes.Buffer
	var bad strings.Builder
	_, err := replay.Run(t.Context(), timing.NewEngine(rules()), replay.Streams{In: in, Out: &out, Errors: &bad})
	require.NoError(t, err)
	require.Empty(t, bad.String())
	var rows []event.Outcome
	for raw := range bytes.Lines(out.Bytes()) {
		if bytes.HasPrefix(raw, []byte(`{"topic":"clock"`)) {
			continue
		}
		var o event.Outcome
		require.NoError(t, event.Decode(bytes.TrimSpace(raw), &o))
		rows = append(rows, o)
	}
	return rows
}

// served puts the lines through the services at their own times, and exports what came in.
func served(t *testing.T, lines []replay.Line, exported io.Writer) []event.Outcome {
	t.Helper()
	p := rules()
	// Nothing is lost here, and a look at Redis in each of so many virtual minutes costs real ones.
	w := pipeline.Start(t, pipetest.Virtual, pipeline.Options{Policy: &p, Fold: &fold.Config{Verify: 24 * time.Hour, Checkpoint: 4 * time.Hour}})
	kafka := w.Servers.Stream(t)
	for _, l := range lines {
		time.Sleep(time.Until(l.At))
		var who struct {
			UserID string `json:"user_id"`
		}
		require.NoError(t, event.Decode(l.Record, &who))
		require.NoError(t, kafka.Publish(t.Context(), []stream.Record{{Topic: "in." + l.Topic + ".v1", Key: []byte(who.UserID), Value: l.Record}}))
	}
	time.Sleep(time.Until(end(lines)))
	sum, err := replay.Export(t.Context(), kafka, pipeline.App.AppID, 0, time.Now(), exported)
	require.NoError(t, err)
	require.Equal(t, len(lines), sum.Records)
	require.Zero(t, sum.Opening, "all that is known of people came by the records")
	return w.Topics.AllOutcomes()
}

// same is what both must agree on beside the time.
type same struct {
	message               string
	revision              int
	typ, reason, deviceID string
	attempt               int
}

// compare gives the largest difference in time, and what disagrees.
func compare(want, got []event.Outcome) (apart time.Duration, wrong []string) {
	at := func(rows []event.Outcome) map[same]time.Time {
		m := map[same]time.Time{}
		for _, o := range rows {
			m[same{o.MessageID, o.Revision, o.Type, o.Reason, o.DeviceID, o.Attempt}] = o.OccurredAt
		}
		return m
	}
	w, g := at(want), at(got)
	for k, t := range w {
		u, ok := g[k]
		d := u.Sub(t).Abs()
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%+v at %s: replay only", k, t))
		case d > time.Second:
			wrong = append(wrong, fmt.Sprintf("%+v: %s in replay, %s in the services", k, t, u))
		default:
			apart = max(apart, d)
		}
	}
	for k, t := range g {
		if _, ok := w[k]; !ok {
			wrong = append(wrong, fmt.Sprintf("%+v at %s: services only", k, t))
		}
	}
	slices.Sort(wrong)
	return apart, wrong
}
