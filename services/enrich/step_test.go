package enrich

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/topic"
)

var t0 = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return t0.Add(d) }

// fact wraps a public record that is received at that time.
func fact(at time.Time, body any) *event.Fact {
	f := &event.Fact{AppID: "shop", UserID: "u1", ReceivedAt: at}
	switch b := body.(type) {
	case *event.Message:
		f.Kind, f.Message = event.KindMessage, b
	case *event.Cancel:
		f.Kind, f.Cancel = event.KindCancel, b
	case *event.Event:
		f.Kind, f.Event = event.KindEvent, b
	case *event.Signal:
		f.Kind, f.Signal = event.KindSignal, b
	case *event.Receipt:
		f.Kind, f.Receipt = event.KindReceipt, b
	case *event.Device:
		f.Kind, f.Device = event.KindDevice, b
	case *event.User:
		f.Kind, f.User = event.KindUser, b
	case *event.Result:
		f.Kind, f.Result = event.KindResult, b
	}
	return f
}

var serial atomic.Int64 // ids of records, across parallel tests

// signal observed when it is received.
func signal(kind string, at time.Time, value ...event.Scalar) *event.Fact {
	s := &event.Signal{SignalID: fmt.Sprint("s", serial.Add(1)), UserID: "u1", DeviceID: "d1", Kind: kind, ObservedAt: at}
	if len(value) > 0 {
		s.Value = value[0]
	}
	return fact(at, s)
}

func ownEvent(name string, at time.Time) *event.Fact {
	return fact(at, &event.Event{EventID: fmt.Sprint("e", serial.Add(1)), UserID: "u1", DeviceID: "d1", Name: name, OccurredAt: at})
}

func device(at time.Time, address string) *event.Fact {
	return fact(at, &event.Device{DeviceID: "d1", UserID: "u1", Platform: "ios", Channel: "apns", Address: address, UpdatedAt: at})
}

// feed folds facts into p, and returns the profile and all that was emitted.
func feed(p *profile.Profile, facts ...*event.Fact) (*profile.Profile, []fold.Effect) {
	var all, effects []fold.Effect
	for _, f := range facts {
		p, effects = Step(p, f, f.ReceivedAt)
		all = append(all, effects...)
	}
	return p, all
}

func enriched(t *testing.T, e fold.Effect) *profile.Enriched {
	t.Helper()
	require.Equal(t, topic.Enriched, e.Topic)
	require.NotEmpty(t, e.ID)
	v, ok := e.Value.(*profile.Enriched)
	require.True(t, ok)
	return v
}

// known is somebody of whom something is known.
func known() *profile.Profile { return &profile.Profile{Cohort: "c"} }

func TestEveryFactPassesOnceAndDuplicatesDoNot(t *testing.T) {
	t.Parallel()
	ev, sig := ownEvent("app_opened", t0), signal(event.SignalUnlocked, t0)
	rec := fact(t0, &event.Receipt{ReceiptID: "r", MessageID: "m", UserID: "u1", DeviceID: "d1", Kind: "opened", OccurredAt: t0})
	for _, c := range []struct {
		name string
		fact *event.Fact
		want int // effects of two deliveries
	}{
		{"event", ev, 1},
		{"signal", sig, 1},
		{"receipt", rec, 1},
		{"message", fact(t0, &event.Message{MessageID: "m", UserID: "u1"}), 2},
		{"cancel", fact(t0, &event.Cancel{MessageID: "m", UserID: "u1"}), 2},
		{"result", fact(t0, &event.Result{MessageID: "m", Status: event.ResultSent, At: t0}), 2},
		{"device", device(t0, "a"), 2},
		{"user", fact(t0, &event.User{UserID: "u1", Cohort: "c"}), 2},
		{"nothing at all", &event.Fact{Kind: "?"}, 2},
	} {
		p, effects := feed(known(), c.fact, c.fact)
		require.Len(t, effects, c.want, c.name)
		e := enriched(t, effects[0])
		require.Equal(t, *c.fact, e.Fact, c.name)
		once, _ := feed(known(), c.fact)
		require.Equal(t, once, p, "%s: the second delivery changed the profile", c.name)
	}
}

