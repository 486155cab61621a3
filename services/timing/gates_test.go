package timing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
)

func quiet(start, end string) func(*story) {
	return person(func(p *profile.Profile) { p.QuietHours = window(start, end) })
}

func TestQuietHoursOverMidnight(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 20:00", quiet("22:00", "07:30"))
	s.at("23:00", message("m", now)).quiet()
	s.gates("m", "quiet_hours")
	s.at("23:05", message("urgent", now, priority(event.Critical)))
	s.at("23:06", message("loud", now, with(func(m *event.Message) { m.QuietHours = event.QuietBypass })))
	s.until("2026-05-12 08:00").expect(
		"23:05:00 released urgent now", "23:06:00 released loud now", "07:30:00 released m now")
	require.Zero(t, s.releases[2].ReleasedAt.Sub(s.releases[2].PlannedAt))
}

func TestQuietHoursOfTheAppUnlessThePersonHasTheirOwn(t *testing.T) {
	t.Parallel()
	s := tell(t, `quiet_hours: {start: "21:00", end: "09:00"}`)
	s.at("2026-05-11 22:00", message("m", now))
	s.until("2026-05-12 10:00").expect("09:00:00 released m now")
	s.at("22:00", quiet("23:00", "08:00"), message("n", now)).expect("22:00:00 released n now")
}

func TestTheNightInWhichTheClockJumps(t *testing.T) {
	t.Parallel()
	// Berlin: 2026-03-29 02:00 → 03:00, and 2026-10-25 03:00 → 02:00.
	s := tell(t, "")
	s.at("2026-03-28 20:00", quiet("22:00", "02:30"))
	s.at("23:00", message("spring", now))
	s.until("2026-03-29 12:00").expect("03:00:00 released spring now") // 02:30 is jumped over
	require.Equal(t, s.time("2026-03-29 03:00").Sub(s.time("2026-03-28 23:00")), s.releases[0].ReleasedAt.Sub(s.releases[0].AcceptedAt))

	s.at("2026-10-24 23:00", message("autumn", now))
	s.until("2026-10-25 12:00")
	require.Equal(t, 3*time.Hour+30*time.Minute, s.releases[1].ReleasedAt.Sub(s.releases[1].AcceptedAt)) // the first 02:30
	s.expect("02:30:00 released autumn now")
	// Between the first 03:00 and the second 02:30 the clock shows quiet hours once more.
	s2 := tell(t, "")
	s2.at("2026-10-24 20:00", quiet("22:00", "02:30"))
	s2.untilTime(time.Date(2026, 10, 25, 1, 10, 0, 0, time.UTC)) // 02:10 for the second time
	message("again", now)(s2)
	s2.quiet().until("2026-10-25 12:00").expect("02:30:00 released again now")
}

func TestDeliveryWindow(t *testing.T) {
	t.Parallel()
	morning := with(func(m *event.Message) { m.DeliveryWindow = window("09:00", "11:00") })
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("m", now, morning), message("drop", now, morning, deadline("2026-05-11 18:00"),
		with(func(m *event.Message) { m.AtDeadline = event.AtDeadlineDrop })), message("send", now, morning, deadline("2026-05-11 18:00")))
	s.until("2026-05-12 11:00").expect(
		"18:00:00 expired drop delivery_window", "18:00:00 expired send delivery_window", "09:00:00 released m now")
}

func TestGoesBeforeTheLastGateBeforeItsDeadlineCloses(t *testing.T) {
	t.Parallel()
	s := tell(t, "").weeks("2026-05-11 21:00")
	s.at("2026-05-11 21:00", quiet("22:00", "08:00"), signal("locked"))
	s.at("21:30", message("m", deadline("2026-05-12 07:00")))
	s.until("2026-05-12 08:00").expect("21:59:30 released m before_gate_closes")
}

func TestNotBeforeAndAt(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	at := func(zone, text string) func(*story, *event.Message) {
		return with(func(m *event.Message) {
			m.Timing, m.SendAtZone = event.TimingAt, zone
			m.SendAt, _ = time.Parse(time.RFC3339, text)
		})
	}
	s.at("2026-05-11 12:00",
		message("later", now, func(s *story, m *event.Message) { m.NotBefore = s.time("15:00") }),
		message("utc", at("utc", "2026-05-11T16:00:00Z")),
		message("local", at("user", "2026-05-11T17:00:00Z")))
	s.until("20:00").expect("15:00:00 released later now", "17:00:00 released local at", "18:00:00 released utc at")
}

func TestTravelReplansWhatIsLocal(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00", message("local", with(func(m *event.Message) {
		m.Timing, m.SendAtZone = event.TimingAt, event.ZoneUser
		m.SendAt = time.Date(2026, 5, 11, 18, 0, 0, 0, time.UTC)
	})))
	s.at("13:00", person(func(p *profile.Profile) { p.TimeZone = "America/New_York" })) // 18:00 there is midnight here
	s.until("2026-05-12 01:00").expect("00:00:00 released local at")
	require.Equal(t, "2026-05-11T18:00:00", s.rows[len(s.rows)-1].LocalTime)
	require.Equal(t, "America/New_York", s.rows[len(s.rows)-1].TimeZone)
}

