package timing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// story plays one person's log against the engine in virtual time, with a profile that a few lines here keep, and a
// dispatch that answers every release at once. Times are local to the person.
type story struct {
	*testing.T
	engine    *timing.Engine
	local     *fold.Local[*timing.Holds, *profile.Enriched]
	profile   profile.Profile
	now       time.Time
	loc       *time.Location
	ignored   bool   // tell of ignored messages too
	answer    string // what dispatch comes to; "" leaves a release unanswered
	rows      []event.Outcome
	decisions []event.Decision
	releases  []event.Release
	told      []string // what happened since the last expect
}

const user = "demo|ada"

// tell begins a story: a person in Berlin with one phone, who is on it in most waking hours.
func tell(t *testing.T, rules string) *story {
	t.Helper()
	p, err := policy.Parse([]byte("name: story\ndefaults: {exploration: {immediate: 0, uniform: 0, control: 0, thresholds: [1]}}\n" + rules))
	require.NoError(t, err)
	loc, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	e := timing.NewEngine(p)
	s := &story{T: t, engine: e, local: fold.NewLocal(timing.Stage(e)), loc: loc, answer: event.ResultSent}
	s.profile.TimeZone = "Europe/Berlin"
	s.profile.Devices = []profile.Device{phone("phone")}
	return s
}

func phone(id string) profile.Device {
	return profile.Device{DeviceID: id, Platform: "android", Channel: "fcm", AddressType: "token", Address: "address of " + id, Permission: "granted"}
}

// weeks gives the person a past: on the phone once in every hour from 8 to 23, for four weeks up to a day.
func (s *story) weeks(until string) *story {
	end := s.time(until)
	for at := end.AddDate(0, 0, -28); at.Before(end); at = at.Add(time.Hour) {
		if h := at.In(s.loc).Hour(); h >= 8 && h < 23 {
			s.profile.Presence.Count(at, s.loc)
			s.profile.Recency.SeenAt = at
			s.profile.Recency.Unlock(at)
		}
	}
	return s
}

func (s *story) time(local string) time.Time {
	s.Helper()
	if strings.Count(local, ":") == 1 {
		local += ":00"
	}
	if !strings.Contains(local, "-") {
		local = s.now.In(s.loc).Format("2006-01-02 ") + local
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", local, s.loc)
	require.NoError(s, err)
	return at.UTC()
}

// until lets the time pass; what becomes due happens at its own time.
func (s *story) until(local string) *story {
	s.Helper()
	return s.untilTime(s.time(local))
}

func (s *story) untilTime(end time.Time) *story {
	s.Helper()
	require.False(s, end.Before(s.now), "the story goes back in time")
	for range 10_000 {
		key, due, ok := s.local.NextDue()
		if !ok || due.After(end) {
			s.now = end
			return s
		}
		if due.After(s.now) {
			s.now = due
		}
		s.heed(s.local.WakeAt(key, s.now))
	}
	s.Fatal("wake-ups without end")
	return s
}

// at lets the time pass and then something happen.
func (s *story) at(local string, happens ...func(*story)) *story {
	s.Helper()
	s.until(local)
	for _, f := range happens {
		f(s)
	}
	return s
}

func (s *story) fact(f event.Fact) {
	f.AppID, f.UserID, f.ReceivedAt = "demo", "ada", s.now
	s.heed(s.local.Apply(user, &profile.Enriched{Fact: f, Profile: s.profile}, s.now))
}

func (s *story) heed(effects []fold.Effect) {
	var out []event.Release
	for _, e := range effects {
		require.NotEmpty(s, e.ID)
		switch v := e.Value.(type) {
		case event.Outcome:
			s.rows = append(s.rows, v)
			if v.Type == event.OutcomeIgnored && !s.ignored {
				continue
			}
			if v.Type != event.OutcomeAccepted && (v.Type != event.OutcomeHeld || v.Reason == "revised") {
				s.told = append(s.told, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.now.In(s.loc).Format("15:04:05"), v.Type, v.MessageID, v.Reason)))
			}
		case event.Decision:
			require.NotEmpty(s, v.Why)
			s.decisions = append(s.decisions, v)
		case event.Release:
			s.releases = append(s.releases, v)
			out = append(out, v)
		}
	}
	for _, r := range out {
		if s.answer != "" {
			s.fact(event.Fact{Kind: event.KindResult, Result: &event.Result{
				MessageID: r.Message.MessageID, Revision: r.Message.Revision, Status: s.answer, At: s.now, Final: true,
			}})
		}
	}
}

// expect says what happened since the last time: "15:04:05 type message reason".
func (s *story) expect(lines ...string) *story {
	s.Helper()
	require.Equal(s, lines, append([]string{}, s.told...))
	s.told = nil
	return s
}