func TestLateReadingsDoNotMoveStateBack(t *testing.T) {
	t.Parallel()
	late := signal(event.SignalUnlocked, t0)
	late.ReceivedAt = after(time.Hour)
	p, effects := feed(&profile.Profile{}, signal(event.SignalLocked, after(10*time.Minute)), late)
	require.Equal(t, "locked", p.Device("d1").Live.Lock.Value)
	require.Equal(t, t0, p.Recency.UnlockAt, "but the late unlock is known to have been")
	require.InDelta(t, 600, p.Recency.SessionSeconds, 0)
	require.Equal(t, *late, enriched(t, effects[1]).Fact)
}

// A phone whose clock is three minutes behind: once that is known, all that it says is put right.
func TestAClockThatIsBehindIsPutRight(t *testing.T) {
	t.Parallel()
	const behind = 3 * time.Minute
	lagging := func(f *event.Fact) *event.Fact {
		f.ReceivedAt = f.ReceivedAt.Add(behind)
		return f
	}
	p := known()
	for i := range 16 {
		p, _ = feed(p, lagging(signal(event.SignalHeadphonesConnected, after(time.Duration(i)*time.Minute))))
	}
	now := after(time.Hour)
	p, effects := feed(p, lagging(signal(event.SignalUnlocked, now)), lagging(ownEvent("session_started", now)),
		lagging(fact(now, &event.Receipt{ReceiptID: "r", MessageID: "m", UserID: "u1", DeviceID: "d1", Kind: event.ReceiptOpened, OccurredAt: now})))
	right := now.Add(behind)
	require.Equal(t, right, p.Device("d1").Live.Lock.At)
	require.Equal(t, right, p.Recency.UnlockAt)
	require.Equal(t, right, p.Recency.AppStartAt)
	require.Len(t, effects, 3)
	require.Equal(t, right, enriched(t, effects[0]).Fact.Signal.ObservedAt)
	require.Equal(t, right, enriched(t, effects[1]).Fact.Event.OccurredAt)
	require.Equal(t, right, enriched(t, effects[2]).Fact.Receipt.OccurredAt)
}

func TestEveryKindOfSignalHasItsReading(t *testing.T) {
	t.Parallel()
	text := func(s string) event.Scalar { return event.Scalar{Text: s} }
	for _, c := range []struct {
		kind  string
		value event.Scalar
		want  func(*profile.Live) profile.Reading
		text  string
	}{
		{event.SignalUnlocked, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Lock }, "unlocked"},
		{event.SignalLocked, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Lock }, "locked"},
		{event.SignalScreenOn, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Screen }, "on"},
		{event.SignalScreenOff, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Screen }, "off"},
		{event.SignalAppForeground, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.App }, "foreground"},
		{event.SignalAppBackground, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.App }, "background"},
		{event.SignalChargingStarted, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Charging }, "on"},
		{event.SignalChargingStopped, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Charging }, "off"},
		{event.SignalBatteryLevel, event.Scalar{Text: "79.6", Number: true}, func(l *profile.Live) profile.Reading { return l.Battery }, "80"},
		{event.SignalBatteryLevel, event.Scalar{Text: "900", Number: true}, func(l *profile.Live) profile.Reading { return l.Battery }, "100"},
		{event.SignalBatteryLevel, event.Scalar{Text: "-1e9", Number: true}, func(l *profile.Live) profile.Reading { return l.Battery }, "0"},
		{event.SignalBatteryLevel, text("full"), func(l *profile.Live) profile.Reading { return l.Battery }, ""},
		{event.SignalHeadphonesConnected, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Headphones }, "on"},
		{event.SignalHeadphonesDisconnected, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Headphones }, "off"},
		{event.SignalMotion, text("walking"), func(l *profile.Live) profile.Reading { return l.Motion }, "walking"},
		{event.SignalNetwork, text("wifi"), func(l *profile.Live) profile.Reading { return l.Network }, "wifi"},
		{event.SignalRinger, text("silent"), func(l *profile.Live) profile.Reading { return l.Ringer }, "silent"},
		{event.SignalDNDOn, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.DND }, "on"},
		{event.SignalDNDOff, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.DND }, "off"},
		{event.SignalCallStarted, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Call }, "started"},
		{event.SignalCallEnded, event.Scalar{}, func(l *profile.Live) profile.Reading { return l.Call }, "ended"},
		{event.SignalGeofenceEntered, text("home"), func(l *profile.Live) profile.Reading { return l.Geofence }, "entered:home"},
		{event.SignalGeofenceExited, text("home"), func(l *profile.Live) profile.Reading { return l.Geofence }, "exited:home"},
	} {
		f := fact(t0, &event.Signal{SignalID: "x", UserID: "u1", DeviceID: "d1", Kind: c.kind, Value: c.value, ObservedAt: t0})
		p, _ := feed(&profile.Profile{}, f)
		require.Equal(t, c.text, c.want(&p.Device("d1").Live).Value, "%s %v", c.kind, c.value)
	}
}

