package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.life(t, "ada", "m-1")
	s.life(t, "bo", "m-10") // a longer id that contains the other
	why := func(args ...string) string {
		return strings.Join(strings.Fields(s.run(t, 0, append([]string{"why"}, args...)...)), " ")
	}
	for _, args := range [][]string{{"m-1"}, {"m-1", "--user=ada"}} {
		out := why(args...)
		for _, want := range []string{
			"m-1", "demo · spring · ada · Europe/Berlin", "sent after 3 min 00 s; opened 1 min 00 s later", "min gap; look again in 2 min 00 s",
			"signal →", "0.21", "0.34", "it is better to wait: hold", "it is better to wait: release",
			"score now 0.21 = value 2 × relevance 0.5 × seen 0.8 × opened 0.12 − fatigue 0 − budget 0", "gates min gap", "runner-up rival",
			"live 1 +0.43", "opens_user -0.25 -0.25", "without weight: relevance 0.5, value 2",
			"The model learned-7 is not to be had any more", "· waiting * a release then", "+2.0h",
		} {
			require.Contains(t, out, want)
		}
		require.NotContains(t, out, "m-10")
	}
	require.NotContains(t, why("m-1", "--last"), "it is better to wait: hold")

	m := score.Default()
	m.Version = "learned-7"
	m.Seen[score.Live] = 1.5
	snapshot, err := m.Encode(t0, nil)
	require.NoError(t, err)
	s.publish(t, topic.Models, "demo", snapshot)
	require.Contains(t, why("m-1", "--last"), "live 1 +1.50")

	require.NotContains(t, why("m-1", "--last"), "Weighed by", "the model that decided is to be had")

	// From files there is no models topic: a model can be named, and whether it is the one that decided is said.
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	from := []string{"why", "m-1", "--from", write("rows.jsonl", s.run(t, 0, "why", "m-1", "--json"))}
	file := func(args ...string) string {
		return strings.Join(strings.Fields(kairos(t, 0, append(from, args...)...)), " ")
	}
	require.Contains(t, file("--last"), "The model learned-7 is not to be had any more")
	named := write("model.json", string(snapshot))
	last := file("--last", "--model", named)
	require.Contains(t, last, "live 1 +1.50")
	require.NotContains(t, last, "Weighed by")
	all := file("--model", named)
	require.Equal(t, 1, strings.Count(all, "Weighed by model learned-7; builtin-1 decided: feature"), all)
	require.Contains(t, kairos(t, 1, append(from, "--model", write("bad.json", `{}`))...), "bad.json: model: version: is required")

	lines := strings.Split(strings.TrimSpace(s.run(t, 0, "why", "m-1", "--json")), "\n")
	require.Len(t, lines, 7)
	for _, l := range lines {
		require.True(t, json.Valid([]byte(l)), l)
	}
	require.Contains(t, s.run(t, 1, "why", "none"), "app demo has no message none")
	require.Contains(t, s.run(t, 1, "why", "m-1", "--app=shop"), "app shop has no message m-1")
}

func TestMoments(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	c := timing.NewEngine(policy.Default()).Moments("demo", &profile.Profile{
		TimeZone:   "Europe/Berlin",
		QuietHours: &event.Window{Start: 22 * 60, End: 7 * 60},
	}, now)
	body, err := event.Encode(c)
	require.NoError(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/users/ada/moments" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	out := kairos(t, 0, "moments", "ada", "--url="+srv.URL)
	for _, want := range []string{"ada  Europe/Berlin", "11:00", "best", "Mon ", "Sun  ", "moments an hour", "@"} {
		require.Contains(t, out, want)
	}
	for _, row := range regexp.MustCompile(`(?m)^  \w{3} (\d\d):\d\d `).FindAllStringSubmatch(out, -1) {
		require.True(t, row[1] >= "07" && row[1] < "22", "%s is in the quiet hours", row[1])
	}
	require.Contains(t, kairos(t, 0, "moments", "ada", "--json", "--url="+srv.URL), `"time_zone":"Europe/Berlin"`)
	require.Contains(t, kairos(t, 1, "moments", "bo", "--url="+srv.URL), "404")
}
