package score

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// busy is the habit of an hour in which the person nearly always looks at the phone.
var busy = Logit(0.9)

func seen(c Context, dt float64) float64 {
	c.Prepare()
	var x Vector
	c.At(dt, busy, &x)
	return Default().PSeen(&x)
}

// The built-in model returns the measured chances that its constants were made of (timing.md §1).
func TestTheModelSaysWhatWasMeasured(t *testing.T) {
	t.Parallel()
	at := func(change func(*Context)) float64 {
		c := Unobserved()
		change(&c)
		return seen(c, 0)
	}
	for _, c := range []struct {
		want float64
		got  float64
		what string
	}{
		{0.57, at(func(c *Context) { c.InUse = 0 }), "stays a minute more at the unlock"},
		{0.80, at(func(c *Context) { c.InUse = 120 }), "and after two minutes"},
		{0.54 * 0.57, at(func(c *Context) { c.Away = 0 }), "unlocks again within five minutes of putting the phone away, and stays a minute"},
		{0.31 * 0.57, at(func(c *Context) { c.Away = 600 }), "after ten minutes"},
		{0.14 * 0.57, at(func(c *Context) { c.Away = 2400 }), "after forty"},
		{0.475, at(func(*Context) {}), "without a sign: 0.437 were answered within five minutes, all hours together"},
	} {
		require.InDelta(t, c.want, c.got, 0.005, c.what)
	}
}

func TestSignsAgeUntilOnlyTheHabitIsLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyContext(t)
		c.Prepare()
		var x Vector
		c.At(Stale, busy, &x)
		require.True(t, x.Stale(), "%v", x)
		require.InDelta(t, seen(Unobserved(), 0), Default().PSeen(&x), 1e-9)
	})
}

// A second later the score is nearly the same, whatever the phone shows: no edge for a plan to sit on.
func TestTheScoreIsContinuousInTime(t *testing.T) {
	t.Parallel()
	m := Default()
	rapid.Check(t, func(t *rapid.T) {
		c := anyContext(t)
		c.Prepare()
		at := rapid.Float64Range(0, 2*Stale).Draw(t, "at")
		var x, y Vector
		c.At(at, busy, &x)
		c.At(at+1, busy, &y)
		require.InDelta(t, m.PSeen(&x), m.PSeen(&y), 0.01)
		require.InDelta(t, Opens(m.Lift(&x)), Opens(m.Lift(&y)), 0.01)
	})
}

func anyContext(t *rapid.T) Context {
	age := rapid.OneOf(rapid.Just(Never), rapid.Float64Range(0, 20000))
	c := Context{
		InUse: age.Draw(t, "in use"), Away: age.Draw(t, "away"), App: age.Draw(t, "app"),
		Unlocks10m: rapid.Float64Range(-1, 1e4).Draw(t, "unlocks"), SessionSeconds: rapid.Float64Range(0, 1e6).Draw(t, "session"),
		CallEnded: age.Draw(t, "call"), AppSwitched: age.Draw(t, "switch"),
	}
	for i := range c.Changes {
		c.Changes[i] = age.Draw(t, "change")
	}
	for i := range c.States {
		c.States[i] = age.Draw(t, "state")
	}
	return c
}

func TestNoContextBreaksTheScore(t *testing.T) {
	t.Parallel()
	m := Default()
	rapid.Check(t, func(t *rapid.T) {
		c := anyContext(t)
		c.Prepare()
		var x Vector
		c.At(rapid.Float64Range(0, 1e7).Draw(t, "dt"), Logit(rapid.Float64Range(0, 1).Draw(t, "habit")), &x)
		p, o := m.PSeen(&x), Opens(m.Lift(&x))
		require.True(t, p > 0 && p < 1 && o > 0 && o < 1, "p_seen %v, p_open %v", p, o)
		named := map[Feature]bool{}
		for f, v := range x.All() {
			require.False(t, named[f], "%s is there twice", f)
			require.False(t, math.IsNaN(v) || math.IsInf(v, 0), f)
			named[f] = true
		}
	})
}