func TestMinimumGap(t *testing.T) {
	t.Parallel()
	s := tell(t, "minimum_gap: 10m")
	s.at("2026-05-11 12:00", message("a", now), message("b", now), message("c", now, priority(event.Transactional)), message("d", now, priority(event.Critical)))
	s.until("13:00").expect("12:00:00 released a now", "12:00:00 released d now", "12:10:00 released c now", "12:20:00 released b now")
}

func TestCappedMessagesComeBack(t *testing.T) {
	t.Parallel()
	s := tell(t, "caps: [{max: 2, per: 24h}]")
	s.at("2026-05-11 22:50", message("a", now))
	s.at("23:00", message("b", now))
	s.at("23:10", message("c", now, deadline("2026-05-13 12:00")))
	s.gates("c", "cap")
	s.at("23:20", message("receipt", now, priority(event.Transactional)))
	// Midnight changes nothing: the window rolls.
	s.until("2026-05-13 12:00").expect("22:50:00 released a now", "23:00:00 released b now", "23:20:00 released receipt now",
		"22:50:00 released c now")
}

func TestCategoryCapAndRefund(t *testing.T) {
	t.Parallel()
	s := tell(t, "categories: {news: {caps: [{max: 1, per: 6h}]}}")
	s.answer = event.ResultFailed
	s.at("2026-05-11 12:00", message("a", now, category("news")))
	s.answer = event.ResultSent
	s.at("12:10", message("b", now, category("news")), message("c", now, category("news")))
	s.at("12:20", message("other", now, category("sports")))
	s.until("20:00").expect("12:00:00 released a now", "12:10:00 released b now", "12:20:00 released other now", "18:10:00 released c now")
}

func TestTheBetterMessageGetsTheLastSlot(t *testing.T) {
	t.Parallel()
	worth := func(v float64) func(*story, *event.Message) { return with(func(m *event.Message) { m.Value = &v }) }
	s := tell(t, "caps: [{max: 1, per: 12h}]").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("small", worth(1)), message("big", worth(5)))
	s.at("12:40", signal("unlocked"))
	s.until("13:00").expect("12:42:00 released big moment")
	s.until("2026-05-12 12:00")
	require.Len(t, s.releases, 2)
	require.Equal(t, "small", s.releases[1].Message.MessageID)
	require.GreaterOrEqual(t, s.releases[1].ReleasedAt.Sub(s.releases[0].ReleasedAt), 12*time.Hour)
}

// What may not go before the cap opens again does not want the slot that is left.
func TestWhatMayNotGoYetWantsNoSlot(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*story, *event.Message){
		"at":           func(s *story, m *event.Message) { m.Timing, m.SendAt = event.TimingAt, s.time("2026-05-13 12:00") },
		"not_before":   func(s *story, m *event.Message) { m.NotBefore = s.time("2026-05-13 10:00") },
		"precondition": func(_ *story, m *event.Message) { m.Precondition = `attributes.city == "Rome"` },
	} {
		s := tell(t, "caps: [{max: 1, per: 12h}]").weeks("2026-05-11 12:00")
		s.profile.Attributes = event.Object(`{"city":"Berlin"}`)
		s.at("2026-05-11 12:00", signal("locked"),
			message("later", deadline("2026-05-13 13:00"), change),
			message("sale", deadline("2026-05-12 11:00"), with(func(m *event.Message) { m.AtDeadline = event.AtDeadlineDrop })))
		s.at("12:40", signal("unlocked"))
		s.until("13:00")
		require.Equal(t, []string{"12:42:00 released sale moment"}, s.told, name)
	}
}

// A message that its category bars does not keep another from the person's last slot.
func TestACategorysCapComesFirst(t *testing.T) {
	t.Parallel()
	worth := func(v float64) func(*story, *event.Message) { return with(func(m *event.Message) { m.Value = &v }) }
	s := tell(t, "caps: [{max: 2, per: 12h}]\ncategories: {news: {caps: [{max: 1, per: 12h}]}}").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"), message("a", category("news"), worth(9)), message("b", category("news"), worth(8)),
		message("c", category("sports"), worth(1)))
	s.gates("b", "quota")
	require.Empty(t, s.last("a").Gates)
	require.Empty(t, s.last("c").Gates)
}

// The bigger message loses little if it goes when the cap has opened again; the smaller one would be lost.
func TestTheLastSlotGoesToWhatCannotWait(t *testing.T) {
	t.Parallel()
	worth := func(v float64) func(*story, *event.Message) { return with(func(m *event.Message) { m.Value = &v }) }
	s := tell(t, "caps: [{max: 1, per: 12h}]").weeks("2026-05-11 12:00")
	s.at("2026-05-11 12:00", signal("locked"),
		message("sale", worth(1), deadline("20:00"), with(func(m *event.Message) { m.AtDeadline = event.AtDeadlineDrop })),
		message("news", worth(1.2), deadline("2026-05-13 12:00"))).gates("news", "quota")
	s.at("12:40", signal("unlocked"))
	s.until("13:00").expect("12:42:00 released sale moment")
	s.until("2026-05-13 12:00")
	require.Len(t, s.releases, 2)
	require.GreaterOrEqual(t, s.releases[1].ReleasedAt.Sub(s.releases[0].ReleasedAt), 12*time.Hour)
}

