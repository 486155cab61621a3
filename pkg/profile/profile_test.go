package profile

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestWeekWithoutHistoryIsTheGlobalShape(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	require.Equal(t, g, new(Presence).Week(&g, monday))
}

func TestWeekLearnsLevelThenHourOfDayThenHourOfWeek(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	var p Presence
	for week := range 26 { // at 03:00 every day, and on Tuesdays at 14:00; nothing else
		for day := range 7 {
			p.Count(monday.Add(time.Duration(week*168+day*24+3)*time.Hour), time.UTC)
			if day == 1 {
				p.Count(monday.Add(time.Duration(week*168+24+14)*time.Hour), time.UTC)
			}
		}
	}
	w := p.Week(&g, monday.Add(26*168*time.Hour))
	for day := range 7 {
		require.Greater(t, w[day*24+3], float32(0.6), "an hour of day that is always there")
		require.Less(t, w[day*24+20], float32(0.1), "a waking hour in which the person never is")
	}
	require.Greater(t, w[24+14], 2*w[48+14], "the day of the week that has the habit")
	require.Less(t, w[48+14], g[48+14], "and the others below the global shape")
}

func TestWeekIsUnbiased(t *testing.T) {
	t.Parallel()
	g := DefaultWeek()
	rng := rand.New(rand.NewPCG(1, 2))
	var p Presence
	const weeks = 52
	for h := range weeks * 168 { // a person whose truth is 0.7 times the shape
		if rng.Float64() < 0.7*float64(g[h%168]) {
			p.Count(monday.Add(time.Duration(h)*time.Hour), time.UTC)
		}
	}
	w := p.Week(&g, monday.Add(weeks*168*time.Hour))
	var got, want float64
	for h := range w {
		got += float64(w[h])
		want += 0.7 * float64(g[h])
	}
	require.InEpsilon(t, want, got, 0.04)
}

func TestPresenceFadesWithAHalfLifeOfEightWeeks(t *testing.T) {
	t.Parallel()
	var p Presence
	p.Count(monday, time.UTC)
	at := func(weeks int) float64 { return scale(p.Hour, monday.Add(time.Duration(weeks)*7*24*time.Hour)) }
	require.InEpsilon(t, at(0)/2, at(8), 1e-9)
	require.InEpsilon(t, 1, float64(get(p.Bins, 0))*at(0), 0.05)
}

func TestAnHourCountsOnce(t *testing.T) {
	t.Parallel()
	var p Presence
	require.True(t, p.Count(monday.Add(10*time.Minute), time.UTC))
	require.False(t, p.Count(monday.Add(20*time.Minute), time.UTC))
	require.True(t, p.Count(monday.Add(70*time.Hour), time.UTC))
	require.False(t, p.Count(monday.Add(50*time.Minute), time.UTC), "too late to know")
	require.True(t, p.Count(monday.Add(20*time.Hour), time.UTC), "late, but known not to have counted")
	require.Equal(t, monday, p.Since)
}

// Signs of presence may come in any order within Lateness, and any number of times, over changes of the reference too.
func TestPresenceDoesNotDependOnTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	loc, err := event.Zone("Europe/Berlin")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		start := reference(unixHour(monday)) + halfLifeHours - rapid.Int64Range(0, 200).Draw(t, "before the reference moves")
		hours := rapid.SliceOfN(rapid.Int64Range(0, Lateness-1), 1, 60).Draw(t, "hours")
		var inOrder, mixed Presence
		for _, jump := range []int64{0, 2 * halfLifeHours} { // and after a pause of months
			for h := range int64(Lateness) {
				for _, x := range hours {
					if x == h {
						inOrder.Count(time.Unix((start+jump+h)*3600, 0).UTC(), loc)
					}
				}
			}
			for _, x := range hours {
				mixed.Count(time.Unix((start+jump+x)*3600, 0).UTC(), loc)
			}
		}
		require.Equal(t, inOrder, mixed)
	})
}