// Whoever has gone on to another device has left the first, although it never said that it was locked.
func TestALostLockOnAnotherDevice(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)
	before := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	tablet := profile.Device{DeviceID: "tablet", LastSeenAt: before(40), Live: profile.Live{Lock: profile.Reading{Value: "unlocked", At: before(40)}}}
	phone := profile.Device{DeviceID: "phone", LastSeenAt: before(10), Live: profile.Live{Lock: profile.Reading{Value: "locked", At: before(1)}}}
	for _, devices := range [][]profile.Device{{tablet, phone}, {phone, tablet}} {
		c := Sense(&profile.Profile{Devices: devices}, now)
		require.InDelta(t, Never, c.InUse, 0)
		require.InDelta(t, 60, c.Away, 0)
	}
	phone.LastSeenAt = before(50)
	c := Sense(&profile.Profile{Devices: []profile.Device{tablet, phone}}, now)
	require.InDelta(t, 2400, c.InUse, 0, "the tablet was used last")
}

// Ages are told apart at 0, 60, 120 and 360 seconds (timing.md §2): each has a weight of its own, shared in between.
func TestAgesHaveKnots(t *testing.T) {
	t.Parallel()
	for _, set := range []struct {
		first, last Feature
		at          func(*Context, float64)
	}{
		{InUse0, InUse360, func(c *Context, age float64) { c.InUse = age }},
		{Away0, Away360, func(c *Context, age float64) { c.Away = age }},
		{CallEnded0, CallEnded360, func(c *Context, age float64) { c.CallEnded = age }},
		{AppSwitched0, AppSwitched360, func(c *Context, age float64) { c.AppSwitched = age }},
	} {
		for age, want := range map[float64][4]float64{
			0: {1}, 15: {0.75, 0.25}, 60: {0, 1}, 90: {0, 0.5, 0.5}, 120: {0, 0, 1}, 240: {0, 0, 0.5, 0.5}, 360: {0, 0, 0, 1},
		} {
			c := Unobserved()
			set.at(&c, age)
			c.Prepare()
			var x Vector
			c.At(0, busy, &x)
			got := [4]float64{}
			for f, v := range x.All() {
				if f >= set.first && f <= set.last {
					got[f-set.first] = v
				}
			}
			require.InDeltaSlice(t, want[:], got[:], 1e-12, "%s … at %v s", set.first, age)
		}
	}
}

// A change of what the phone shows is a breakpoint, which fades within five minutes.
func TestChangesFade(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 11, 10, 0, 0, 0, time.UTC)
	changed := profile.Reading{Value: "b", At: now, ChangedAt: now.Add(-100 * time.Second)}
	for f, live := range map[Feature]profile.Live{
		ChargingChanged: {Charging: changed}, HeadphonesChanged: {Headphones: changed}, MotionChanged: {Motion: changed},
		NetworkChanged: {Network: changed}, RingerChanged: {Ringer: changed},
	} {
		c := Sense(&profile.Profile{Devices: []profile.Device{{DeviceID: "d", LastSeenAt: now, Live: live}}}, now)
		for dt, want := range map[float64]float64{0: 2.0 / 3, 100: 1.0 / 3, 200: 0} {
			var x Vector
			c.At(dt, busy, &x)
			got := 0.0
			for g, v := range x.All() {
				if g == f {
					got = v
				}
			}
			require.InDelta(t, want, got, 1e-9, "%s, %v s later", f, dt)
		}
	}
}

