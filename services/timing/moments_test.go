package timing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/score"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// Counted are the sittings that begin while a message is held, each when it ends: also the one in which the message goes,
// which is the longest of them. One in progress when the message came does not count.
func TestSittingsThatBeginWhileAMessageIsHeldAreCounted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)
	e := NewEngine(policy.Default())
	h := NewHolds("demo|ada")
	p := profile.Profile{Devices: []profile.Device{{DeviceID: "d", Channel: "fcm", Address: "a", Permission: "granted"}}}
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	step := func(seconds int, f event.Fact) {
		f.AppID, f.UserID, f.ReceivedAt = "demo", "ada", at(seconds)
		h, _ = e.Step(h, &profile.Enriched{Fact: f, Profile: p}, at(seconds))
	}
	signal := func(seconds int, kind string) {
		p.Devices = append([]profile.Device(nil), p.Devices...)
		if kind == event.SignalUnlocked {
			p.Devices[0].Live.Lock.Set("unlocked", at(seconds))
			p.Recency.Unlock(at(seconds))
		} else {
			p.Devices[0].Live.Lock.Set("locked", at(seconds))
			p.Recency.LockAt = at(seconds)
			p.Recency.Sitting()
		}
		step(seconds, event.Fact{Kind: event.KindSignal, Signal: &event.Signal{UserID: "ada", DeviceID: "d", Kind: kind, ObservedAt: at(seconds)}})
	}
	message := func(seconds, notBefore int) {
		m := &event.Message{
			MessageID: at(seconds).String(), UserID: "ada", Timing: event.TimingBestMoment, NotBefore: at(notBefore), Deadline: at(seconds + 4*3600),
		}
		step(seconds, event.Fact{Kind: event.KindMessage, Message: m})
	}
	counted := func() map[int]int {
		out := map[int]int{}
		for i, n := range h.Moments.Bins {
			if n > 0 {
				require.Equal(t, 4, i/score.Bins, "of the daypart that begins at noon")
				out[i%score.Bins] = int(n)
			}
		}
		return out
	}

	signal(0, event.SignalUnlocked)
	signal(20, event.SignalLocked)
	require.Empty(t, counted(), "nothing is held")

	signal(100, event.SignalUnlocked)
	message(110, 1000)
	signal(700, event.SignalLocked)
	require.Empty(t, counted(), "it was in progress when the message came")

	signal(800, event.SignalUnlocked)
	signal(840, event.SignalLocked)
	want := map[int]int{score.Bin(40): 1}
	require.Equal(t, want, counted())

	signal(2000, event.SignalUnlocked)
	for len(h.Held) > 0 {
		h, _ = e.Wake(h, h.Held[0].WakeAt)
	}
	require.Len(t, h.Out, 1)
	signal(3300, event.SignalLocked)
	want[score.Bin(1300)]++
	require.Equal(t, want, counted(), "the sitting in which the message went")

	signal(4000, event.SignalUnlocked)
	signal(4040, event.SignalLocked)
	require.Equal(t, want, counted(), "nothing is held any more")

	message(4100, 6000)
	signal(4200, event.SignalUnlocked) // its end is never told
	signal(4900, event.SignalUnlocked)
	signal(5000, event.SignalLocked)
	want[score.Bin(100)]++
	require.Equal(t, want, counted())
}
