package enrich

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
)

var signalKinds = []string{
	event.SignalUnlocked, event.SignalLocked, event.SignalScreenOn, event.SignalScreenOff, event.SignalAppForeground,
	event.SignalAppBackground, event.SignalBatteryLevel, event.SignalMotion, event.SignalNetwork, event.SignalDNDOn,
	event.SignalDNDOff, event.SignalCallStarted, event.SignalCallEnded, event.SignalGeofenceEntered, event.SignalTimeZoneChanged,
}

// day draws one record of two days, all received at the end of them: as late as late may be.
func day(t *rapid.T, i int) *event.Fact {
	const span = int64(profile.Lateness-1) * 3600 * 1000
	at := t0.Add(time.Duration(rapid.Int64Range(0, span).Draw(t, "at")) * time.Millisecond)
	id, dev := fmt.Sprint(i), rapid.SampledFrom([]string{"d1", "d2", "d3"}).Draw(t, "device")
	message := rapid.SampledFrom([]string{"m1", "m2"}).Draw(t, "message")
	var f *event.Fact
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		name := rapid.SampledFrom([]string{"app_opened", "session_started", "session_ended", "purchase"}).Draw(t, "name")
		f = fact(at, &event.Event{EventID: id, UserID: "u1", DeviceID: dev, Name: name, OccurredAt: at})
	case 1:
		f = fact(at, &event.Device{
			DeviceID: dev, UserID: "u1", Platform: "ios", Channel: "apns", Address: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "address"),
			Deleted: rapid.IntRange(0, 4).Draw(t, "deleted") == 0,
		})
		f.Device.UpdatedAt = at.Truncate(time.Second).Add(time.Duration(i) * time.Millisecond) // of one instant, the last in the log would win
	case 2:
		f = fact(at, &event.Result{
			MessageID: id, DeviceID: dev, Status: event.ResultFailed, At: at.Truncate(time.Second).Add(time.Duration(i) * time.Millisecond),
			PruneAddress: rapid.SampledFrom([]string{"", "a"}).Draw(t, "prune"),
		})
	case 3:
		kind := rapid.SampledFrom([]string{"delivered", "disabled"}).Draw(t, "kind")
		f = fact(at, &event.Receipt{ReceiptID: id, MessageID: message + id, UserID: "u1", DeviceID: dev, Kind: kind, OccurredAt: at})
	case 4:
		kind := rapid.SampledFrom([]string{"opened", "dismissed"}).Draw(t, "kind")
		f = fact(at, &event.Receipt{ReceiptID: id, MessageID: message + id, UserID: "u1", DeviceID: dev, Kind: kind, OccurredAt: at})
	default:
		kind := rapid.SampledFrom(signalKinds).Draw(t, "kind")
		s := &event.Signal{SignalID: id, UserID: "u1", DeviceID: dev, Kind: kind, ObservedAt: at}
		switch kind {
		case event.SignalBatteryLevel:
			s.Value = event.Scalar{Text: fmt.Sprint(rapid.IntRange(0, 100).Draw(t, "battery")), Number: true}
		case event.SignalTimeZoneChanged:
			s.Value = event.Scalar{Text: rapid.SampledFrom([]string{"Asia/Tokyo", "Europe/Paris"}).Draw(t, "zone")}
		default:
			s.Value = event.Scalar{Text: rapid.SampledFrom([]string{"wifi", "walking", "still"}).Draw(t, "value")}
		}
		f = fact(at, s)
	}
	f.ReceivedAt = t0.Add(time.Duration(span)*time.Millisecond + time.Second)
	return f
}

// Any order and any number of deliveries of a log leads to the same profile, but for what the package doc excepts: the
// zone is said at the start, and neither the time of a change nor how late the signs came is compared.
func TestTheProfileDoesNotDependOnOrderOrDuplicates(t *testing.T) {
	t.Parallel()
	zone := fact(t0, &event.User{UserID: "u1", TimeZone: "Europe/Berlin"})
	rapid.Check(t, func(t *rapid.T) {
		log := make([]*event.Fact, rapid.IntRange(1, 60).Draw(t, "records"))
		for i := range log {
			log[i] = day(t, i)
		}
		mixed := rapid.Permutation(append(append([]*event.Fact{zone}, log...), log[:rapid.IntRange(0, len(log)).Draw(t, "twice")]...)[1:]).Draw(t, "order")
		a, _ := feed(&profile.Profile{}, append([]*event.Fact{zone}, log...)...)
		b, _ := feed(&profile.Profile{}, append([]*event.Fact{zone}, mixed...)...)
		for _, r := range []*profile.Recency{&a.Recency, &b.Recency} {
			r.Late = 0
		}
		for _, p := range []*profile.Profile{a, b} {
			for i := range p.Devices {
				l := &p.Devices[i].Live
				l.Motion.ChangedAt, l.Network.ChangedAt = time.Time{}, time.Time{}
				require.Zero(t, p.Devices[i].Lags.Behind())
				p.Devices[i].Lags = profile.Lags{}
			}
		}
		require.InDelta(t, a.Recency.Unlocks10m, b.Recency.Unlocks10m, 1e-3)
		require.InDelta(t, a.Recency.Unlocks1h, b.Recency.Unlocks1h, 1e-3)
		require.InDelta(t, a.Recency.Unlocks24h, b.Recency.Unlocks24h, 1e-3)
		b.Recency.Unlocks10m, b.Recency.Unlocks1h, b.Recency.Unlocks24h = a.Recency.Unlocks10m, a.Recency.Unlocks1h, a.Recency.Unlocks24h
		a.Recent, b.Recent = nil, nil
		require.Equal(t, a, b)
	})
}