func TestShrunk(t *testing.T) {
	t.Parallel()
	require.Zero(t, Shrunk(0, 0, 0.1, 20))
	require.InDelta(t, 0, Shrunk(10, 100, 0.1, 20), 1e-9)
	require.Greater(t, Shrunk(50, 100, 0.1, 20), 1.0)
	require.Less(t, Shrunk(0, 5, 0.1, 20), 0.0)
	require.Greater(t, Shrunk(0, 5, 0.1, 20), Shrunk(0, 50, 0.1, 20), "more evidence, more offset")
	require.InDelta(t, Shrunk(5, 5, 0.1, 20), Shrunk(9, 5, 0.1, 20), 0, "no more opens than sends")
	require.InDelta(t, 0.3, Shift(0.1, Shrunk(100, 300, 0.1, 0)), 0.04)
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	for f := range Feature(NumFeatures) {
		got, ok := Named(f.String())
		require.True(t, ok)
		require.Equal(t, f, got)
	}
	_, ok := Named("horoscope")
	require.False(t, ok)
}

// The habit of a person says more while nothing tells of their phone, and nothing more than that of others while a sign is fresh.
func TestTheHabitOfAPersonWhosePhoneDoesNotTell(t *testing.T) {
	t.Parallel()
	m := Default()
	m.Seen[Untold], m.Seen[PriorUntold] = 1, 0.9
	seen := func(untold bool, app, prior float64) float64 {
		c := Unobserved()
		c.Untold, c.App = untold, app
		c.Prepare()
		var x Vector
		c.At(0, prior, &x)
		return m.PSeen(&x)
	}
	require.InDelta(t, logit(seen(false, Never, 0))+1, logit(seen(true, Never, 0)), 1e-9)
	require.InDelta(t, logit(seen(false, Never, 2))+1+1.8, logit(seen(true, Never, 2)), 1e-9)
	require.InDelta(t, seen(false, 0, 2), seen(true, 0, 2), 1e-9)
	c := Unobserved()
	c.Prepare()
	var x Vector
	c.At(0, -2, &x)
	require.True(t, x.Stale())

	told, now := &profile.Profile{}, time.Date(2026, 5, 11, 10, 0, 0, 0, time.UTC)
	require.True(t, Sense(told, now).Untold)
	told.Recency.UnlockAt = now.Add(-time.Hour)
	require.False(t, Sense(told, now).Untold)
}

func TestSnapshotsTravel(t *testing.T) {
	t.Parallel()
	m := Default()
	m.Version = "app-7"
	m.Hashed = make([]float32, 1<<HashBits)
	m.Hashed[0], m.Hashed[77], m.Hashed[1<<HashBits-1] = 0.5, -0.25, 1
	m.Hashed[Slot("category", "news")] = 0.75
	owls := *m.Week("")
	owls[3] = profile.MaxPresence
	owls[15] = profile.MinPresence
	owls.Round()
	m.Weeks = map[string]*profile.Week{"owls": &owls}
	blob, err := m.Encode(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), []byte("its own"))
	require.NoError(t, err)
	back, learner, unknown, err := ParseSnapshot(blob)
	require.NoError(t, err)
	require.Empty(t, unknown)
	require.NoError(t, m.Check())
	require.Equal(t, "its own", string(learner))
	require.Equal(t, m, back)
	require.InDelta(t, 0.75, back.MessageOffset(&event.Message{Category: "news"}, "", ""), 1e-6)
	require.Equal(t, &owls, back.Week("owls"))
	require.Equal(t, Default().Week(""), back.Week("students"), "nothing is known of them, nor of everybody")
}

func TestWeeksThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	week := Default().Week("").Packed()
	week[2*9], week[2*9+1] = 0, 0
	for text, data := range map[string][]byte{"want 336 bytes, got 3": {1, 2, 3}, "hour 9: want a chance from 0.005 to 0.985, got 0": week} {
		m, err := json.Marshal(map[string]any{"version": "1", "seen": map[string]float64{}, "open": map[string]float64{}, "weeks": map[string][]byte{"owls": data}})
		require.NoError(t, err)
		_, err = Parse(m)
		require.ErrorContains(t, err, `model: weeks: "owls": `+text)
	}
}

