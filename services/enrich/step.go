package enrich

import (
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/fold"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/topic"
)

// Times later than the fact was received are impossible; so are those from before phones. Clocks may be off by minutes:
// that is corrected without being called absurd.
const clockSkew = 5 * time.Minute

var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Step folds one fact into the profile and emits one enriched record, or none if the fact is an event, signal or receipt
// that was seen before. Everything else passes even when it changes nothing: timing has to see it. A person's records that
// consent forbids pass without what they say, and leave no trace here.
func Step(p *profile.Profile, f *event.Fact, now time.Time) (*profile.Profile, []fold.Effect) {
	s := step{p: p, fact: *f, received: f.ReceivedAt}
	if s.received.IsZero() {
		s.received = now
	}
	var id string
	fresh := true
	switch {
	case f.Event != nil:
		id, fresh = f.Event.EventID, s.event(f.Event)
	case f.Signal != nil:
		id, fresh = f.Signal.SignalID, s.signal(f.Signal)
	case f.Receipt != nil:
		id, fresh = f.Receipt.ReceiptID, s.receipt(f.Receipt)
	case f.Result != nil:
		id = f.Result.MessageID + f.Result.DeviceID
		s.result(f.Result)
	case f.Device != nil:
		id = f.Device.DeviceID
		s.register(f.Device)
	case f.User != nil:
		s.user(f.User)
	case f.Message != nil:
		id = f.Message.MessageID
	case f.Cancel != nil:
		id = f.Cancel.MessageID + f.Cancel.CancelKey
	}
	if !fresh {
		return s.p, nil
	}
	return s.p, []fold.Effect{{
		Topic: topic.Enriched, ID: enrichedID(f, id), Type: typeOf(f.Kind),
		Value: &profile.Enriched{Fact: s.fact, Profile: visible(s.p)},
	}}
}

// step is one fact on its way into a profile.
type step struct {
	p        *profile.Profile
	fact     event.Fact // as it is passed on
	received time.Time
	copied   bool // p.Devices is this step's own
}

// instant is the time of an observation, in the precision of profiles and never after the fact was received.
func (s *step) instant(t time.Time) time.Time {
	if t.After(s.received) || t.Before(earliest) {
		if t.After(s.received.Add(clockSkew)) || t.Before(earliest) {
			s.p.Clamped++
		}
		t = s.received
	}
	return t.UTC().Truncate(time.Millisecond)
}

// told is the time of an observation by a phone's clock, and whether that clock is behind and was corrected.
func (s *step) told(t time.Time, deviceID string) (at time.Time, corrected bool) {
	if deviceID == "" {
		return s.instant(t), false
	}
	d := s.device(deviceID)
	d.Lags.Heard(s.received.Sub(t))
	behind := d.Lags.Behind()
	return s.instant(t.Add(behind)), behind > 0
}

// came takes in a sign that the person was there of their own accord: such signs show moments, if they come in time.
func (s *step) came(at time.Time, deviceID string) {
	s.p.Recency.Heard(at, s.received)
	s.seen(at, deviceID)
}

// seen takes in a sign that the person was there.
func (s *step) seen(at time.Time, deviceID string) {
	latest(&s.p.Recency.SeenAt, at)
	s.p.Presence.Count(at, s.p.Location())
	if deviceID != "" {
		latest(&s.device(deviceID).LastSeenAt, at)
	}
}

// event is own-app behaviour: every event is something the person did.
func (s *step) event(e *event.Event) (fresh bool) {
	if !s.p.AllowsUserData() {
		silent := *e
		silent.Properties = nil // the name stays: cancel_on is the app's order, not a use of behaviour
		s.fact.Event = &silent
		return true
	}
	if s.p.Recent.Seen(event.KindEvent, e.EventID, s.received) {
		return false
	}
	at, corrected := s.told(e.OccurredAt, e.DeviceID)
	if corrected {
		right := *e
		right.OccurredAt = at
		s.fact.Event = &right
	}
	r := &s.p.Recency
	latest(&r.AppEventAt, at)
	switch e.Name {
	case eventSessionStarted:
		latestTwo(&r.AppStartAt, &r.PrevAppStartAt, at)
		r.Sitting()
	case eventSessionEnded:
		latest(&r.AppEndAt, at)
		r.Sitting()
	}
	s.came(at, e.DeviceID)
	return true
}

