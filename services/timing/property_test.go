package timing_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing"
	"github.com/kairos-push/kairos/services/timing/policy"
)

// rules of the property test: all gates are in use.
const rules = `
minimum_gap: 2m
caps: [{max: 3, per: 6h}]
quiet_hours: {start: "22:00", end: "07:00"}
categories:
  news: {caps: [{max: 1, per: 2h}], deadline: 3h, foreground: hold}
  chat: {foreground: hint, half_life: 1h}
`

// life plays a random life of one person and keeps what an observer outside would: which messages were accepted, how
// each ended, and when it was released.
type life struct {
	*rapid.T
	engine   *timing.Engine
	holds    *timing.Holds
	profile  profile.Profile
	now      time.Time
	accepted map[string]event.Message
	ended    map[string]string
	released map[string]event.Release
	pending  []event.Release
	n        int
}

func TestALifeKeepsTheLedgerAndTheGates(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse([]byte(rules))
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		l := &life{
			T: t, engine: timing.NewEngine(p), holds: timing.NewHolds(user), now: time.Date(2026, 3, 28, 18, 0, 0, 0, time.UTC),
			accepted: map[string]event.Message{}, ended: map[string]string{}, released: map[string]event.Release{},
		}
		l.profile = profile.Profile{TimeZone: "Europe/Berlin", Devices: []profile.Device{phone("phone"), phone("tablet")}}
		t.Repeat(map[string]func(*rapid.T){
			"message": l.message, "cancel": l.cancel, "signal": l.signal, "answer": l.answer, "receipt": l.receipt,
			"sleep": l.sleep, "reload": l.reload, "person": l.person, "": l.ledger,
		})
		// In the end every message has ended.
		for end := l.now.Add(5 * 24 * time.Hour); l.now.Before(end); {
			l.wakeUntil(l.now.Add(time.Hour))
			for _, r := range l.pending {
				l.result(&r, event.ResultSent)
			}
			l.pending = nil
		}
		l.ledger(t)
		require.Empty(t, l.holds.Held)
		for id := range l.accepted {
			require.True(t, l.ended[id] != "" || l.released[id].ReleaseID != "", id)
		}
	})
}

func (l *life) step(f event.Fact) {
	f.AppID, f.UserID, f.ReceivedAt = "demo", "ada", l.now
	in := &profile.Enriched{Fact: f, Profile: l.profile}
	var effects []fold.Effect
	l.holds, effects = l.engine.Step(l.holds, in, l.now)
	l.take(effects)
}

func (l *life) take(effects []fold.Effect) {
	for _, e := range effects {
		_, err := event.Encode(e.Value)
		require.NoError(l, err)
		switch v := e.Value.(type) {
		case event.Outcome:
			switch v.Type {
			case event.OutcomeAccepted:
				require.NotContains(l, l.accepted, v.MessageID, "accepted twice")
			case event.OutcomeExpired, event.OutcomeCancelled, event.OutcomeSuppressed, event.OutcomeSuperseded, event.OutcomeControl:
				require.True(l, e.Once)
				require.Empty(l, l.ended[v.MessageID], "ended twice")
				l.ended[v.MessageID] = v.Type
			}
		case event.Release:
			require.True(l, e.Once)
			l.check(&v)
		}
	}
}