func TestOptOuts(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	out := person(func(p *profile.Profile) { p.OptedOut = []string{"news"} })
	s.at("2026-05-11 03:00", message("held", category("news"), func(s *story, m *event.Message) { m.NotBefore = s.time("12:00") }))
	s.at("04:00", out).expect("04:00:00 suppressed held opted_out")
	s.at("05:00", message("late", now, category("news")), message("ok", now, category("orders")))
	s.expect("05:00:00 suppressed late opted_out", "05:00:00 released ok now")
}

func TestHoldsUntilADeviceAppears(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.profile.Devices = nil
	s.at("2026-05-11 12:00", message("m", now), message("gone", now, deadline("13:00"))).quiet()
	s.gates("m", "no_device")
	s.at("14:00", person(func(p *profile.Profile) {
		d := phone("new")
		d.Permission = "denied"
		p.Devices = []profile.Device{d}
	})).gates("m", "permission")
	s.at("15:00", person(func(p *profile.Profile) { p.Devices[0].Permission = "granted" }))
	s.expect("13:00:00 expired gone no_device", "15:00:00 released m now")
	require.Equal(t, "new", s.releases[0].Targets[0].DeviceID)
}

func TestDoNotDisturb(t *testing.T) {
	t.Parallel()
	s := tell(t, "dnd_for: 3h")
	s.at("2026-05-11 12:00", signal("dnd_on"), message("m", now)).gates("m", "dnd")
	s.at("13:00", signal("dnd_off")).expect("13:00:00 released m now")
	s.at("14:00", signal("dnd_on"), message("n", now))
	s.until("20:00").expect("17:00:00 released n now") // a silent phone does not freeze a person
}

func TestForegroundAsTheCategorySays(t *testing.T) {
	t.Parallel()
	s := tell(t, "categories: {chat: {foreground: hint}, news: {foreground: hold}, orders: {foreground: send}}")
	s.at("2026-05-11 12:00", signal("app_foreground"),
		message("news", now, category("news")), message("chat", now, category("chat")), message("orders", now, category("orders")))
	s.at("12:10", signal("app_background"))
	s.expect("12:00:00 released chat in_app_hint", "12:01:00 released orders now", "12:10:00 released news now")
	require.True(t, s.releases[0].InApp)
	require.False(t, s.releases[2].InApp)
}

func TestHoldsWhileThePersonIsOnAnotherDevice(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	tablet := phone("tablet")
	tablet.Address = ""
	s.profile.Devices = append(s.profile.Devices, tablet)
	s.at("2026-05-11 12:00", signal("tablet:unlocked"))
	s.at("12:01", message("m", now)).gates("m", "active_elsewhere")
	s.at("12:02", message("soon", now, deadline("12:03:30")))
	s.until("13:00").expect("12:03:00 released soon deadline", "12:05:00 released m now")
}

func TestActiveDeviceGetsIt(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.profile.Devices = append(s.profile.Devices, phone("tablet"))
	s.at("2026-05-11 12:00", signal("phone:unlocked"), signal("phone:locked"), signal("tablet:unlocked"))
	s.at("12:01", message("m", now))
	s.at("12:03", message("all", now, with(func(m *event.Message) { m.Devices = event.DevicesAll })))
	require.Len(t, s.releases, 2)
	require.Equal(t, "tablet", s.releases[0].Targets[0].DeviceID)
	require.Len(t, s.releases[1].Targets, 2)
}

func TestWithoutConsentTheDeviceDoesNotSpeak(t *testing.T) {
	t.Parallel()
	no := false
	s := tell(t, "").weeks("2026-05-11 12:00")
	s.profile.Consent.DeviceData = &no
	s.at("2026-05-11 12:00", signal("unlocked"), signal("dnd_on"))
	s.at("12:02", message("m", now)).expect("12:02:00 released m now")
	for name := range s.last("m").Features {
		require.NotContains(t, name, "in_use")
		require.NotContains(t, name, "dnd")
	}
}

// Two deadlines lie behind one beginning of the quiet hours: both messages still go before it, a minimum gap apart.
func TestMessagesThatTheQuietHoursWouldCatchGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := tell(t, "quiet_hours: {start: '13:00', end: '18:00'}\nminimum_gap: 5m\ncategories: {patient: {exploration: {thresholds: [9]}}}")
	s.at("2026-05-11 12:00", message("m", category("patient"), deadline("15:00")), message("n", category("patient"), deadline("18:00")))
	s.at("12:01", message("o", category("patient"), deadline("16:00")))
	s.until("18:30").expect("12:49:30 released m before_gate_closes", "12:54:30 released o before_gate_closes", "12:59:30 released n before_gate_closes")
}
