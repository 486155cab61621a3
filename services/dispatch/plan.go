package dispatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// receiptLife is how long after the deadline a receipt is still taken.
const receiptLife = 7 * 24 * time.Hour

// Plan makes one push per target of a release. Everything in it follows from the release, so a second dispatch of the
// same release makes the same pushes with the same ids.
func Plan(r *event.Release, receiptSecret []byte) []*push.Push {
	out := make([]*push.Push, len(r.Targets))
	m := &r.Message
	if r.InApp {
		hint := r.Message
		hint.APNs, hint.FCM, hint.WebPush = nil, nil, nil // they describe the notification that this is not
		m = &hint
	}
	for i, t := range r.Targets {
		p := &push.Push{
			ID:          pushID(r.ReleaseID, t.DeviceID),
			CollapseID:  collapseID(&r.Message),
			DeviceID:    t.DeviceID,
			AddressType: t.AddressType,
			Address:     t.Address,
			Expires:     r.Deadline,
			Platform:    t.Platform,
			Score:       r.Score,
			InApp:       r.InApp,
			Message:     m,
		}
		p.Urgent = !p.Silent()
		if len(receiptSecret) > 0 {
			p.Token = event.SignReceipt(receiptSecret, r.AppID, r.UserID, r.Message.MessageID, t.DeviceID, r.Deadline.Add(receiptLife))
		}
		out[i] = p
	}
	return out
}

