package enrich

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

// What a phone shows changes when it shows something else, not when it says the same again or for the first time, and a
// late record changes nothing.
func TestWhenAStateChanged(t *testing.T) {
	t.Parallel()
	text := func(s string) event.Scalar { return event.Scalar{Text: s} }
	for _, c := range []struct {
		name     string
		from, to *event.Signal
		read     func(*profile.Live) profile.Reading
	}{
		{"charging", &event.Signal{Kind: event.SignalChargingStopped}, &event.Signal{Kind: event.SignalChargingStarted}, func(l *profile.Live) profile.Reading { return l.Charging }},
		{"headphones", &event.Signal{Kind: event.SignalHeadphonesConnected}, &event.Signal{Kind: event.SignalHeadphonesDisconnected}, func(l *profile.Live) profile.Reading { return l.Headphones }},
		{"motion", &event.Signal{Kind: event.SignalMotion, Value: text("still")}, &event.Signal{Kind: event.SignalMotion, Value: text("walking")}, func(l *profile.Live) profile.Reading { return l.Motion }},
		{"network", &event.Signal{Kind: event.SignalNetwork, Value: text("wifi")}, &event.Signal{Kind: event.SignalNetwork, Value: text("none")}, func(l *profile.Live) profile.Reading { return l.Network }},
		{"ringer", &event.Signal{Kind: event.SignalRinger, Value: text("normal")}, &event.Signal{Kind: event.SignalRinger, Value: text("silent")}, func(l *profile.Live) profile.Reading { return l.Ringer }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &profile.Profile{}
			changed := func(s *event.Signal, minutes int) time.Time {
				at := after(time.Duration(minutes) * time.Minute)
				p, _ = feed(p, signal(s.Kind, at, s.Value))
				return c.read(&p.Devices[0].Live).ChangedAt
			}
			require.Zero(t, changed(c.from, 1), "the first is no change")
			require.Zero(t, changed(c.from, 2), "nor is the same again")
			require.Equal(t, after(3*time.Minute), changed(c.to, 3))
			require.Equal(t, after(3*time.Minute), changed(c.to, 4), "the same again keeps the time of the change")
			require.Equal(t, after(3*time.Minute), changed(c.from, 2), "a late record changes nothing")
			require.Equal(t, after(6*time.Minute), changed(c.from, 6))
		})
	}
}
