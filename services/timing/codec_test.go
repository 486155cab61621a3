package timing_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// full is a person with a bit of everything.
func full(tb testing.TB, held int) (*timing.Engine, *timing.Holds, *profile.Enriched, time.Time) {
	tb.Helper()
	p, err := policy.Parse([]byte("defaults: {exploration: {immediate: 0, uniform: 0, control: 0}}\nquiet_hours: {start: '22:00', end: '07:00'}"))
	require.NoError(tb, err)
	e := timing.NewEngine(p)
	now := time.Date(2026, 5, 11, 10, 0, 0, 0, time.UTC)
	in := &profile.Enriched{Profile: profile.Profile{TimeZone: "Europe/Berlin", Devices: []profile.Device{phone("phone")}}}
	in.Profile.Devices[0].Live.Lock = profile.Reading{Value: "locked", At: now}
	for i := range 28 * 24 {
		at := now.Add(-time.Duration(i) * time.Hour)
		if h := at.In(in.Profile.Location()).Hour(); h >= 8 && h < 23 {
			in.Profile.Presence.Count(at, in.Profile.Location())
			in.Profile.Recency.Unlock(at)
		}
	}
	in.Profile.Recency.SeenAt = now
	h := timing.NewHolds(user)
	step := func(f event.Fact) {
		in.Fact = f
		h, _ = e.Step(h, in, now)
	}
	step(event.Fact{Kind: event.KindCancel, Cancel: &event.Cancel{MessageID: "gone"}})
	step(event.Fact{Kind: event.KindMessage, Message: &event.Message{MessageID: "gone"}})
	step(event.Fact{Kind: event.KindMessage, Message: &event.Message{MessageID: "out", Timing: event.TimingNow, Category: "news"}})
	for i := range held {
		step(event.Fact{Kind: event.KindMessage, Message: &event.Message{
			MessageID: "held" + time.Duration(i).String(), Title: "a title", Body: "a body of usual length, as apps write them", Category: "news",
		}})
	}
	require.Len(tb, h.Held, held)
	in.Fact = event.Fact{Kind: event.KindSignal, Signal: &event.Signal{Kind: event.SignalLocked}}
	return e, h, in, now
}

// What is learned and remembered of a person who has done everything lies in two blobs, each with its owner: the profile that
// enrich writes, and what timing keeps of them. Together they are at most 1 kB. What lies apart, for it grows with what the
// person has: devices, held messages, attributes, and the ids by
// which records and messages that come again are known.
func TestAPersonIsPackedIntoAKilobyte(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	now := time.Date(2026, 5, 11, 10, 7, 31, 123456789, time.UTC)
	yes := true
	p := profile.Profile{
		TimeZone: "Europe/Berlin", ZoneSet: true, QuietHours: window("22:30", "07:15"), OptedOut: []string{"offers"},
		Consent: event.Consent{UserData: &yes, DeviceData: &yes}, Cohort: "students", Clamped: 77,
	}
	for i := range 24 * 7 * 4 {
		at := now.Add(-time.Duration(i)*time.Hour - time.Duration(rng.IntN(3600_000))*time.Millisecond)
		p.Presence.Count(at, p.Location())
		p.Response.Sent(at, p.Location())
		p.Response.Opened(at, p.Location())
		p.Response.Dismiss(at)
		p.Recency.Unlock(at)
	}
	r := &p.Recency
	for _, at := range []*time.Time{
		&r.SeenAt, &r.LockAt, &r.AppSwitchAt, &r.CallEndAt, &r.AppEventAt, &r.AppStartAt, &r.PrevAppStartAt, &r.AppEndAt,
	} {
		*at = now.Add(-time.Duration(rng.IntN(3600_000)) * time.Millisecond)
	}
	r.Sitting()
	r.Heard(now.Add(-time.Hour), now)
	known, err := profile.Encode(&p)
	require.NoError(t, err)

	h := timing.NewHolds("shop|2f1d7c0e-9a54-4b62-8c3e-0f6a1b2c3d4e")
	for i := range 9 {
		h.Fatigue = append(h.Fatigue, timing.Fatigue{
			Category: rng.Uint32(), Pressure: 31 * rng.Float32(), At: now.Unix() - int64(i), Stretch: 1 + 3*rng.Float32(), Sends: 63, Opens: 17,
		})
	}
	h.Moments.Bins = make([]byte, 8*16)
	for i := range h.Moments.Bins {
		h.Moments.Bins[i] = byte(rng.IntN(256))
	}
	for i := range 3 {
		h.Sends = append(h.Sends, timing.Send{Message: rng.Uint32(), Category: rng.Uint32(), At: now.Add(-time.Duration(i) * time.Hour).UnixMilli(), Promotional: true})
	}
	h.Forget = now.Add(30 * 24 * time.Hour).Truncate(time.Second)
	kept, err := timing.EncodeHolds(h)
	require.NoError(t, err)
	t.Logf("profile %d B, holds %d B", len(known), len(kept))
	require.LessOrEqual(t, len(known)+len(kept), 1024)
}