// pushID is a UUID (version 8: made of a hash) of a release on a device.
func pushID(releaseID, deviceID string) string {
	sum := sha256.Sum256([]byte(releaseID + "\x00" + deviceID))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], sum[0:4])
	hex.Encode(b[9:13], sum[4:6])
	hex.Encode(b[14:18], sum[6:8])
	hex.Encode(b[19:23], sum[8:10])
	hex.Encode(b[24:36], sum[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// collapseID is the collapse key, or the message id, so that a revision replaces what it revises; hashed when it is
// longer than the 64 bytes that APNs takes.
func collapseID(m *event.Message) string {
	id := m.CollapseKey
	if id == "" {
		id = m.MessageID
	}
	if len(id) <= 64 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Lane says which queue a release waits in.
type Lane uint8

// Lanes. What is urgent never waits behind bulk.
const (
	Urgent Lane = iota
	Bulk
	lanes
)

// LaneOf a message: urgent is what was never to be held.
func LaneOf(m *event.Message) Lane {
	if m.Priority == event.Critical || m.Priority == event.Transactional || m.Timing == event.TimingNow {
		return Urgent
	}
	return Bulk
}

// What a message may say about an attempt whose answer was lost.
const ambiguousResend = "resend"

// Step is what follows from an attempt: an end, or another attempt at a time.
type Step struct {
	// Type and Status end the push on this device: the outcome's type and the result's status. "" is another attempt.
	Type   string
	Status string
	Reason string
	// Prune asks the profile to drop the address.
	Prune bool
	// RetryAt is when to try again, and Doubt that the provider may have the push all the same.
	RetryAt time.Time
	Doubt   bool
}

// Ended says that there is nothing more to do.
func (s Step) Ended() bool { return s.Type != "" }

// configTries is how often a push is tried against a set-up that the provider calls wrong, before it is given up.
// The circuit is open in between, so they are spread over time.
const configTries = 20

// channels that there are senders for.
var channels = map[string]bool{"apns": true, "fcm": true, "webpush": true}

const reasonNoDevice = "no_device"

// Replaced ends a release that is not to be tried again, because another one of the person, released later, shows in its
// place, and would be replaced on the phone by what is older. Otherwise it does not end it.
func Replaced(r, by *event.Release) Step {
	if r.AppID != by.AppID || r.UserID != by.UserID || collapseID(&r.Message) != collapseID(&by.Message) || !by.ReleasedAt.After(r.ReleasedAt) {
		return Step{}
	}
	reason := by.Message.MessageID
	if r.Message.MessageID == by.Message.MessageID {
		reason = "revision " + strconv.Itoa(by.Message.Revision)
	}
	return Step{Type: event.OutcomeSuperseded, Status: event.ResultFailed, Reason: reason}
}

// Withdrawn ends a release for a reason, if there is one.
func Withdrawn(reason string) Step {
	if reason == "" {
		return Step{}
	}
	return Step{Type: event.OutcomeCancelled, Status: event.ResultFailed, Reason: reason}
}

// Before says how a push ends that no provider needs to be asked about; one that is to be tried has not ended. over is what
// Replaced or Withdrawn say of its release, last the reason of the attempt before.
func Before(to event.Target, p *push.Push, over Step, last string, now time.Time) Step {
	switch {
	case over.Type == event.OutcomeCancelled && !now.Before(p.Expires):
		return Expired(last) // long after the deadline nothing may be known of a push that was sent: it must not be contradicted
	case over.Ended():
		return over
	case !channels[to.Channel]:
		return Step{Type: event.OutcomeFailed, Status: event.ResultFailed, Reason: reasonNoDevice}
	case !now.Before(p.Expires):
		return Expired(last)
	}
	return Step{}
}

// Opens says when to try again to send a release that must not be sent at now, at its deadline at the latest; the zero Step if
// it may be sent. last is the reason of the attempt before.
func Opens(r *event.Release, last string, now time.Time) Step {
	for _, s := range r.Closed {
		if now.Before(s.From) || !now.Before(s.To) {
			continue
		}
		at := s.To
		if r.Deadline.Before(at) {
			at = r.Deadline
		}
		return Step{RetryAt: at, Reason: cmp.Or(last, "quiet hours or delivery window")}
	}
	return Step{}
}

// After says what follows from the verdict on attempt n (1 for the first), at now.
func After(v push.Verdict, p *push.Push, n int, now time.Time) Step {
	switch v.Class {
	case push.Sent:
		return Step{Type: event.OutcomeSent, Status: event.ResultSent}
	case push.Drop:
		return refused(v.Reason, false)
	case push.Prune:
		return refused(v.Reason, true)
	case push.Ambiguous:
		if p.Message.OnAmbiguous != ambiguousResend {
			return Step{Type: event.OutcomeUnknown, Status: event.ResultUnknown, Reason: v.Reason}
		}
	case push.Config:
		if n >= configTries {
			return refused(v.Reason, false)
		}
	case push.Retry, push.RetryAfter:
	}
	at := now.Add(wait(v, p.ID, n))
	doubt := v.Class == push.Ambiguous
	switch {
	case at.Before(p.Expires):
		return Step{RetryAt: at, Reason: v.Reason, Doubt: doubt}
	case doubt:
		return Step{Type: event.OutcomeUnknown, Status: event.ResultUnknown, Reason: v.Reason}
	default:
		return Expired(v.Reason)
	}
}

func refused(reason string, prune bool) Step {
	return Step{Type: event.OutcomeProviderRejected, Status: event.ResultFailed, Reason: reason, Prune: prune}
}

// Expired ends a push whose deadline came, or comes before the next attempt could.
func Expired(last string) Step {
	s := Step{Type: event.OutcomeExpired, Status: event.ResultFailed, Reason: "deadline"}
	if last != "" {
		s.Reason = "deadline: " + last
	}
	return s
}

// Back-off: doubling from base to most, of which the upper half is jitter. The jitter is a hash of the push and the
// attempt: a decision needs no dice, and a crowd that failed together does not come back together.
const (
	retryBase     = time.Second
	ambiguousBase = 5 * time.Second
	configBase    = 15 * time.Second
	retryMost     = 5 * time.Minute
)

func wait(v push.Verdict, id string, n int) time.Duration {
	base := retryBase
	switch v.Class {
	case push.Ambiguous:
		base = ambiguousBase
	case push.Config:
		base = configBase
	default:
	}
	d := min(base<<min(n-1, 16), retryMost)
	d = d/2 + time.Duration(jitter(id, n)*float64(d/2))
	if v.After > 0 {
		// What the provider asks for, and up to a tenth more.
		d = max(d, v.After+time.Duration(jitter(id, n)*float64(v.After)/10))
	}
	return d
}

// jitter is in [0, 1).
func jitter(id string, n int) float64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(id), uint32(n)))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
