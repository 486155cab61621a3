package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
)

func TestDefaultIsValidAndIsAnEmptyFile(t *testing.T) {
	t.Parallel()
	d := Default()
	require.NoError(t, d.Validate())
	for _, text := range []string{"", "\n", "# only a comment\n", "null", "{}", "minimum_gap:\nname: ~\nfatigue:\ncategories:\n"} {
		p, err := Parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, d, p)
	}
}

func TestAFileSaysOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte(`
name: spring
quiet_hours: {start: "22:00", end: "07:30"}
minimum_gap: 5m
caps: [{max: 3, per: 24h}]
defaults:
  delay_cost: 0.1
categories:
  news:
    deadline: 2h
    caps: [{max: 1, per: 90m}]
    exploration: {control: 0}
  alerts:
    foreground: hint
`))
	require.NoError(t, err)
	require.Equal(t, &event.Window{Start: 22 * 60, End: 7*60 + 30}, p.QuietHours)
	require.Equal(t, event.Duration(5*time.Minute), p.MinimumGap)
	require.Equal(t, Default().DedupeWindow, p.DedupeWindow)

	news := p.For("news")
	require.Equal(t, event.Duration(2*time.Hour), news.Deadline)
	require.InDelta(t, 0.1, news.DelayCost, 0)
	require.Zero(t, news.Exploration.Control)
	require.Equal(t, Default().Defaults.Exploration.Thresholds, news.Exploration.Thresholds)
	require.Equal(t, ForegroundHint, p.For("alerts").Foreground)
	require.Equal(t, p.Defaults, p.For("unheard of"))
}

func TestTheVersionIsTheContent(t *testing.T) {
	t.Parallel()
	a, err := Parse([]byte("minimum_gap: 2m\ncategories: {a: {deadline: 1h}, b: {deadline: 2h}}"))
	require.NoError(t, err)
	b, err := Parse([]byte("categories: {b: {deadline: 120m}, a: {deadline: 1h}}\nminimum_gap: 120s # the same"))
	require.NoError(t, err)
	c, err := Parse([]byte("minimum_gap: 3m"))
	require.NoError(t, err)
	require.Equal(t, a.Version(), b.Version())
	require.NotEqual(t, a.Version(), c.Version())
	require.Len(t, a.Version(), 12)
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"minimun_gap: 5m":           "policy: minimun_gap: line 1: there is no such key",
		"minimum_gap: -5m":          `policy: minimum_gap: line 1: must be a duration such as "90m" or "24h", got "-5m"`,
		"minimum_gap: 48h":          "minimum_gap: want 0s to 24h0m0s, got 48h0m0s",
		"minimum_gap: {a: 1h}":      "policy: minimum_gap: line 1: want a single value",
		"name: ''":                  "name: want 1 to 64 bytes",
		"caps: [{max: 0, per: 1h}]": "caps[0].max: want 1 to 1000, got 0",
		"caps: [{max: 1}]":          "caps[0].per",
		"quiet_hours: {start: '25:00', end: '07:00'}":  `policy: quiet_hours.start: line 1: must be a time of day such as "22:30", got "25:00"`,
		"defaults: {foreground: shout}":                "defaults.foreground: want send, hold or hint, got shout",
		"defaults: {deadline: 0s}":                     "defaults.deadline",
		"defaults: {delay_cost: -1}":                   "defaults.delay_cost",
		"defaults: {exploration: {control: 0.99}}":     "a sum of at most 1",
		"defaults: {exploration: {thresholds: [0]}}":   "thresholds[0]: want 0.1 to 10",
		"categories: {x: {caps: [{max: 1, per: 1s}]}}": "categories.x.caps[0].per",
		"categories:\n  x: {unknown: 1}":               "policy: categories.x.unknown: line 2: there is no such key",
		"caps:\n- {max: x, per: 1h}":                   `policy: caps[0].max: line 2: want a whole number, got "x"`,
		"budget: abc\ncaps: 5":                         `policy: budget: line 1: want a number, got "abc"` + "\n" + `policy: caps: line 2: want a list, got "5"`,
		"seed: 1.5":                                    `policy: seed: line 1: want a whole number, got "1.5"`,
		"name: [a]":                                    "policy: name: line 1: want text",
		"categories: {x: 1}":                           `policy: categories.x: line 1: want keys and values, got "1"`,
		"a: &a [*a]\ncaps: *a":                         "policy: a: line 1: there is no such key",
		"fatigue: {half_life: 1s}":                     "fatigue.half_life",
		"budget: .nan":                                 "budget",
		"[1, 2]":                                       "policy: the file: line 1: want keys and values",
		"name: a\nname: b":                             `mapping key "name" already defined at line 1`,
		"caps: !0 0":                                   `policy: caps: line 1: want a list, got "0"`,
		"caps: [":                                      "line 1: did not find expected node content",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// Anchors and merge keys are YAML too.
func TestAFileMayShareItsParts(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte("categories:\n  a: &a {deadline: 1h, caps: &c [{max: 1, per: 1h}]}\n  b: {<<: *a, delay_cost: 0.2}\ncaps: *c\n"))
	require.NoError(t, err)
	require.Equal(t, event.Duration(time.Hour), p.For("b").Deadline)
	require.Len(t, p.Caps, 1)
	for _, text := range []string{"categories:\n  a: &a {deadline: 1h}\n  b: {<<: *a, nope: 1}\n", "categories:\n  b:\n    <<: {nope: 1}\n"} {
		_, err = Parse([]byte(text))
		require.ErrorContains(t, err, "policy: categories.b.nope: line 3: there is no such key")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("minimum_gap: 5m\ncaps: [{max: 3, per: 24h}]"))
	f.Add([]byte("categories: {news: {deadline: 2h}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := Parse(data); err == nil {
			require.NoError(t, p.Validate())
		}
	})
}