// Whatever comes, nothing panics, every fact passes at most once, and the packed profile stays small and readable.
func TestAbsurdInputNeverHurts(t *testing.T) {
	t.Parallel()
	anyTime := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), 0)
	})
	anyText := rapid.OneOf(rapid.String(), rapid.SampledFrom(append([]string{"", "Local", "NaN", "1e999"}, signalKinds...)))
	object := rapid.SampledFrom([]event.Object{nil, event.Object(`{}`), event.Object(`{"a":null}`), event.Object(`[`), event.Object(`{"a":1}`)})
	flag := rapid.SampledFrom([]*bool{nil, new(bool), func() *bool { v := true; return &v }()})
	rapid.Check(t, func(t *rapid.T) {
		p := &profile.Profile{}
		for range rapid.IntRange(1, 80).Draw(t, "records") {
			f := &event.Fact{ReceivedAt: anyTime.Draw(t, "received"), Kind: anyText.Draw(t, "kind")}
			id, dev, at := anyText.Draw(t, "id"), anyText.Draw(t, "device"), anyTime.Draw(t, "at")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				f.Event = &event.Event{EventID: id, DeviceID: dev, Name: anyText.Draw(t, "name"), OccurredAt: at}
			case 1:
				f.Signal = &event.Signal{
					SignalID: id, DeviceID: dev, Kind: anyText.Draw(t, "signal"), ObservedAt: at,
					Value: event.Scalar{Text: anyText.Draw(t, "value"), Number: rapid.Bool().Draw(t, "number")},
				}
			case 2:
				f.Receipt = &event.Receipt{ReceiptID: id, DeviceID: dev, Kind: rapid.SampledFrom([]string{"opened", "disabled", ""}).Draw(t, "receipt"), OccurredAt: at}
			case 3:
				f.Device = &event.Device{DeviceID: dev, Address: id, TimeZone: anyText.Draw(t, "zone"), UpdatedAt: at, Deleted: rapid.Bool().Draw(t, "deleted")}
			case 4:
				f.User = &event.User{TimeZone: anyText.Draw(t, "zone"), Attributes: object.Draw(t, "attributes"), Consent: &event.Consent{UserData: flag.Draw(t, "user"), DeviceData: flag.Draw(t, "dev")}}
			default:
				f.Result = &event.Result{MessageID: id, DeviceID: dev, Status: event.ResultSent, PruneAddress: id, At: at}
			}
			next, effects := Step(p, f, t0)
			require.LessOrEqual(t, len(effects), 1)
			p = next
		}
		require.LessOrEqual(t, len(p.Devices), profile.MaxDevices)
		require.LessOrEqual(t, len(p.Recent), 8*profile.MaxRecent)
		model, err := profile.Encode(&profile.Profile{Recency: p.Recency, Presence: p.Presence, Response: p.Response, Clamped: p.Clamped})
		require.NoError(t, err)
		require.LessOrEqual(t, len(model), 1024)
	})
}

// A packed profile is the same profile: folding on after a restart changes nothing.
func TestFoldingOnAfterPackingIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		straight, packed := &profile.Profile{}, &profile.Profile{}
		for i := range rapid.IntRange(1, 40).Draw(t, "records") {
			f := day(t, i)
			straight, _ = Step(straight, f, t0)
			b, err := profile.Encode(packed)
			require.NoError(t, err)
			packed, err = profile.Decode(b)
			require.NoError(t, err)
			packed, _ = Step(packed, f, t0)
		}
		b, err := profile.Encode(packed)
		require.NoError(t, err)
		got, err := profile.Decode(b)
		require.NoError(t, err)
		require.Equal(t, straight, got)
	})
}

func BenchmarkStep(b *testing.B) {
	p, _ := feed(&profile.Profile{}, device(t0, "a"), fact(t0, &event.User{UserID: "u1", TimeZone: "Europe/Berlin"}))
	for i := range 500 { // a person of a week's standing
		p, _ = feed(p, signal(event.SignalUnlocked, after(time.Duration(i)*20*time.Minute)))
	}
	facts := make([]*event.Fact, 4096)
	for i := range facts {
		at := after(7*24*time.Hour + time.Duration(i)*time.Minute)
		switch i % 4 {
		case 0:
			facts[i] = signal(event.SignalUnlocked, at)
		case 1:
			facts[i] = signal(event.SignalLocked, at)
		case 2:
			facts[i] = signal(event.SignalBatteryLevel, at, event.Scalar{Text: "80", Number: true})
		default:
			facts[i] = ownEvent("app_opened", at)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := facts[i%len(facts)]
		p, _ = Step(p, f, f.ReceivedAt)
	}
}

func BenchmarkEncodeEnriched(b *testing.B) {
	p, _ := feed(&profile.Profile{}, device(t0, "a"), fact(t0, &event.User{UserID: "u1", TimeZone: "Europe/Berlin"}))
	var effects []fold.Effect
	for i := range 500 {
		p, effects = feed(p, signal(event.SignalUnlocked, after(time.Duration(i)*20*time.Minute)), signal(event.SignalNetwork, after(time.Duration(i)*20*time.Minute), event.Scalar{Text: "wifi"}))
	}
	value := effects[0].Value
	b.ReportAllocs()
	for b.Loop() {
		data, err := event.Encode(value)
		require.NoError(b, err)
		b.SetBytes(int64(len(data)))
	}
}

func BenchmarkDecodeEnriched(b *testing.B) {
	p, _ := feed(&profile.Profile{}, device(t0, "a"))
	_, effects := feed(p, signal(event.SignalUnlocked, t0), signal(event.SignalNetwork, t0, event.Scalar{Text: "wifi"}))
	data, err := event.Encode(effects[1].Value)
	require.NoError(b, err)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, event.Decode(data, &profile.Enriched{}))
	}
}