func TestHourOfWeekFollowsTheWallClock(t *testing.T) {
	t.Parallel()
	berlin, err := event.Zone("Europe/Berlin")
	require.NoError(t, err)
	for _, c := range []struct {
		at   string
		want int
	}{
		{"2026-03-02T00:00:00Z", 1},           // Monday 01:00
		{"2026-03-01T23:30:00Z", 0},           // Monday 00:30
		{"2026-03-29T00:59:00Z", 6*24 + 1},    // Sunday, 01:59 winter time
		{"2026-03-29T01:00:00Z", 6*24 + 3},    // 03:00 summer time: 02:xx does not exist
		{"2026-10-25T00:30:00Z", 6*24 + 2},    // 02:30 summer time
		{"2026-10-25T01:30:00Z", 6*24 + 2},    // 02:30 winter time: the hour comes twice
		{"2026-12-31T22:59:59.9Z", 3*24 + 23}, // Thursday 23:59
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, HourOfWeek(at, berlin), c.at)
	}
	for _, bad := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd"} {
		require.Equal(t, time.UTC, (&Profile{TimeZone: bad}).Location())
	}
}

func TestReadingsNeverGoBack(t *testing.T) {
	t.Parallel()
	var r Reading
	require.Equal(t, Never, r.Age(monday))
	require.True(t, r.Set("walking", monday))
	require.False(t, r.Set("still", monday.Add(-time.Second)))
	require.False(t, r.Set("still", monday), "ties go to the greater value in either order")
	require.Equal(t, "walking", r.Fresh(monday.Add(time.Hour), time.Hour))
	require.Empty(t, r.Fresh(monday.Add(time.Hour+1), time.Hour))
	require.Zero(t, r.Age(monday.Add(-time.Hour)), "an age is never negative")
}

func TestUnlocksDoNotDependOnTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfNDistinct(rapid.IntRange(0, 86400), 1, 50, rapid.ID[int]).Draw(t, "unlocks")
		var a, b Recency
		for _, s := range at {
			a.Unlock(monday.Add(time.Duration(s) * time.Second))
		}
		for _, i := range rapid.Permutation(at).Draw(t, "order") {
			b.Unlock(monday.Add(time.Duration(i) * time.Second))
		}
		require.Equal(t, a.UnlockAt, b.UnlockAt)
		require.Equal(t, a.PrevUnlockAt, b.PrevUnlockAt)
		now := monday.Add(25 * time.Hour)
		a1, a2, a3 := a.Unlocks(now)
		b1, b2, b3 := b.Unlocks(now)
		require.InDelta(t, a1, b1, 1e-3)
		require.InDelta(t, a2, b2, 1e-3)
		require.InDelta(t, a3, b3, 1e-3)
	})
}

func TestTenThousandUnlocksAMinuteStayPlausibleAndFade(t *testing.T) {
	t.Parallel()
	var r Recency
	absurd := false
	for i := range 10_000 {
		absurd = !r.Unlock(monday.Add(time.Duration(i)*6*time.Millisecond)) || absurd
	}
	require.True(t, absurd)
	_, hour, day := r.Unlocks(r.UnlockAt)
	require.Less(t, hour, max10m*1.2, "what fades from the window of ten minutes meanwhile comes in")
	require.Less(t, day, max10m*1.2)
	_, hour, _ = r.Unlocks(r.UnlockAt.Add(6 * time.Hour))
	require.Less(t, hour, 1.0)
}

func TestSittingIsTheLastFinishedOne(t *testing.T) {
	t.Parallel()
	at := func(m int) time.Time { return monday.Add(time.Duration(m) * time.Minute) }
	r := Recency{LockAt: at(5)}
	r.Unlock(at(3))
	require.InDelta(t, 120, r.SessionSeconds, 0)
	r.Unlock(at(9)) // a new one is running
	require.InDelta(t, 120, r.SessionSeconds, 0)
	r.AppStartAt, r.AppEndAt = at(9), at(10)
	r.Sitting()
	require.InDelta(t, 60, r.SessionSeconds, 0)
}

func TestRecentIsBoundedByNumberAndTime(t *testing.T) {
	t.Parallel()
	var r Recent
	require.False(t, r.Seen("event", "a", monday))
	require.True(t, r.Seen("event", "a", monday.Add(time.Hour)))
	require.False(t, r.Seen("signal", "a", monday), "ids are per kind")
	require.False(t, r.Seen("event", "a", monday.Add(Lateness*time.Hour)), "forgotten after the window")
	for i := range 3 * MaxRecent {
		r.Seen("event", string(rune(i)), monday.Add(Lateness*time.Hour))
	}
	require.Len(t, r, 8*MaxRecent)
}