// check holds a release against every gate that an observer can see.
func (l *life) check(r *event.Release) {
	if old, ok := l.released[r.ReleaseID]; ok {
		require.Equal(l, old.ReleasedAt, r.ReleasedAt)
		return
	}
	m := r.Message
	require.Empty(l, l.ended[m.MessageID], "released after its end")
	require.True(l, l.now.Before(r.Deadline), "released after its deadline")
	require.False(l, l.now.Before(m.NotBefore), "released too early")
	require.NotEmpty(l, r.Targets)
	require.NotContains(l, l.profile.OptedOut, m.Category)
	if m.Priority != event.Critical {
		local := l.now.In(l.profile.Location())
		minute := event.LocalTime(local.Hour()*60 + local.Minute())
		if m.QuietHours != event.QuietBypass {
			require.False(l, window("22:00", "07:00").Contains(minute), "released in quiet hours at %s", local)
		}
		if m.DeliveryWindow != nil {
			require.True(l, m.DeliveryWindow.Contains(minute), "released outside its window at %s", local)
		}
		promotional := 0
		for _, o := range l.released {
			if o.Message.Priority == event.Critical {
				continue
			}
			require.GreaterOrEqual(l, l.now.Sub(o.ReleasedAt), 2*time.Minute, "released within the gap")
			if o.Message.Priority == event.Promotional && l.now.Sub(o.ReleasedAt) < 6*time.Hour {
				promotional++
			}
		}
		if m.Priority == event.Promotional {
			require.Less(l, promotional, 3, "released over the cap")
		}
	}
	l.released[r.ReleaseID] = *r
	l.released[m.MessageID] = event.Release{ReleaseID: r.ReleaseID, ReleasedAt: time.Time{}, Message: event.Message{Priority: event.Critical}}
	l.pending = append(l.pending, *r)
}

func (l *life) message(t *rapid.T) {
	l.n++
	m := event.Message{
		MessageID: fmt.Sprintf("m%d", l.n), UserID: "ada",
		Category:   rapid.SampledFrom([]string{"", "news", "chat"}).Draw(t, "category"),
		Priority:   rapid.SampledFrom([]string{event.Promotional, event.Promotional, event.Transactional, event.Critical}).Draw(t, "priority"),
		Timing:     rapid.SampledFrom([]string{event.TimingNow, event.TimingBestMoment}).Draw(t, "timing"),
		QuietHours: rapid.SampledFrom([]string{event.QuietRespect, event.QuietBypass}).Draw(t, "quiet"),
		AtDeadline: rapid.SampledFrom([]string{event.AtDeadlineSend, event.AtDeadlineDrop}).Draw(t, "at deadline"),
	}
	if rapid.Bool().Draw(t, "deadline") {
		m.Deadline = l.now.Add(time.Duration(rapid.Int64Range(-60, 100000).Draw(t, "in")) * time.Second)
	}
	if rapid.Bool().Draw(t, "not before") {
		m.NotBefore = l.now.Add(time.Duration(rapid.Int64Range(-60, 50000).Draw(t, "in")) * time.Second)
	}
	if rapid.Bool().Draw(t, "window") {
		m.DeliveryWindow = window("06:30", "12:00")
	}
	if rapid.Bool().Draw(t, "collapse") {
		m.CollapseKey = "c"
	}
	if _, again := l.accepted[m.MessageID]; !again {
		defer func() { l.accepted[m.MessageID] = m }()
	}
	l.step(event.Fact{Kind: event.KindMessage, Message: &m})
}

func (l *life) any(t *rapid.T) string {
	return fmt.Sprintf("m%d", rapid.IntRange(1, l.n+1).Draw(t, "which"))
}

func (l *life) cancel(t *rapid.T) {
	id := l.any(t)
	l.step(event.Fact{Kind: event.KindCancel, Cancel: &event.Cancel{Type: "cancel", UserID: "ada", MessageID: id}})
	for _, h := range l.holds.Held {
		require.NotEqual(t, id, h.Message.MessageID, "held after its cancel")
	}
}

func (l *life) signal(t *rapid.T) {
	d := &l.profile.Devices[rapid.IntRange(0, len(l.profile.Devices)-1).Draw(t, "device")]
	switch rapid.IntRange(0, 3).Draw(t, "signal") {
	case 0:
		d.Live.Lock = profile.Reading{Value: "unlocked", At: l.now}
		l.profile.Recency.Unlock(l.now)
		l.profile.Presence.Count(l.now, l.profile.Location())
		l.profile.Recency.SeenAt, d.LastSeenAt = l.now, l.now
	case 1:
		d.Live.Lock = profile.Reading{Value: "locked", At: l.now}
	case 2:
		d.Live.App = profile.Reading{Value: rapid.SampledFrom([]string{"foreground", "background"}).Draw(t, "app"), At: l.now}
	case 3:
		d.Live.DND = profile.Reading{Value: rapid.SampledFrom([]string{"on", "off"}).Draw(t, "dnd"), At: l.now}
	}
	l.step(event.Fact{Kind: event.KindSignal, Signal: &event.Signal{Kind: "unlocked"}})
}

