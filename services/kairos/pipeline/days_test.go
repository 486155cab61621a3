package pipeline_test

import (
	"fmt"
	"regexp"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
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
	{"erased without a trace", erased},
	{"a minute between two", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Phone("phone"), s.Message("a"), s.Message("b"), s.Message("c"))
		s.Between("11:00", "11:00", "a", event.OutcomeSent)
		s.Between("11:01", "11:01:01", "b", event.OutcomeSent)
		s.Between("11:02", "11:02:02", "c", event.OutcomeSent)
	}},
}

// erased lives an hour or two, then erases themselves with one message held and one in flight; what is on its way still
// comes in after it. Two hours later no compacted topic and no key or value in Redis knows of them.
func erased(s *pipeline.Story) {
	s.At("11:00")
	s.Say(s.Phone("phone"), s.Shows("phone", event.SignalUnlocked, s.Now()), s.Did("app_opened"), event.User{UserID: s.User, Cohort: "beta"})
	s.Say(s.Message("opened"), s.Message("held", until(s, "23:00"), func(m *event.Message) { m.NotBefore = s.Time("22:00") }))
	s.Await("opened", event.OutcomeSent)
	answer := event.Receipt{
		ReceiptID: s.User, MessageID: "opened", UserID: s.User, DeviceID: "phone", Kind: event.ReceiptOpened, OccurredAt: s.Now(),
		Token: event.SignReceipt([]byte(pipeline.App.ReceiptSecret), pipeline.App.AppID, s.User, "opened", "phone", s.In(24*time.Hour)),
	}
	s.Say(answer)
	s.Await("opened", event.OutcomeOpened)
	time.Sleep(2 * time.Hour) // checkpoints
	trace(s, require.NotZero)

	s.Say(s.Message("last"), event.User{UserID: s.User, Erase: true})
	s.Answered("last")
	answer.ReceiptID += "-late"
	s.Say(answer)
	time.Sleep(2 * time.Hour)
	s.Await("held", event.OutcomeCancelled)
	trace(s, require.Zero)
}

// trace wants, of every place that may keep something of the person, whether it does.
func trace(s *pipeline.Story, want func(require.TestingT, any, ...any)) {
	s.Helper()
	key := event.Key(pipeline.App.AppID, s.User)
	kafka := s.Servers.Stream(s.TB)
	for _, t := range []topic.Topic{topic.Profiles, topic.Holds} {
		n, err := kafka.Partitions(s.Context(), t)
		require.NoError(s, err)
		size, records := 0, 0
		err = kafka.Read(s.Context(), t, state.Partition(key, n), -1, -1, func(recs []stream.Record) error {
			for i := range recs {
				if string(recs[i].Key) == key {
					size, records = len(recs[i].Value), records+1
				}
			}
			return nil
		})
		require.NoError(s, err)
		require.NotZero(s, records, "%s has a record or a tombstone", t.Name)
		want(s, size, "the newest record in %s", t.Name)
	}
	db, ctx := s.Servers.Store(s.TB), s.Context()
	keys, err := db.Keys(ctx, "*").Result()
	require.NoError(s, err)
	found := 0
	for _, k := range keys {
		var held any
		switch kind := db.Type(ctx, k).Val(); kind {
		case "none": // gone meanwhile
		case "string":
			held = db.Get(ctx, k).Val()
		case "hash":
			held = db.HGetAll(ctx, k).Val()
		case "set":
			held = db.SMembers(ctx, k).Val()
		case "zset":
			held = db.ZRange(ctx, k, 0, -1).Val()
		case "list":
			held = db.LRange(ctx, k, 0, -1).Val()
		default:
			require.Fail(s, "a kind of key that is not looked into", "%s: %s", k, kind)
		}
		if regexp.MustCompile(regexp.QuoteMeta(s.User) + `(\D|$)`).MatchString(k + " " + fmt.Sprint(held)) {
			found++
		}
	}
	want(s, found, "keys of Redis with the person in them")
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
	{"a provider that is down until after bedtime", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Android("phone"), event.User{UserID: s.User, QuietHours: &event.Window{Start: 12 * 60, End: 17 * 60}})
		s.Gateways.Add(sandbox.Rule{Gateway: sandbox.FCM, Status: 503, Reason: "UNAVAILABLE"})
		s.At("11:50")
		s.Say(s.Message("m"), s.Message("alarm", func(m *event.Message) { m.Priority = event.Critical }),
			s.Message("short", until(s, "16:00"), func(m *event.Message) { m.Priority = event.Transactional }))
		s.At("14:00")
		s.Gateways.Reset()
		s.Between("14:00", "14:06", "alarm", event.OutcomeSent)
		s.Between("17:00", "17:00", "m", event.OutcomeSent)
		s.Between("16:00", "16:00", "short", event.OutcomeExpired)
	}},
	{"erased while the provider is down, and dispatch starts anew", func(s *pipeline.Story) {
		s.At("11:00")
		s.Say(s.Browser("phone"))
		s.Gateways.Add(sandbox.Rule{Gateway: sandbox.WebPush, Status: 503, Reason: "away", RetryAfter: 2 * time.Hour})
		s.Say(s.Message("m"))
		s.At("11:30")
		s.Restart("dispatch")
		s.Say(event.User{UserID: s.User, Erase: true})
		s.Between("11:30", "11:31", "m", event.OutcomeCancelled)
		s.Expect("m", "accepted", "released now", "cancelled erased")
		time.Sleep(2 * time.Hour)
		trace(s, require.Zero)
	}},
}

func until(s *pipeline.Story, local string) func(*event.Message) {
	return func(m *event.Message) { m.Deadline = s.Time(local) }
}
