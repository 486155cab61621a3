package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/raced"
	"github.com/kairos-push/kairos/pkg/score"
)

// days writes the life of some people who look at their phones for a minute every quarter of an hour by day, and are sent
// a push every three hours.
func days(people, n int) string {
	var b strings.Builder
	say := func(topic string, at time.Time, format string, args ...any) {
		fmt.Fprintf(&b, `{"topic":%q,"at":%q,`+format+"}\n", append([]any{topic, at.Format(time.RFC3339)}, args...)...)
	}
	for i := range people {
		say("devices", t0, `"device_id":"d","user_id":"u%d","platform":"android","channel":"fcm","address_type":"token","address":"t","time_zone":"UTC","permission":"granted","updated_at":%q`, i, t0.Format(time.RFC3339))
	}
	id := 0
	for at := t0; at.Before(t0.AddDate(0, 0, n)); at = at.Add(15 * time.Minute) {
		for i := range people {
			if at.Hour() >= 7 && at.Hour() < 23 {
				id++
				say("signals", at, `"signal_id":"s%d","user_id":"u%d","device_id":"d","kind":"unlocked","observed_at":%q`, id, i, at.Format(time.RFC3339))
			}
			if at.Hour()%3 == 0 && at.Minute() == 0 {
				say("messages", at, `"message_id":"m%d-%d","user_id":"u%d","title":"hi","category":"news"`, i, at.Unix(), i)
			}
		}
		for i := range people {
			if end := at.Add(time.Minute); at.Hour() >= 7 && at.Hour() < 23 {
				id++
				say("signals", end, `"signal_id":"s%d","user_id":"u%d","device_id":"d","kind":"locked","observed_at":%q`, id, i, end.Format(time.RFC3339))
			}
		}
	}
	return b.String()
}

func TestLearnTrainsOnAFileWhatReplayDecidesBy(t *testing.T) {
	t.Parallel()
	in := days(raced.Size(4, 2), raced.Size(3, 2))
	var models [2][]byte
	name := filepath.Join(t.TempDir(), "model.json")
	for i := range models {
		said := kairosIn(t, 0, in, "learn", name)
		require.Contains(t, said, "0 refused")
		require.Contains(t, said, "believed")
		var err error
		models[i], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	require.Equal(t, string(models[0]), string(models[1]), "the same input gives the same bytes")
	m, err := score.Parse(models[0])
	require.NoError(t, err)
	require.NotEqual(t, score.Default().Seen, m.Seen)

	require.Contains(t, kairosIn(t, 0, in, "replay", "--model", name), `"model_version":"`+m.Version+`"`)
	require.NotContains(t, kairosIn(t, 0, in, "replay"), m.Version)
	require.Contains(t, kairosIn(t, 1, "", "learn", name), "nothing to learn from")
	require.NoError(t, os.WriteFile(name, []byte(`{"version":"x","seen":{"nonsense":1}}`), 0o600))
	require.Contains(t, kairosIn(t, 1, in, "replay", "--model", name), `unknown feature "nonsense"`)
}

// What another policy would have done, before anyone is notified: the same input under it, row by row.
func TestReplayAnswersWhatAPolicyWouldHaveDone(t *testing.T) {
	t.Parallel()
	in := days(raced.Size(4, 2), raced.Size(3, 2)) + `{"topic":"clock","at":"2026-05-09T09:00:00Z"}` + "\n"
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	released := func(args ...string) (at []time.Time) {
		for l := range strings.Lines(kairosIn(t, 0, in, append([]string{"replay"}, args...)...)) {
			var o event.Outcome
			if event.Decode([]byte(l), &o) == nil && o.Type == event.OutcomeReleased {
				at = append(at, o.OccurredAt)
			}
		}
		return at
	}
	now := released()
	require.Equal(t, now, released(), "the same input gives the same answer")
	afternoon := func(at time.Time) bool { return at.Hour() >= 13 && at.Hour() < 18 }
	require.True(t, slices.ContainsFunc(now, afternoon))
	then := released("--policy", write("siesta.yaml", "name: siesta\nquiet_hours: {start: '13:00', end: '18:00'}\n"))
	require.False(t, slices.ContainsFunc(then, afternoon))
	require.Len(t, then, len(now), "nothing is lost by it")
	capped := released("--policy", write("capped.yaml", "caps: [{max: 2, per: 24h}]\ndefaults: {exploration: {control: 0}}\n"))
	require.Less(t, len(capped), len(now)/2)
	require.Contains(t, kairosIn(t, 1, in, "replay", "--policy", write("bad.yaml", "quiet: true\n")), "bad.yaml")
}
