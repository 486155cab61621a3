package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/state"
	"github.com/kairos-push/kairos/pkg/topic"
)

func (s *system) fact(t *testing.T, after time.Duration, f event.Fact) {
	t.Helper()
	if f.AppID == "" {
		f.AppID = "demo"
	}
	f.ReceivedAt = t0.Add(after)
	s.publish(t, topic.Facts, f.Key(), f)
}

// journal writes what enrich knows of a person; nil if nothing any more.
func (s *system) journal(t *testing.T, user string, p *profile.Profile) {
	t.Helper()
	var value []byte
	if p != nil {
		packed, err := profile.Encode(p)
		require.NoError(t, err)
		value, err = (&state.Blob{Life: 1, Seq: 1, State: packed}).Encode()
		require.NoError(t, err)
	}
	s.publish(t, topic.Profiles, "demo|"+user, value)
}

func phone(user, id, address string) event.Device {
	return event.Device{
		DeviceID: id, UserID: user, Platform: event.PlatformAndroid, Channel: event.ChannelFCM, AddressType: event.AddressToken, Address: address,
		TimeZone: "Europe/Berlin", Permission: event.PermissionGranted, UpdatedAt: t0.Add(-time.Hour),
	}
}

func known(devices ...event.Device) (out []profile.Device) {
	for _, d := range devices {
		out = append(out, profile.Device{
			DeviceID: d.DeviceID, Platform: d.Platform, Channel: d.Channel, AddressType: d.AddressType, Address: d.Address, TimeZone: d.TimeZone,
			Permission: d.Permission, UpdatedAt: d.UpdatedAt,
		})
	}
	return out
}

