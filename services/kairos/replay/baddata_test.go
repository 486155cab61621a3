package replay_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/kairos/replay"
)

// neverOff is believed for twelve hours, as people sleep: what is held for less does not go.
const neverOff = "do-not-disturb that is never switched off"

// nonsense is what a broken phone or a broken sender may say at an instant.
var nonsense = map[string]func(say func(event.Fact), at time.Time){
	"unlocks in the year 2099": func(say func(event.Fact), _ time.Time) {
		for i := range 20 {
			say(sign(event.SignalUnlocked, fmt.Sprint("n", i), time.Date(2099, 1, 1, i, 0, 0, 0, time.UTC), ""))
		}
	},
	"unlocks before there were phones": func(say func(event.Fact), _ time.Time) {
		for i := range 20 {
			say(sign(event.SignalUnlocked, fmt.Sprint("n", i), time.Date(1970, 1, 1, i, 0, 0, 0, time.UTC), ""))
		}
	},
	"ten thousand unlocks a minute": func(say func(event.Fact), at time.Time) {
		for i := range 10_000 {
			say(sign(event.SignalUnlocked, fmt.Sprint("n", i), at.Add(-time.Duration(10_000-i)*6*time.Millisecond), ""))
		}
	},
	"a battery of 900 %, then of -5 %": func(say func(event.Fact), at time.Time) {
		say(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{
			SignalID: "n1", UserID: "u", DeviceID: "d", Kind: event.SignalBatteryLevel,
			ObservedAt: at, Value: event.Scalar{Text: "900", Number: true},
		}})
		say(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{
			SignalID: "n2", UserID: "u", DeviceID: "d", Kind: event.SignalBatteryLevel,
			ObservedAt: at, Value: event.Scalar{Text: "-5", Number: true},
		}})
	},
	"locked and unlocked at once, a hundred times": func(say func(event.Fact), at time.Time) {
		for i := range 100 {
			say(sign(event.SignalLocked, fmt.Sprint("n", i), at, ""))
			say(sign(event.SignalUnlocked, fmt.Sprint("o", i), at, ""))
		}
	},
	"states that never end": func(say func(event.Fact), at time.Time) {
		for i, kind := range []string{event.SignalScreenOn, event.SignalAppForeground, event.SignalCallStarted, event.SignalHeadphonesConnected, event.SignalChargingStarted} {
			say(sign(kind, fmt.Sprint("n", i), at, ""))
		}
		say(sign(event.SignalMotion, "n7", at, "cycling"))
		say(sign(event.SignalNetwork, "n8", at, "none"))
		say(sign(event.SignalRinger, "n9", at, "silent"))
	},
	neverOff: func(say func(event.Fact), at time.Time) { say(sign(event.SignalDNDOn, "n", at, "")) },
	"a zone that is none": func(say func(event.Fact), at time.Time) {
		say(sign(event.SignalTimeZoneChanged, "n", at, "Moon/Tycho"))
	},
	"a clock three hours ahead": func(say func(event.Fact), at time.Time) {
		for i := range 30 {
			say(sign(event.SignalUnlocked, fmt.Sprint("n", i), at.Add(3*time.Hour+time.Duration(i)*time.Second), ""))
			say(sign(event.SignalLocked, fmt.Sprint("o", i), at.Add(3*time.Hour+time.Duration(i)*time.Second), ""))
		}
	},
	"a clock three hours behind": func(say func(event.Fact), at time.Time) {
		for i := range 30 {
			say(sign(event.SignalUnlocked, fmt.Sprint("n", i), at.Add(-3*time.Hour+time.Duration(i)*time.Second), ""))
		}
	},
	"sessions that end before they start": func(say func(event.Fact), at time.Time) {
		for i, name := range []string{"session_ended", "session_started", "session_ended"} {
			say(event.Fact{Kind: event.KindEvent, Event: &event.Event{
				EventID: fmt.Sprint("n", i), UserID: "u", DeviceID: "d", Name: name,
				OccurredAt: at.Add(-time.Duration(i) * 365 * 24 * time.Hour),
			}})
		}
	},
}

