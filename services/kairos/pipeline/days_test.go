package pipeline_test

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

// days are stories with a clock, told in virtual time on a Monday, which 2000-01-03 is.
var days = []story{
	{"a quiet night", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), event.User{UserID: s.User, QuietHours: &event.Window{Start: 22 * 60, End: 7*60 + 30}})
		s.At("23:10")
		s.Say(s.Message("m", until(s, "2000-01-04 12:00")), s.Message("alarm", until(s, "2000-01-04 12:00"), func(m *event.Message) {
			m.Priority = event.Critical
		}))
		s.Between("2000-01-03 23:10", "2000-01-03 23:10", "alarm", event.OutcomeSent)
		s.Between("2000-01-04 07:30", "2000-01-04 07:30", "m", event.OutcomeSent)
		s.Expect("m", "accepted", "held quiet_hours", "released now", "sent")
	}},
	{"a window to the minute", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Message("m", until(s, "2000-01-04 12:00"), func(m *event.Message) {
			m.DeliveryWindow = &event.Window{Start: 18 * 60, End: 20 * 60}
		}))
		s.Between("18:00", "18:00", "m", event.OutcomeSent)
	}},
	{"two minutes after the unlock", func(s *pipeline.Story) {
		for _, at := range []string{"10:30", "11:40", "13:10", "14:20", "15:30"} {
			s.At(at)
			if at == "10:30" {
				s.Say(s.Phone("phone"))
			}
			s.Say(s.Shows("phone", event.SignalUnlocked, s.Now()))
			time.Sleep(5 * time.Minute)
			s.Say(s.Shows("phone", event.SignalLocked, s.Now()))
		}
		s.At("16:00")
		s.Say(s.Message("m", best, until(s, "22:00")))
		s.At("16:40")
		s.Say(s.Shows("phone", event.SignalUnlocked, s.Now()))
		s.Between("16:41", "16:44", "m", event.OutcomeSent)
		s.Expect("m", "accepted", "held moment", "released moment", "sent")
	}},
	{"nobody looks, and the deadline is kept", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Shows("phone", event.SignalLocked, s.Now()), s.Message("m", best, until(s, "19:00")))
		s.Between("11:00", "19:00", "m", event.OutcomeSent)
	}},
	{"nine o'clock where the person is", func(s *pipeline.Story) {
		away := s.Phone("phone")
		away.TimeZone = "America/New_York"
		s.Say(away, s.Message("m", until(s, "2000-01-05 12:00"), func(m *event.Message) {
			m.Timing, m.SendAtZone = event.TimingAt, event.ZoneUser
			m.SendAt = time.Date(2000, 1, 4, 9, 0, 0, 0, time.UTC)
		}))
		s.Between("2000-01-04 15:00", "2000-01-04 15:00", "m", event.OutcomeSent)
	}},
	{"a traveller lands before it", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m", until(s, "2000-01-05 12:00"), func(m *event.Message) {
			m.Timing, m.SendAtZone = event.TimingAt, event.ZoneUser
			m.SendAt = time.Date(2000, 1, 4, 9, 0, 0, 0, time.UTC)
		}))
		s.At("20:00")
		zone := s.Shows("phone", event.SignalTimeZoneChanged, s.Now())
		zone.Value = event.Scalar{Text: "America/New_York"}
		s.Say(zone)
		s.Between("2000-01-04 15:00", "2000-01-04 15:00", "m", event.OutcomeSent)
	}},
	{"nobody answers", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Message("m"))
		ignored := s.Between("2000-01-04 11:00", "2000-01-04 11:00", "m", event.OutcomeIgnored)
		require.NotEmpty(s, ignored.Features)
		s.Say(s.Message("m")) // and its id is remembered
		s.Say(s.Message("next", later(s)))
		s.Await("next", event.OutcomeHeld)
		s.Expect("m", "accepted", "released now", "sent", "ignored attribution_window")
	}},
	{"a minute between two", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Message("a"), s.Message("b"), s.Message("c"))
		s.Between("11:00", "11:00", "a", event.OutcomeSent)
		s.Between("11:01", "11:01:01", "b", event.OutcomeSent)
		s.Between("11:02", "11:02:02", "c", event.OutcomeSent)
	}},
}

// outages are stories of their own world: a provider that is down is down for all.
var outages = []story{
	{"a provider that is down for hours", func(s *pipeline.Story) {
		s.Gateways.Add(sandbox.Rule{Gateway: sandbox.APNs, Status: 503, Reason: "ServiceUnavailable"})
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Message("m"))
		s.At("14:00")
		s.Gateways.Reset()
		s.Between("14:00", "17:00", "m", event.OutcomeSent)
		require.Greater(s, s.Await("m", event.OutcomeSent).Attempt, 3)
	}},
}

func until(s *pipeline.Story, local string) func(*event.Message) {
	return func(m *event.Message) { m.Deadline = s.Time(local) }
}