// What came in goes out in the order of time, by whatever partition and door it came, and replays without a refusal.
func TestExport(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.Contains(t, s.run(t, 1, "export"), "nothing of app demo")
	ada, bo := phone("ada", "d1", "secret-ada"), phone("bo", "d2", "secret-bo")
	message := func(user, id string) *event.Message {
		return &event.Message{
			MessageID: id, UserID: user, Title: "secret", Body: "secret", Data: event.Object(`{"a":"secret"}`), Timing: event.TimingNow,
			Priority: event.Transactional, Precondition: "attributes.cart == 'open' || true", CollapseKey: "c",
		}
	}
	minute := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	s.fact(t, minute(0), event.Fact{UserID: "ada", Kind: event.KindDevice, Device: &ada})
	s.fact(t, minute(1), event.Fact{UserID: "cy", Kind: event.KindEvent, Event: &event.Event{
		EventID: "e1", UserID: "cy", Name: "purchase", OccurredAt: t0, Properties: event.Object(`{"what":"secret"}`),
	}})
	s.fact(t, minute(3), event.Fact{UserID: "ada", Kind: event.KindMessage, Message: message("ada", "m1")})
	s.fact(t, minute(2), event.Fact{UserID: "ada", Kind: event.KindSignal, Signal: &event.Signal{ // another clock
		SignalID: "s1", UserID: "ada", DeviceID: "d1", Kind: "battery_level", Value: event.Scalar{Text: "17", Number: true}, ObservedAt: t0,
	}})
	s.fact(t, minute(4), event.Fact{UserID: "bo", Kind: event.KindMessage, Message: message("bo", "m2")})
	s.fact(t, minute(5), event.Fact{UserID: "ada", Kind: event.KindReceipt, Receipt: &event.Receipt{
		ReceiptID: "r1", MessageID: "m1", UserID: "ada", DeviceID: "d1", Kind: event.ReceiptOpened, OccurredAt: t0.Add(minute(4)), Token: "secret",
	}})
	s.fact(t, minute(5), event.Fact{UserID: "ada", Kind: event.KindResult, Result: &event.Result{MessageID: "m1", Status: event.ResultSent, At: t0.Add(minute(3))}})
	s.fact(t, minute(6), event.Fact{UserID: "bo", Kind: event.KindCancel, Cancel: &event.Cancel{Type: "cancel", UserID: "bo", MessageID: "m9"}})
	s.fact(t, minute(7), event.Fact{UserID: "bo", Kind: event.KindUser, User: &event.User{UserID: "bo", Attributes: event.Object(`{"plan":"pro"}`)}})
	s.fact(t, minute(8), event.Fact{UserID: "dia", Kind: event.KindMessage, Message: message("dia", "m-dia-1")})
	s.fact(t, minute(9), event.Fact{UserID: "dia", Kind: event.KindUser, User: &event.User{UserID: "dia", Erase: true}})
	s.fact(t, minute(10), event.Fact{UserID: "dia", Kind: event.KindMessage, Message: message("dia", "m-dia-2")})
	s.fact(t, minute(2), event.Fact{AppID: "shop", UserID: "ada", Kind: event.KindMessage, Message: message("ada", "m-shop")})

	yes := true
	bad := phone("bo", "d3", "")
	s.journal(t, "bo", &profile.Profile{Cohort: "stale"})
	s.journal(t, "bo", &profile.Profile{
		TimeZone: "Asia/Tokyo", ZoneSet: true, QuietHours: &event.Window{Start: 22 * 60, End: 7 * 60}, OptedOut: []string{"ads"},
		Consent: event.Consent{UserData: &yes}, Attributes: event.Object(`{"cart":"open","plan":"pro"}`), Devices: known(bo, bad),
	})
	s.journal(t, "ada", &profile.Profile{TimeZone: "Europe/Berlin", Devices: known(ada)})
	s.journal(t, "dia", &profile.Profile{Cohort: "dia", Devices: known(phone("dia", "d4", "secret-dia"))})
	s.journal(t, "zoe", &profile.Profile{Cohort: "zoe"})
	s.journal(t, "zoe", nil)

	said := s.run(t, 0, "export")
	require.NotContains(t, said, "secret")
	require.NotContains(t, said, "shop")
	require.NotContains(t, said, "m-dia-1")
	require.NotContains(t, said, "stale")
	require.NotContains(t, said, "zoe")
	lines := strings.Split(strings.TrimSpace(said), "\n")
	report := lines[len(lines)-1]
	lines = lines[:len(lines)-1]
	require.Equal(t, "9 records since 2026-05-04T09:00:00Z, after 3 of what was known then; people who were erased: 1", report)
	want := []string{
		`{"topic":"users","at":"2026-05-04T09:00:00Z","user_id":"bo","time_zone":"Asia/Tokyo","quiet_hours":{"start":"22:00","end":"07:00"},` +
			`"opted_out_categories":["ads"],"consent":{"user_data":true},"attributes":{"cart":"open"}}`,
		`"device_id":"d2"`, `"device_id":"d3"`,
		`{"topic":"devices","at":"2026-05-04T09:00:00Z"`, `"e1"`, `"m1"`,
		`{"topic":"signals","at":"2026-05-04T09:03:00Z"`, // never back in the time of its own log
		`"m2"`, `"r1"`, `"m9"`, `{"plan":"pro"}`, `"m-dia-2"`, `{"topic":"clock"`,
	}
	require.Len(t, lines, len(want))
	for i, l := range lines {
		require.Contains(t, l, want[i])
	}
	require.Contains(t, lines[2], `"permission":"denied"`, "whose address a provider called dead")

	name := filepath.Join(t.TempDir(), "log.jsonl")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600))
	played := kairos(t, 0, "replay", "--in", name, "--app", "other")
	require.Contains(t, played, "13 lines, 0 refused; 3 messages accepted = 3 ended + 0 held")
	require.Contains(t, played, `"app_id":"other"`)

	require.Contains(t, s.run(t, 1, "export", "--since=1ms"), "nothing of app demo")
	require.Contains(t, s.run(t, 1, "export", "--since=-1h"), "--since")
	require.Contains(t, s.run(t, 0, "export", "--app", "shop"), "m-shop")
}