func sign(kind, id string, at time.Time, value string) event.Fact {
	return event.Fact{Kind: event.KindSignal, Signal: &event.Signal{SignalID: id, UserID: "u", DeviceID: "d", Kind: kind, ObservedAt: at, Value: event.Scalar{Text: value}}}
}

// recovery is after how long nothing of a nonsense may be seen in a decision: the longest that any state of a phone is
// believed is twelve hours (do-not-disturb), and a count of the last day has faded to the size of a person's own by then.
const recovery = 24 * time.Hour

// probed lives two weeks, hears the nonsense while a message is held, and decides about another one after the recovery.
func probed(t *testing.T, hear func(say func(event.Fact), at time.Time)) (probe event.Decision, first string) {
	t.Helper()
	start := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	core := replay.NewCore(engine(), replay.Sink{
		Decision: func(d *event.Decision) {
			if d.MessageID == "probe" && probe.MessageID == "" {
				probe = *d
			}
		},
		Outcome: func(o *event.Outcome) {
			if o.MessageID == "held" && o.Type == event.OutcomeSent {
				first = o.Type
			}
		},
	})
	feed := func(f event.Fact, at time.Time) {
		f.AppID, f.UserID, f.ReceivedAt = "demo", "u", at
		core.Feed(&f, at)
	}
	feed(event.Fact{Kind: event.KindDevice, Device: &event.Device{
		DeviceID: "d", UserID: "u", Platform: "android", Channel: "fcm", AddressType: "token",
		Address: "a", TimeZone: "UTC", Permission: "granted", UpdatedAt: start,
	}}, start)
	hold := func(id string, at time.Time) {
		feed(event.Fact{Kind: event.KindMessage, Message: &event.Message{
			MessageID: id, UserID: "u", Priority: event.Promotional, Title: "t",
			Timing: event.TimingBestMoment, Deadline: at.Add(8 * time.Hour),
		}}, at)
	}
	bad := start.AddDate(0, 0, 14).Add(11*time.Hour + 7*time.Minute)
	n := 0
	for at := start; at.Before(bad.Add(recovery)); at = at.Add(20 * time.Minute) {
		if h := at.Hour(); h < 7 || h >= 23 {
			continue
		}
		n++
		feed(sign(event.SignalUnlocked, fmt.Sprint("u", n), at, ""), at)
		feed(sign(event.SignalLocked, fmt.Sprint("l", n), at.Add(time.Minute), ""), at.Add(time.Minute))
		if next := at.Add(20 * time.Minute); !bad.Before(at) && bad.Before(next) {
			hold("held", at.Add(6*time.Minute))
			if hear != nil {
				hear(func(f event.Fact) { feed(f, bad) }, bad)
			}
		}
	}
	hold("probe", bad.Add(recovery))
	core.RunTo(bad.Add(recovery + 9*time.Hour))
	return probe, first
}

func TestNonsenseNeitherStopsNorSkewsADecisionForLong(t *testing.T) {
	t.Parallel()
	want, sent := probed(t, nil)
	require.Equal(t, event.OutcomeSent, sent)
	require.Equal(t, event.ActionHold, want.Action)
	for name, hear := range nonsense {
		got, sent := probed(t, hear)
		require.Equal(t, want.Action, got.Action, name)
		require.Empty(t, got.Gates, name)
		require.InEpsilon(t, want.PSeen, got.PSeen, 0.02, name)
		if name == neverOff {
			continue // nobody is tired by what did not go
		}
		require.Equal(t, event.OutcomeSent, sent, "%s: what is held goes all the same", name)
		// How tired the person is depends on when the other message went, which the nonsense may move by an hour: it costs
		// more, and makes an open a little less likely.
		require.InEpsilon(t, want.POpen, got.POpen, 0.02, name)
		require.InEpsilon(t, (want.Score+want.Fatigue)/want.POpen, (got.Score+got.Fatigue)/got.POpen, 0.02, name)
		require.InEpsilon(t, (want.ValueOfWaiting+want.Fatigue)/want.POpen, (got.ValueOfWaiting+got.Fatigue)/got.POpen, 0.05, name)
		require.LessOrEqual(t, math.Abs(got.NextWakeAt.Sub(want.NextWakeAt).Minutes()), 10.0, name)
	}
}