func TestAbsurdInputIsBentAndCounted(t *testing.T) {
	t.Parallel()
	future := signal(event.SignalUnlocked, after(400*24*time.Hour))
	future.ReceivedAt = t0
	p, _ := feed(&profile.Profile{}, future)
	require.Equal(t, t0, p.Recency.UnlockAt)
	require.EqualValues(t, 1, p.Clamped)

	skewed := signal(event.SignalLocked, after(time.Minute))
	skewed.ReceivedAt = t0
	p, _ = feed(p, skewed)
	require.Equal(t, t0, p.Recency.LockAt)
	require.EqualValues(t, 1, p.Clamped, "a minute of skew is ordinary")

	ancient := ownEvent("app_opened", time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
	ancient.ReceivedAt = t0
	p, _ = feed(p, ancient)
	require.Equal(t, t0, p.Recency.AppEventAt)
	require.EqualValues(t, 2, p.Clamped)

	for i := range 10_000 {
		p, _ = feed(p, signal(event.SignalUnlocked, after(time.Duration(i)*6*time.Millisecond)))
	}
	_, hour, _ := p.Recency.Unlocks(after(time.Minute))
	require.LessOrEqual(t, hour, 200.0)
	require.Greater(t, p.Clamped, uint32(9000))
	_, hour, _ = p.Recency.Unlocks(after(7 * time.Hour))
	require.Less(t, hour, 1.0, "forgotten within hours")
}

func TestOnePushCountsOnceHoweverManyDevicesItReached(t *testing.T) {
	t.Parallel()
	sent := func(dev string) *event.Fact {
		return fact(t0, &event.Result{MessageID: "m", DeviceID: dev, Status: event.ResultSent, At: t0})
	}
	opened := func(id, dev string) *event.Fact {
		return fact(t0, &event.Receipt{ReceiptID: id, MessageID: "m", UserID: "u1", DeviceID: dev, Kind: "opened", OccurredAt: t0})
	}
	p, _ := feed(&profile.Profile{}, device(t0, "a"), sent("d1"), sent("d2"), opened("r1", "d1"), opened("r2", "d2"))
	r := p.Response.Rates(t0)
	require.InDelta(t, 1, r.Sends[12], 0.06)
	require.InDelta(t, 1, r.Opens[12], 0.06)
}

// An effect is encoded after later facts of the same batch were folded: it must not show their changes.
func TestEffectsDoNotSeeTheFuture(t *testing.T) {
	t.Parallel()
	p, _ := feed(&profile.Profile{}, device(t0, "a"))
	_, effects := Step(p, signal(event.SignalUnlocked, t0), t0)
	e := enriched(t, effects[0])
	want, err := event.Encode(e)
	require.NoError(t, err)
	feed(p, device(after(time.Second), "b"), signal(event.SignalLocked, after(2*time.Hour)), signal(event.SignalUnlocked, after(2*time.Hour)),
		fact(after(time.Second), &event.User{Attributes: event.Object(`{"x":1}`)}))
	got, err := event.Encode(e)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestDecodeWantsTheBodyOfTheKind(t *testing.T) {
	t.Parallel()
	good, err := event.Encode(signal(event.SignalUnlocked, t0))
	require.NoError(t, err)
	_, err = decode(good)
	require.NoError(t, err)
	for _, bad := range []string{
		``, `{}`, `[]`, `{"kind":"signal","app_id":"a","user_id":"u"}`, `{"kind":"tea","app_id":"a","user_id":"u"}`,
		`{"kind":"cancel","app_id":"a","user_id":"","cancel":{"type":"cancel","user_id":"u","message_id":"m"}}`,
		`{"kind":"cancel","app_id":"a","user_id":"u","cancel":{"type":"cancel","user_id":"u","message_id":"m"},"user":{"user_id":"u"}}`,
	} {
		_, err := decode([]byte(bad))
		require.Error(t, err, bad)
	}
}