func TestResponseCountsFadeTogether(t *testing.T) {
	t.Parallel()
	var r Response
	r.Sent(monday.Add(9*time.Hour), time.UTC)
	r.Opened(monday.Add(10*time.Hour), time.UTC)
	r.Dismiss(monday.Add(11 * time.Hour))
	now := monday.Add(11 * time.Hour)
	got := r.Rates(now)
	require.InDelta(t, 1, got.Sends[9], 0.05)
	require.InDelta(t, 1, got.Opens[10], 0.05)
	require.InDelta(t, 1, got.Dismissed, 0.05)
	r.Sent(now.Add(80*7*24*time.Hour), time.UTC)
	got = r.Rates(now.Add(80 * 7 * 24 * time.Hour))
	require.Less(t, got.Sends[9]+got.Opens[10]+got.Dismissed, 0.01)
}

func TestLastUsedIsReachable(t *testing.T) {
	t.Parallel()
	p := Profile{Devices: []Device{
		{DeviceID: "a", Address: "x", UpdatedAt: monday},
		{DeviceID: "b", Address: "y", LastSeenAt: monday},
		{DeviceID: "c", Address: "", LastSeenAt: monday.Add(time.Hour)},
		{DeviceID: "d", Address: "z", LastSeenAt: monday.Add(time.Hour), Permission: "denied"},
	}}
	require.Equal(t, "b", p.LastUsed().DeviceID)
	require.Nil(t, new(Profile).LastUsed())
	require.Nil(t, p.Device("e"))
}

// full is a profile with every field set, habits included.
func full() *Profile {
	yes := true
	p := &Profile{
		TimeZone: "Europe/Berlin", ZoneSet: true, QuietHours: &event.Window{Start: 1320, End: 420}, OptedOut: []string{"news"},
		Consent: event.Consent{UserData: &yes}, Attributes: event.Object(`{"cart":"open"}`), Cohort: "beta", Clamped: 3,
	}
	d := Device{
		DeviceID: "d1", Platform: "ios", Channel: "apns", AddressType: "token", Address: "00aa", TimeZone: "Europe/Berlin",
		Locale: "de", AppVersion: "1.2", Permission: "granted", Pruned: 7,
	}
	for i, at := range []*time.Time{&d.ZoneAt, &d.UpdatedAt, &d.LastSeenAt, &d.PrunedAt, &d.DisabledAt} {
		*at = monday.Add(time.Duration(i) * time.Millisecond)
	}
	for i, r := range d.Live.all() {
		r.Set("unlocked", monday.Add(time.Duration(i)*time.Second))
	}
	p.Devices = []Device{d}
	for i := range 500 {
		at := monday.Add(time.Duration(i*37) * time.Minute)
		p.Recency.Unlock(at)
		p.Presence.Count(at, p.Location())
		p.Response.Sent(at, p.Location())
		p.Response.Opened(at, p.Location())
		p.Response.Dismiss(at)
		p.Recent.Seen("event", at.String(), at)
	}
	for i, at := range p.Recency.all() {
		*at = monday.Add(time.Duration(i) * time.Minute)
	}
	p.Recency.SessionSeconds = 42
	return p
}

func TestPackedFormKeepsEverythingAndIsSmall(t *testing.T) {
	t.Parallel()
	p := full()
	b, err := Encode(p)
	require.NoError(t, err)
	got, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, p, got)

	p.Devices[0] = Device{DeviceID: "d1", Live: p.Devices[0].Live} // model: habits, recency and one phone's context
	model, err := Encode(&Profile{Devices: p.Devices, Recency: p.Recency, Presence: p.Presence, Response: p.Response})
	require.NoError(t, err)
	require.LessOrEqual(t, len(model), 1024)
	t.Logf("packed: %d bytes, model %d bytes", len(b), len(model))

	b, err = Encode(&Profile{})
	require.NoError(t, err)
	require.Nil(t, b, "an empty profile is not kept")
	got, err = Decode(nil)
	require.NoError(t, err)
	require.True(t, got.IsEmpty())
}