func TestExplore(t *testing.T) {
	t.Parallel()
	x := Default().Defaults.Exploration
	draw := func(id string, change func(*event.Message)) Draw {
		m := event.Message{MessageID: id, Timing: event.TimingBestMoment, Priority: event.Promotional}
		change(&m)
		return Explore(x, 0, "app", "user", &m)
	}
	n := map[string]int{}
	const draws = 20000
	for i := range draws {
		id := time.Duration(i).String()
		d := draw(id, func(*event.Message) {})
		require.Equal(t, d, draw(id, func(m *event.Message) { m.Revision = 3 }), "one draw per message")
		n[d.Arm]++
		require.NotEqual(t, ArmControl, draw(id, func(m *event.Message) { m.Priority = event.Transactional }).Arm)
		require.GreaterOrEqual(t, d.Where, 0.0)
		require.Less(t, d.Where, 1.0)
	}
	for arm, want := range map[string]float64{
		"policy_0.8": 0.3, "policy_0.9": 0.3, "policy_1": 0.3, ArmImmediate: 0.04, ArmUniform: 0.04, ArmControl: 0.02,
	} {
		require.InDelta(t, want, float64(n[arm])/draws, 0.012, arm)
	}
	for _, change := range []func(*event.Message){
		func(m *event.Message) { m.Priority = event.Critical },
		func(m *event.Message) { m.Timing = event.TimingNow },
		func(m *event.Message) { m.Timing = event.TimingAt },
	} {
		require.Equal(t, NoDraw(), draw("m", change))
	}
	require.Equal(t, Draw{Arm: "policy_1", Propensity: 1, Threshold: 1}, Explore(Exploration{}, 0, "a", "u", &event.Message{MessageID: "m"}))
}

func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	p := func(text string) Policy {
		out, err := Parse([]byte(text))
		require.NoError(t, err)
		return out
	}
	explores := p("name: other\nseed: 7\ndefaults: {exploration: {immediate: 0.5}}\ncategories: {news: {exploration: {control: 0}}}")
	require.Empty(t, Differences(Default(), explores))
	other := p("minimum_gap: 5m\nfatigue: {user: 0.1}\nquiet_hours: {start: '22:00', end: '07:00'}\ncaps: [{max: 1, per: 1h}]\n" +
		"defaults: {deadline: 1h}\ncategories: {chat: {deadline: 24h, foreground: hint}}")
	require.Equal(t, []string{
		"quiet_hours", "minimum_gap", "caps", "fatigue.user", "defaults.deadline", "categories.chat.foreground",
	}, Differences(Default(), other))
	require.Equal(t, Differences(Default(), other), Differences(other, Default()))
}
