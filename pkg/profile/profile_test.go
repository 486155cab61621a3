package profile

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

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
	for range 20 {
		d.Lags.Heard(3 * time.Minute)
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