// Names of events that mean something here.
const (
	eventSessionStarted = "session_started"
	eventSessionEnded   = "session_ended"
)

// receipt is how the person answered a push. Several devices may report one answer: it counts once.
func (s *step) receipt(r *event.Receipt) (fresh bool) {
	if s.p.IsEmpty() { // only somebody who erased themselves gets a push without being known
		return true
	}
	if s.p.Recent.Seen(event.KindReceipt, r.ReceiptID, s.received) {
		return false
	}
	device := r.DeviceID
	if !s.p.AllowsUserData() {
		device = "" // nothing is kept of its clock
	}
	at, corrected := s.told(r.OccurredAt, device)
	if corrected {
		right := *r
		right.OccurredAt = at
		s.fact.Receipt = &right
	}
	if r.Kind == event.ReceiptDisabled {
		d := s.device(r.DeviceID)
		latest(&d.DisabledAt, at)
		if d.DisabledAt.After(d.UpdatedAt) {
			d.Permission = event.PermissionDenied
		}
	}
	if !s.p.AllowsUserData() {
		return true
	}
	switch r.Kind {
	case event.ReceiptOpened:
		if !s.p.Recent.Seen("opened", r.MessageID, s.received) {
			s.p.Response.Opened(at, s.p.Location())
		}
		s.seen(at, r.DeviceID)
	case event.ReceiptDismissed:
		if !s.p.Recent.Seen("dismissed", r.MessageID, s.received) {
			s.p.Response.Dismiss(at)
		}
		s.seen(at, r.DeviceID)
	case event.ReceiptDisabled:
		if !s.p.Recent.Seen("disabled", r.MessageID, s.received) {
			s.p.Response.Dismiss(at)
		}
	}
	return true
}

// result is what dispatch came to. One release counts as one send, however many devices it went to.
func (s *step) result(r *event.Result) {
	if s.p.IsEmpty() { // they erased themselves while it was on its way
		return
	}
	at := s.instant(r.At)
	if r.Status == event.ResultSent && !s.p.Recent.Seen("sent", r.MessageID+"|"+strconv.Itoa(r.Revision), s.received) {
		s.p.Response.Sent(at, s.p.Location())
	}
	if r.PruneAddress != "" && r.DeviceID != "" {
		s.prune(r.DeviceID, r.PruneAddress, at)
	}
}

// visible is the profile as it goes onto the topic: without deleted devices and without the memory of ids. It shares the
// slices of p, which are copy-on-write.
func visible(p *profile.Profile) profile.Profile {
	out := *p
	out.Recent = nil
	for i := range p.Devices {
		if !p.Devices[i].Deleted {
			continue
		}
		out.Devices = append([]profile.Device(nil), p.Devices[:i]...)
		for _, d := range p.Devices[i+1:] {
			if !d.Deleted {
				out.Devices = append(out.Devices, d)
			}
		}
		break
	}
	return out
}

// enrichedID is the same for the same fact. Facts that have no id of their own are told apart by when they were received.
func enrichedID(f *event.Fact, id string) string {
	var d xxhash.Digest
	d.Reset()
	for _, part := range [...]string{f.AppID, f.UserID, f.Kind, id} {
		_, _ = d.WriteString(part)
		_, _ = d.WriteString("|")
	}
	var buf [20]byte
	_, _ = d.Write(strconv.AppendInt(buf[:0], f.ReceivedAt.UnixNano(), 10))
	return strconv.FormatUint(d.Sum64(), 16)
}

// typeOf is the CloudEvents type, without an allocation for the kinds that come by the million.
func typeOf(kind string) string {
	switch kind {
	case event.KindSignal:
		return "kairos.enriched.signal"
	case event.KindEvent:
		return "kairos.enriched.event"
	default:
		return "kairos.enriched." + kind
	}
}

func latest(t *time.Time, at time.Time) {
	if at.After(*t) {
		*t = at
	}
}

// latestTwo keeps the latest two different times.
func latestTwo(first, second *time.Time, at time.Time) {
	switch {
	case at.After(*first):
		*first, *second = at, *first
	case at.Before(*first):
		latest(second, at)
	}
}