func TestJSONKeepsWhatTimingReads(t *testing.T) {
	t.Parallel()
	p := full()
	b, err := json.Marshal(p)
	require.NoError(t, err)
	var got Profile
	require.NoError(t, json.Unmarshal(b, &got))
	g := DefaultWeek()
	require.Equal(t, p.Presence.Week(&g, monday), got.Presence.Week(&g, monday))
	require.Equal(t, p.Response.Rates(monday), got.Response.Rates(monday))
	require.Equal(t, p.Recency, got.Recency)
	require.Equal(t, p.Devices[0].Live, got.Devices[0].Live)
	require.Empty(t, got.Recent)
}

// However many pushes fall into one hour of the day, the rate of opens stays what it was.
func TestManyPushesInOneHour(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 5, 20, 0, 0, 0, time.UTC)
	for _, perDay := range []int{1, 3, 20} {
		var r Response
		n := 0
		for day := range 40 * 7 {
			at := start.AddDate(0, 0, day)
			for range perDay {
				r.Sent(at, time.UTC)
				if n%10 == 0 {
					r.Opened(at, time.UTC)
				}
				if n%5 == 0 {
					r.Dismiss(at)
				}
				n++
			}
			if n >= 300 {
				got := r.Rates(at)
				require.InDelta(t, 0.1, got.Opens[20]/got.Sends[20], 0.02, "%d a day, day %d", perDay, day)
				require.InDelta(t, 0.2, got.Dismissed/got.Sends[20], 0.03, "%d a day, day %d", perDay, day)
			}
		}
	}
}

// A first sign with a wrong date, or a long time without the app, does not make a habit of absence.
func TestAHabitBeginsAnewAfterALongSilence(t *testing.T) {
	t.Parallel()
	global := DefaultWeek()
	start := time.Date(2026, 5, 11, 0, 0, 0, 0, time.UTC)
	chance := func(first time.Time) float32 {
		var p Presence
		if !first.IsZero() {
			p.Count(first, time.UTC)
		}
		for at := start; at.Before(start.AddDate(0, 0, 7)); at = at.Add(time.Hour) {
			if h := at.Hour(); h >= 8 && h < 23 {
				p.Count(at, time.UTC)
			}
		}
		now := start.AddDate(0, 0, 8).Add(13 * time.Hour)
		week := p.Week(&global, now)
		return week[HourOfWeek(now, time.UTC)]
	}
	clean := chance(time.Time{})
	require.Greater(t, clean, float32(0.6))
	require.InDelta(t, clean, chance(time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)), 1e-6)
	require.InDelta(t, clean, chance(start.AddDate(0, -6, 0)), 1e-6)
}

func FuzzDecode(f *testing.F) {
	b, _ := Encode(full())
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		g := DefaultWeek() // whatever was accepted can be used
		p.Presence.Count(monday, p.Location())
		p.Presence.Week(&g, monday)
		p.Response.Opened(monday, time.UTC)
		p.Response.Rates(monday)
		p.Recency.Unlock(monday)
		p.Recent.Seen("event", "x", monday)
		p.LastUsed()
		_, err = Encode(p)
		require.NoError(t, err)
	})
}

func BenchmarkWeek(b *testing.B) {
	p, g := full(), DefaultWeek()
	b.ReportAllocs()
	for b.Loop() {
		p.Presence.Week(&g, monday)
	}
}

func BenchmarkEncode(b *testing.B) {
	p := full()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Encode(p)
	}
}

func BenchmarkDecode(b *testing.B) {
	blob, _ := Encode(full())
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Decode(blob)
	}
}

func TestWeightsDoubleInEightWeeksAndHalveExactly(t *testing.T) {
	t.Parallel()
	for week, w := range weights {
		require.InDelta(t, one*math.Exp2((float64(week)+0.5)/8), float64(w), 0.6)
	}
	require.Zero(t, weights[7]%2, "a late count of the last week is halved without a rest")
	require.Equal(t, uint32(weights[7]/2), weight(-1, 0))
	require.Equal(t, uint32(weights[0]), weight(0, 0))
	require.Zero(t, weight(-1<<40, 0))
}