func TestModelsThatCannotBeBelieved(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                     "model",
		`{"seen":{},"open":{}}`: "version",
		`{"version":"1","seen":{"horoscope":1},"open":{}}`:            "unknown feature",
		`{"version":"1","seen":{"bias":21},"open":{}}`:                "seen.bias",
		`{"version":"1","seen":{},"open":{"bias":-1e300}}`:            "open.bias",
		`{"version":"1","seen":{},"open":{},"hashed":"AAA="}`:         "hashed: cut off",
		`{"version":"1","seen":{},"open":{},"hashed":"/////w8AAAAA"}`: "hashed",
		`{"version":"1","seen":{},"open":{},"hashed":"AAAAwH8="}`:     "hashed[0]: want a weight",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// A model of another set of features is none to decide by, but one to learn on from.
func TestFeaturesOfAnotherVersionAreLeftOutToLearnFrom(t *testing.T) {
	t.Parallel()
	record := []byte(`{"version":"1","seen":{"bias":-1,"horoscope":99,"away":1},"open":{"horoscope":1,"bias":2}}`)
	m, _, unknown, err := ParseSnapshot(record)
	require.NoError(t, err)
	require.Equal(t, []string{"seen.away", "seen.horoscope", "open.horoscope"}, unknown)
	require.Equal(t, &Model{Version: "1", Seen: Weights{Bias: -1}, Open: Weights{Bias: 2}}, m)
	_, err = Parse(record)
	require.EqualError(t, err, `model: seen: unknown feature "away"`)
}

func TestCheckRefusesWhatParseWould(t *testing.T) {
	t.Parallel()
	for _, bad := range []float64{math.NaN(), math.Inf(1), -20.5} {
		m := Default()
		m.Seen[DND] = bad
		require.ErrorContains(t, m.Check(), "seen.dnd")
		m = Default()
		m.Open[Bias] = bad
		require.ErrorContains(t, m.Check(), "open.bias")
		m = Default()
		m.Hashed = make([]float32, 1<<HashBits)
		m.Hashed[7] = float32(bad)
		require.ErrorContains(t, m.Check(), "hashed[7]")
	}
}

func FuzzParse(f *testing.F) {
	blob, err := Default().Encode(time.Time{}, nil)
	require.NoError(f, err)
	f.Add(blob)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		blob, err := m.Encode(time.Time{}, nil)
		require.NoError(t, err)
		back, err := Parse(blob)
		require.NoError(t, err)
		require.Equal(t, m.Version, back.Version)
	})
}

// Not parallel: AllocsPerRun counts those of all goroutines.
func TestAScoreAllocatesNothing(t *testing.T) {
	m := Default()
	m.Hashed = make([]float32, 1<<HashBits)
	c := Unobserved()
	c.InUse, c.Unlocks10m, c.Unlocks1h, c.States[IsCharging] = 45, 2, 5, 100
	msg := &event.Message{Category: "news", CampaignID: "spring", Priority: event.Promotional}
	var x Vector
	var u Moment
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.Prepare()
		c.At(30, 1.1, &x)
		odds := m.Lift(&x) * math.Exp(m.MessageOffset(msg, event.ChannelFCM, "students")+m.Tired(1, 2))
		u = Moment{Value: 1, Relevance: 1, PSeen: m.PSeen(&x), POpen: Opens(odds)}
	}))
	require.Positive(t, u.Utility())
}

func BenchmarkScore(b *testing.B) {
	m := Default()
	c := Unobserved()
	c.InUse, c.Unlocks10m, c.Unlocks1h, c.States[IsCharging] = 45, 2, 5, 100
	c.Prepare()
	var x Vector
	sum := 0.0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.At(float64(i&1023), 1.1, &x)
		u := Moment{Value: 1, Relevance: 1, PSeen: m.PSeen(&x), POpen: Opens(m.Lift(&x))}
		sum += u.Utility()
	}
	_ = sum
}