func TestHoldsArePackedSmall(t *testing.T) {
	t.Parallel()
	_, h, _, _ := full(t, 1)
	h.Profile, h.Held, h.Out = nil, nil, nil
	blob, err := timing.EncodeHolds(h)
	require.NoError(t, err)
	require.Less(t, len(blob), 400, "what is kept of a person beside messages and the profile")
}

// A state that was written before it told its policy is read, and what it holds is planned anew.
func TestHoldsWithoutAPolicyAreDue(t *testing.T) {
	t.Parallel()
	e, h, _, now := full(t, 1)
	stage := timing.Stage(e)
	require.True(t, stage.Due(h).After(now))
	h.Policy = ""
	blob, err := stage.EncodeState(h)
	require.NoError(t, err)
	old, err := stage.DecodeState(blob)
	require.NoError(t, err)
	require.True(t, stage.Due(old).Before(now))
	again, _ := stage.Wake(old, now)
	require.True(t, stage.Due(again).After(now))
}

func TestBrokenHoldsAreRefused(t *testing.T) {
	t.Parallel()
	_, h, _, _ := full(t, 1)
	blob, err := timing.EncodeHolds(h)
	require.NoError(t, err)
	for _, bad := range [][]byte{nil, {0xff}, blob[:len(blob)-1], append(bytes.Clone(blob), 0)} {
		_, err := timing.DecodeHolds(bad)
		require.Error(t, err)
	}
}

func FuzzDecodeHolds(f *testing.F) {
	e, h, in, now := full(f, 2)
	blob, err := timing.EncodeHolds(h)
	require.NoError(f, err)
	f.Add(blob)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := timing.DecodeHolds(data)
		if err != nil {
			return
		}
		blob, err := timing.EncodeHolds(h)
		require.NoError(t, err)
		if blob == nil {
			return
		}
		back, err := timing.DecodeHolds(blob)
		require.NoError(t, err)
		again, err := timing.EncodeHolds(back)
		require.NoError(t, err)
		require.True(t, bytes.Equal(blob, again))
		h, effects := e.Step(h, in, now) // whatever came out of the blob, the engine copes with it
		for _, x := range effects {
			_, err := event.Encode(x.Value)
			require.NoError(t, err)
		}
		e.Wake(h, now.Add(time.Hour))
	})
}

// BenchmarkStepSignal is one context change of a person with messages held: sense, path, a solve for each message.
func BenchmarkStepSignal(b *testing.B) {
	for name, held := range map[string]int{"held=0": 0, "held=1": 1, "held=8": 8} {
		b.Run(name, func(b *testing.B) {
			e, h, in, now := full(b, held)
			b.ReportAllocs()
			for b.Loop() {
				h, _ = e.Step(h, in, now)
			}
		})
	}
}

// BenchmarkStepMessage is a message of a person from arrival to release.
func BenchmarkStepMessage(b *testing.B) {
	e, _, in, now := full(b, 0)
	in.Fact = event.Fact{Kind: event.KindMessage, Message: &event.Message{MessageID: "m", Timing: event.TimingNow, Title: "a title"}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Step(timing.NewHolds(user), in, now)
	}
}

func BenchmarkEncodeHolds(b *testing.B) {
	_, h, _, _ := full(b, 2)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		blob, err := timing.EncodeHolds(h)
		if err != nil {
			b.Fatal(err)
		}
		n = len(blob)
	}
	b.ReportMetric(float64(n), "B/state")
}

func BenchmarkDecodeHolds(b *testing.B) {
	_, h, _, _ := full(b, 2)
	blob, err := timing.EncodeHolds(h)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := timing.DecodeHolds(blob); err != nil {
			b.Fatal(err)
		}
	}
}
