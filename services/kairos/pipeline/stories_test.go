package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
	"github.com/kairos-push/kairos/services/dispatch/sandbox"
	"github.com/kairos-push/kairos/services/kairos/pipeline"
)

type story struct {
	name string
	tell func(*pipeline.Story)
}

// stories are told on every backend. None needs a moment that is further away than a few seconds.
var stories = []story{
	{"now", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m"))
		s.Expect("m", "accepted", "released now", "sent").Stands("m", event.OutcomeSent)
		require.Len(s, s.Pushes("m"), 1)
		require.Equal(s, s.Address("phone"), s.Pushes("m")[0].Address)
	}},
	{"now, on every kind of device", func(s *pipeline.Story) {
		s.Say(s.Phone("iphone"), s.Android("android"), s.Browser("browser"))
		s.Say(s.Message("m", func(m *event.Message) { m.Devices = event.DevicesAll }))
		s.Expect("m", "accepted", "released now", "sent", "sent", "sent")
		gateways := map[string]bool{}
		for _, p := range s.Pushes("m") {
			gateways[p.Gateway] = true
		}
		require.Equal(s, map[string]bool{sandbox.APNs: true, sandbox.FCM: true, sandbox.WebPush: true}, gateways)
	}},
	{"at", func(s *pipeline.Story) {
		at := s.In(8 * time.Second).Truncate(time.Millisecond)
		s.Say(s.Phone("phone"), s.Message("m", func(m *event.Message) { m.Timing, m.SendAt = event.TimingAt, at }))
		s.Expect("m", "accepted", "held not_before", "released at", "sent")
		released := s.Await("m", event.OutcomeReleased)
		require.False(s, released.OccurredAt.Before(at), "released at %s, asked for %s", released.OccurredAt, at)
		require.Less(s, released.OccurredAt.Sub(at), punctual)
		require.GreaterOrEqual(s, released.HoldMS, int64(1000))
	}},
	{"best moment, which is now", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Shows("phone", event.SignalUnlocked, s.In(-150*time.Second)))
		s.Say(s.Message("m", best))
		s.Expect("m", "accepted", "released moment", "sent")
		d := s.Decided("m", action(event.ActionRelease))
		require.GreaterOrEqual(s, d.Score, d.ValueOfWaiting)
		require.Contains(s, d.Why, "the phone is in use")
	}},
	{"best moment, which comes with an unlock", func(s *pipeline.Story) {
		s.Say(inTheMorning(s), s.Shows("phone", event.SignalLocked, s.In(-10*time.Minute)))
		s.Say(s.Message("m", best, deadline(s, 12*time.Hour)))
		s.Expect("m", "accepted", "held moment")
		s.Say(s.Shows("phone", event.SignalUnlocked, s.In(-150*time.Second)))
		s.Expect("m", "accepted", "held moment", "released moment", "sent")
		require.Equal(s, "arrival", s.Decided("m", action(event.ActionHold)).Trigger)
		require.Equal(s, "signal", s.Decided("m", action(event.ActionRelease)).Trigger)
	}},
	{"cancel while it is held", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m", later(s)))
		s.Expect("m", "accepted", "held not_before").Stands("m", event.OutcomeHeld)
		s.Say(s.Cancel("m"), s.Cancel("m"))
		s.Expect("m", "accepted", "held not_before", "cancelled cancel").Stands("m", event.OutcomeCancelled)
		require.Empty(s, s.Pushes("m"))
	}},
	{"cancel before its message", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Cancel("m"), s.Message("m"))
		s.Expect("m", "accepted", "cancelled cancel")
		require.Empty(s, s.Pushes("m"))
	}},
	{"cancel by key", func(s *pipeline.Story) {
		cart := func(m *event.Message) { m.CancelKey = "cart" }
		s.Say(s.Phone("phone"), s.Message("a", later(s), cart), s.Message("b", later(s), cart), s.Message("c", later(s)))
		s.Say(event.Cancel{Type: "cancel", UserID: s.User, CancelKey: "cart"})
		s.Expect("a", "accepted", "held not_before", "cancelled cancel")
		s.Expect("b", "accepted", "held not_before", "cancelled cancel")
		s.Expect("c", "accepted", "held not_before")
	}},
	{"cancel after the release", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m"))
		s.Await("m", event.OutcomeSent)
		s.Say(s.Cancel("m"), s.Message("next", later(s)))
		s.Await("next", event.OutcomeHeld)
		s.Expect("m", "accepted", "released now", "sent")
	}},
	{"cancel while the provider is away", func(s *pipeline.Story) {
		s.Gateways.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: s.Address("phone"), Status: 503, Reason: "ServiceUnavailable", RetryAfter: 4 * time.Second})
		s.Say(s.Phone("phone"), s.Message("a"), s.Message("b", func(m *event.Message) { m.CancelOn, m.Priority = []string{"purchase"}, event.Critical }))
		s.Await("a", event.OutcomeReleased)
		s.Await("b", event.OutcomeReleased)
		s.Say(s.Cancel("a"), s.Did("purchase"))
		s.Expect("a", "accepted", "released now", "cancelled cancel").Stands("a", event.OutcomeCancelled)
		s.Expect("b", "accepted", "released now", "cancelled event:purchase")
	}},
	{"cancel on an event", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m", later(s), func(m *event.Message) { m.CancelOn = []string{"purchase"} }))
		s.Say(s.Did("screen_viewed"), s.Did("purchase"))
		s.Expect("m", "accepted", "held not_before", "cancelled event:purchase")
	}},
	{"revision", func(s *pipeline.Story) {
		text := func(n int, body string) func(*event.Message) {
			return func(m *event.Message) { m.Revision, m.Body = n, body }
		}
		s.Say(s.Phone("phone"), s.Message("m", later(s), text(1, "old")))
		s.Say(s.Message("m", text(3, "new")), s.Message("m", text(2, "stale")))
		s.Expect("m", "accepted", "held not_before", "held revised", "released now", "sent")
		require.Equal(s, 3, s.Await("m", event.OutcomeSent).Revision)
		require.Len(s, s.Pushes("m"), 1)
		require.Contains(s, string(s.Pushes("m")[0].Payload), `"new"`)
	}},
	{"revision of what is out", func(s *pipeline.Story) {
		text := func(n int, body string) event.Message {
			return s.Message("m", func(m *event.Message) { m.Revision, m.Body, m.Priority = n, body, event.Critical })
		}
		s.Say(s.Phone("phone"), text(0, "old"))
		s.Await("m", event.OutcomeSent)
		s.Answered("m").Say(text(1, "new"))
		rows := []string{"accepted", "released now", "sent", "held revised", "released now", "sent"}
		s.Expect("m", rows...)
		pushes := s.Pushes("m")
		require.Len(s, pushes, 2)
		require.Contains(s, string(pushes[1].Payload), `"new"`)
		require.Equal(s, pushes[0].Collapse, pushes[1].Collapse, "the phone shows one")
		require.NotEqual(s, pushes[0].ID, pushes[1].ID)
		s.Say(event.Receipt{
			ReceiptID: s.User, MessageID: "m", UserID: s.User, DeviceID: "phone", Kind: event.ReceiptOpened, OccurredAt: s.Now(), Token: pushes[1].Token,
		})
		s.Await("m", event.OutcomeOpened)
		s.Say(text(2, "too late"))
		s.Expect("m", append(rows, "opened", "rejected already_ended")...)
		require.Len(s, s.Pushes("m"), 2)
	}},
	{"several devices, one attention", func(s *pipeline.Story) {
		to := func(devices string) func(*event.Message) {
			return func(m *event.Message) { m.Devices, m.Priority = devices, event.Transactional }
		}
		s.Say(s.Phone("iphone"), s.Android("android"), s.Shows("android", event.SignalUnlocked, s.In(-time.Minute)),
			s.Shows("iphone", event.SignalUnlocked, s.In(-10*time.Second)), s.Shows("iphone", event.SignalLocked, s.In(-5*time.Second)))
		s.Say(s.Message("active", to("")))
		s.Expect("active", "accepted", "released now", "sent")
		require.Equal(s, "android", s.Await("active", event.OutcomeSent).DeviceID)
		require.Len(s, s.Pushes("active"), 1)
		s.Say(s.Message("last", to(event.DevicesLastUsed), func(m *event.Message) { m.Priority = event.Critical }))
		s.Expect("last", "accepted", "released now", "sent")
		require.Equal(s, "iphone", s.Await("last", event.OutcomeSent).DeviceID)
		s.Say(s.Message("all", to(event.DevicesAll), func(m *event.Message) { m.Priority = event.Critical }))
		s.Expect("all", "accepted", "released now", "sent", "sent")
		require.Len(s, s.Pushes("all"), 2)
		s.Say(s.Message("next"))
		s.Expect("next", "accepted", "held minimum_gap")
	}},
	{"collapse", func(s *pipeline.Story) {
		score := func(m *event.Message) { m.CollapseKey = "score" }
		s.Say(s.Phone("phone"), s.Message("1:0", later(s), score), s.Message("1:1", score))
		s.Expect("1:0", "accepted", "held not_before", "superseded 1:1")
		s.Expect("1:1", "accepted", "released now", "sent")
		require.Equal(s, "score", s.Pushes("1:1")[0].Collapse)
	}},
	{"quiet hours", func(s *pipeline.Story) {
		local := s.Now().In(s.Location())
		minute := event.LocalTime(60*local.Hour() + local.Minute())
		around := func(from, to int) *event.Window {
			day := event.LocalTime(24 * 60)
			return &event.Window{Start: (minute + event.LocalTime(from) + day) % day, End: (minute + event.LocalTime(to) + day) % day}
		}
		s.Say(s.Phone("phone"), event.User{UserID: s.User, QuietHours: around(-60, 60)})
		s.Say(s.Message("m"), s.Message("loud", func(m *event.Message) { m.QuietHours = event.QuietBypass }))
		s.Expect("loud", "accepted", "released now", "sent")
		s.Expect("m", "accepted", "held quiet_hours")
		s.Decided("m", gates("quiet_hours"))
		s.Say(s.Message("drop", deadline(s, 8*time.Second), drop))
		s.Expect("drop", "accepted", "held quiet_hours", "expired quiet_hours")
		// The person sleeps at other times; what is left to wait for is the gap to the one that was sent.
		s.Say(event.User{UserID: s.User, QuietHours: around(300, 360)})
		s.Say(s.Message("urgent", func(m *event.Message) { m.Priority = event.Critical }))
		s.Expect("urgent", "accepted", "released now", "sent")
		s.Decided("m", gates("minimum_gap"))
	}},
	{"deadline", func(s *pipeline.Story) {
		unmet := func(m *event.Message) { m.Precondition = "attributes.cart == 'open'" }
		s.Say(s.Phone("phone"), s.Message("past", func(m *event.Message) { m.Deadline = s.In(-time.Minute) }))
		s.Expect("past", "accepted", "expired deadline")
		s.Say(s.Message("send", unmet, deadline(s, 8*time.Second)), s.Message("drop", unmet, drop, deadline(s, 8*time.Second)))
		s.Expect("drop", "accepted", "held precondition_unknown", "expired precondition_unknown")
		s.Await("send", event.OutcomeSent)
		require.Equal(s, "deadline", s.Await("send", event.OutcomeReleased).Reason)
	}},
	{"precondition", func(s *pipeline.Story) {
		open := func(m *event.Message) { m.Precondition = "attributes.cart == 'open'" }
		cart := func(state string) event.User {
			return event.User{UserID: s.User, Attributes: event.Object(`{"cart":"` + state + `"}`)}
		}
		s.Say(s.Phone("phone"), s.Message("m", open), cart("empty"))
		s.Expect("m", "accepted", "held precondition_unknown")
		s.Say(cart("open"))
		s.Expect("m", "accepted", "held precondition_unknown", "released now", "sent")
	}},
	{"duplicates", func(s *pipeline.Story) {
		m, opened := s.Message("m"), s.Did("app_opened")
		s.Say(s.Phone("phone"), opened, m, opened, m)
		s.Await("m", event.OutcomeSent)
		s.Say(m, s.Cancel("m"), m, s.Message("last", later(s)))
		s.Await("last", event.OutcomeHeld)
		s.Expect("m", "accepted", "released now", "sent")
		require.Len(s, s.Pushes("m"), 1)
	}},
	{"poison", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"))
		for _, value := range []string{
			"{not json", "\xff\xfe", `[]`, `{"message_id":"m"}`, `{"message_id":"odd","user_id":"` + s.User + `","colour":"red"}`,
			strings.Repeat("[", 10_000), `{"message_id":"big","user_id":"` + s.User + `","body":"` + strings.Repeat("x", 70_000) + `"}`,
		} {
			s.Write(topic.InMessages, []byte(value))
		}
		s.Say(s.Message("m"))
		s.Expect("m", "accepted", "released now", "sent")
		dead := s.Topics.Dead(s.User)
		require.Len(s, dead, 7)
		require.Equal(s, "{not json", string(dead[0].Value))
		require.Equal(s, topic.InMessages.Name, dead[0].Header(topic.DeadTopic))
		require.NotEmpty(s, dead[0].Header(topic.DeadPartition))
		require.NotEmpty(s, dead[0].Header(topic.DeadOffset))
		require.Equal(s, "ingest", dead[0].Header(topic.DeadStage))
		require.Contains(s, dead[4].Header(topic.DeadReason), "colour")
		s.Expect("odd", "rejected colour is not a known member")
	}},
	{"opted out, and no device", func(s *pipeline.Story) {
		s.Say(s.Message("nobody", deadline(s, 8*time.Second)))
		s.Expect("nobody", "accepted", "held no_device", "expired no_device")
		s.Say(s.Phone("phone"), event.User{UserID: s.User, OptedOutCategories: []string{"news"}})
		s.Say(s.Message("m", func(m *event.Message) { m.Category = "news" }))
		s.Expect("m", "accepted", "suppressed opted_out")
	}},
	{"a dead address", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"))
		s.Gateways.Unregister(sandbox.APNs, s.Address("phone"))
		s.Say(s.Message("m"))
		s.Expect("m", "accepted", "released now", "failed Unregistered", "provider_rejected Unregistered").Answered("m")
		s.Say(s.Message("next"))
		s.Expect("next", "accepted", "held no_device")
		renewed := s.Phone("phone")
		renewed.Address = s.Address("anew")
		s.Say(renewed)
		s.Expect("next", "accepted", "held no_device", "released now", "sent")
		require.Equal(s, renewed.Address, s.Pushes("next")[0].Address)
	}},
	{"receipts", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m"))
		s.Await("m", event.OutcomeSent)
		token := s.Pushes("m")[0].Token
		receipt := func(id, kind, token string) event.Receipt {
			return event.Receipt{ReceiptID: s.User + id, MessageID: "m", UserID: s.User, DeviceID: "phone", Kind: kind, OccurredAt: s.Now(), Token: token}
		}
		forged := event.SignReceipt([]byte("not the secret"), pipeline.App.AppID, s.User, "m", "phone", s.In(time.Hour))
		s.Say(receipt("f", event.ReceiptDismissed, forged))
		s.Say(receipt("d", event.ReceiptDelivered, token), receipt("d", event.ReceiptDelivered, token), receipt("o", event.ReceiptOpened, token))
		s.Expect("m", "accepted", "released now", "sent", "delivered", "opened").Stands("m", event.OutcomeOpened)
		opened, d := s.Await("m", event.OutcomeOpened), s.Decided("m", action(event.ActionRelease))
		require.NotEmpty(s, opened.Features)
		require.Equal(s, d.Features, opened.Features, "one row is one labelled example")
		require.Equal(s, d.DecisionID, opened.DecisionID)
	}},
	{"erase", func(s *pipeline.Story) {
		s.Say(s.Phone("phone"), s.Message("m", later(s)))
		s.Await("m", event.OutcomeHeld)
		s.Say(event.User{UserID: s.User, Erase: true})
		s.Expect("m", "accepted", "held not_before", "cancelled erased")
		s.Say(s.Message("next"))
		s.Expect("next", "accepted", "held no_device")
	}},
	{"a provider that is away for a moment", func(s *pipeline.Story) {
		s.Gateways.Add(sandbox.Rule{Gateway: sandbox.APNs, Address: s.Address("phone"), Status: 503, Reason: "ServiceUnavailable", Times: 1})
		s.Say(s.Phone("phone"), s.Message("m"))
		s.Expect("m", "accepted", "released now", "sent")
		require.Equal(s, 2, s.Await("m", event.OutcomeSent).Attempt)
	}},
}

// punctual is how late something may be on a busy machine; in virtual time it is never late at all.
const punctual = 10 * time.Second

func action(a string) func(*event.Decision) bool {
	return func(d *event.Decision) bool { return d.Action == a }
}

func gates(names ...string) func(*event.Decision) bool {
	return func(d *event.Decision) bool { return slices.Equal(d.Gates, names) }
}

func best(m *event.Message) { m.Timing = event.TimingBestMoment }
func drop(m *event.Message) { m.AtDeadline = event.AtDeadlineDrop }

// inTheMorning is a phone where it is ten o'clock at the moment: whether waiting is worth while depends on the hour.
func inTheMorning(s *pipeline.Story) event.Device {
	d := s.Phone("phone")
	east := 10 - s.Now().Hour()
	if east < -12 {
		east += 24
	}
	d.TimeZone = fmt.Sprintf("Etc/GMT%+d", -east)
	return d
}

func later(s *pipeline.Story) func(*event.Message) {
	return func(m *event.Message) { m.NotBefore = s.In(time.Hour) }
}

func deadline(s *pipeline.Story, d time.Duration) func(*event.Message) {
	return func(m *event.Message) { m.Deadline = s.In(d) }
}