// quiet says that nothing happened.
func (s *story) quiet() *story {
	s.Helper()
	require.Empty(s, s.told)
	return s
}

// gates of the last decision about a message.
func (s *story) gates(id string, want ...string) *story {
	s.Helper()
	require.Equal(s, want, s.last(id).Gates, s.last(id).Why)
	return s
}

func (s *story) last(id string) event.Decision {
	s.Helper()
	for _, d := range slices.Backward(s.decisions) {
		if d.MessageID == id {
			return d
		}
	}
	s.Fatalf("no decision about %s", id)
	return event.Decision{}
}

// What may happen.

func message(id string, with ...func(*story, *event.Message)) func(*story) {
	return func(s *story) {
		m := &event.Message{MessageID: id, UserID: "ada"}
		for _, f := range with {
			f(s, m)
		}
		require.NoError(s, m.Validate())
		s.fact(event.Fact{Kind: event.KindMessage, Message: m})
	}
}

func with(f func(*event.Message)) func(*story, *event.Message) {
	return func(_ *story, m *event.Message) { f(m) }
}

func deadline(local string) func(*story, *event.Message) {
	return func(s *story, m *event.Message) { m.Deadline = s.time(local) }
}

func category(c string) func(*story, *event.Message) {
	return with(func(m *event.Message) { m.Category = c })
}

func now(_ *story, m *event.Message) { m.Timing = event.TimingNow }

func priority(p string) func(*story, *event.Message) {
	return with(func(m *event.Message) { m.Priority = p })
}

func cancel(id string) func(*story) {
	return func(s *story) {
		s.fact(event.Fact{Kind: event.KindCancel, Cancel: &event.Cancel{Type: "cancel", UserID: "ada", MessageID: id}})
	}
}

func cancelKey(key string) func(*story) {
	return func(s *story) {
		s.fact(event.Fact{Kind: event.KindCancel, Cancel: &event.Cancel{Type: "cancel", UserID: "ada", CancelKey: key}})
	}
}

func happened(name string) func(*story) {
	return func(s *story) {
		s.profile.Recency.AppEventAt, s.profile.Recency.SeenAt = s.now, s.now
		s.fact(event.Fact{Kind: event.KindEvent, Event: &event.Event{EventID: name + s.now.String(), UserID: "ada", Name: name, OccurredAt: s.now}})
	}
}

// signal changes what a device shows; a name such as "tablet:unlocked" is about another one.
func signal(name string) func(*story) {
	return func(s *story) {
		id, kind, ok := strings.Cut(name, ":")
		if !ok {
			id, kind = "phone", name
		}
		s.profile.Devices = slices.Clone(s.profile.Devices)
		d := s.profile.Device(id)
		r := profile.Reading{Value: kind, At: s.now}
		switch kind {
		case event.SignalUnlocked:
			d.Live.Lock = r
			s.profile.Recency.Unlock(s.now)
			s.profile.Recency.SeenAt, d.LastSeenAt = s.now, s.now
			s.profile.Presence.Count(s.now, s.loc)
		case event.SignalLocked:
			d.Live.Lock, s.profile.Recency.LockAt = r, s.now
		case event.SignalAppForeground:
			d.Live.App = profile.Reading{Value: "foreground", At: s.now}
			d.LastSeenAt = s.now
		case event.SignalAppBackground:
			d.Live.App = profile.Reading{Value: "background", At: s.now}
		case event.SignalDNDOn:
			d.Live.DND = profile.Reading{Value: "on", At: s.now}
		case event.SignalDNDOff:
			d.Live.DND = profile.Reading{Value: "off", At: s.now}
		default:
			s.Fatalf("unknown signal %s", kind)
		}
		s.fact(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{SignalID: name + s.now.String(), UserID: "ada", DeviceID: id, Kind: kind, ObservedAt: s.now}})
	}
}

func receipt(kind, id string) func(*story) {
	return func(s *story) {
		s.fact(event.Fact{Kind: event.KindReceipt, Receipt: &event.Receipt{
			ReceiptID: kind + id, MessageID: id, UserID: "ada", DeviceID: "phone", Kind: kind, OccurredAt: s.now,
		}})
	}
}

// person changes the profile as a user or device record would.
func person(change func(*profile.Profile)) func(*story) {
	return func(s *story) {
		s.profile.Devices = slices.Clone(s.profile.Devices)
		change(&s.profile)
		s.fact(event.Fact{Kind: event.KindUser, User: &event.User{UserID: "ada"}})
	}
}

func clockTime(text string) event.LocalTime {
	var l event.LocalTime
	if err := l.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return l
}

func window(start, end string) *event.Window {
	return &event.Window{Start: clockTime(start), End: clockTime(end)}
}

func mustPolicy(t *testing.T, text string) policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	require.NoError(t, err)
	return p
}