func (l *life) person(t *rapid.T) {
	l.profile.TimeZone = rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Asia/Kathmandu", "nowhere"}).Draw(t, "zone")
	l.profile.OptedOut = rapid.SampledFrom([][]string{nil, {"news"}}).Draw(t, "opted out")
	l.profile.Devices[0].Permission = rapid.SampledFrom([]string{"granted", "denied"}).Draw(t, "permission")
	l.step(event.Fact{Kind: event.KindUser, User: &event.User{UserID: "ada"}})
}

func (l *life) answer(t *rapid.T) {
	if len(l.pending) == 0 {
		t.Skip("nothing released")
	}
	r := l.pending[0]
	l.pending = l.pending[1:]
	l.result(&r, rapid.SampledFrom([]string{event.ResultSent, event.ResultSent, event.ResultUnknown}).Draw(t, "status"))
}

func (l *life) result(r *event.Release, status string) {
	l.step(event.Fact{Kind: event.KindResult, Result: &event.Result{
		MessageID: r.Message.MessageID, Revision: r.Message.Revision, Final: true, At: l.now, Status: status,
	}})
}

func (l *life) receipt(t *rapid.T) {
	kind := rapid.SampledFrom([]string{"delivered", "opened", "dismissed", "converted", "disabled"}).Draw(t, "kind")
	l.step(event.Fact{Kind: event.KindReceipt, Receipt: &event.Receipt{MessageID: l.any(t), DeviceID: "phone", Kind: kind, OccurredAt: l.now}})
}

func (l *life) sleep(t *rapid.T) {
	l.wakeUntil(l.now.Add(time.Duration(rapid.Int64Range(1, 20000).Draw(t, "seconds")) * time.Second))
}

func (l *life) wakeUntil(end time.Time) {
	for n := 0; ; n++ {
		due := l.holds.Due()
		if due.IsZero() || due.After(end) {
			l.now = end
			return
		}
		require.Less(l, n, 5000, "wake-ups without end at %s", l.now)
		if due.After(l.now) {
			l.now = due
		}
		var effects []fold.Effect
		l.holds, effects = l.engine.Wake(l.holds, l.now)
		l.take(effects)
		require.True(l, l.holds.Due().IsZero() || l.holds.Due().After(l.now), "due in the past after a wake-up: %s", l.holds.Due())
	}
}

// reload packs and unpacks the state: nothing that matters may get lost, and the same state is the same bytes.
func (l *life) reload(t *rapid.T) {
	blob, err := timing.EncodeHolds(l.holds)
	require.NoError(t, err)
	if blob == nil {
		require.True(t, l.holds.IsEmpty())
		l.holds = timing.NewHolds(user)
		return
	}
	back, err := timing.DecodeHolds(blob)
	require.NoError(t, err)
	again, err := timing.EncodeHolds(back)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, again))
	l.holds = back
}

// ledger: accepted = ended + released + held, for each message exactly one of them.
func (l *life) ledger(t *rapid.T) {
	held := map[string]bool{}
	for _, h := range l.holds.Held {
		held[h.Message.MessageID] = true
	}
	for id := range l.accepted {
		n := 0
		for _, is := range []bool{held[id], l.ended[id] != "", l.released[id].ReleaseID != ""} {
			if is {
				n++
			}
		}
		require.Equal(t, 1, n, "%s: held %v, ended %q, released %v", id, held[id], l.ended[id], l.released[id].ReleaseID != "")
	}
}
