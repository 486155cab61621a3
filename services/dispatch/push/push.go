// Package push is what the three senders have in common: one push to one device, the verdict on one attempt, and the
// table that maps a provider's answers to classes. It speaks no protocol and keeps no state.
package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kairos-push/kairos/pkg/event"
)

// Push is one release on its way to one device. It is the same on every attempt, ids included, so that a device
// which gets a resend can replace rather than repeat.
type Push struct {
	// ID is a UUID made from the release and the device: apns-id.
	ID string
	// CollapseID is at most 64 bytes. It is the collapse key or, without one, the message id, so that a later
	// revision replaces the notification that is still unread.
	CollapseID  string
	DeviceID    string
	AddressType string // token | fid | subscription
	Address     string
	// Expires is the deadline: the provider keeps the push no longer than that.
	Expires time.Time
	// Urgent asks for immediate delivery: everything that a person is to see, because its moment is now.
	Urgent   bool
	Platform string // ios | android | web
	// Token is the receipt token that the device hands back.
	Token string
	// Score is the value of the release, 0 … 1: the relevance score.
	Score float64
	// InApp is a hint for an app that the person is in: title and body are data for it, and nothing is shown beside it.
	InApp   bool
	Message *event.Message
}

// Silent says that nothing is to be shown by the phone: data for the app only.
func (p *Push) Silent() bool { return p.InApp || p.Message.Title == "" && p.Message.Body == "" }

// TTL is what is left until the deadline, in whole seconds, not more than limit.
func (p *Push) TTL(now time.Time, limit time.Duration) int64 {
	left := min(max(p.Expires.Sub(now), 0), limit)
	return int64(left / time.Second)
}

// Class is what an answer means for the push.
type Class uint8

// The classes of an answer. The zero value means that there was none.
const (
	// Ambiguous: no answer came, or none that can be read; the provider may have taken the push.
	Ambiguous Class = iota
	// Sent: the provider took it.
	Sent
	// Retry with back-off.
	Retry
	// RetryAfter the time that the provider names, or its documented minimum.
	RetryAfter
	// Prune: the address is dead; it is taken from the profile through the log.
	Prune
	// Drop: this push will never be taken.
	Drop
	// Config: the credentials or the set-up are wrong; the circuit of the app and provider opens.
	Config
)

// String is the name of the class as docs, logs and metrics have it.
func (c Class) String() string {
	return [...]string{"ambiguous", "sent", "retry", "retry_after", "prune", "drop", "config"}[c]
}

// Verdict on one attempt.
type Verdict struct {
	Class  Class
	Status int    // HTTP status, 0 if there was no answer
	Reason string // the provider's reason, or ours in snake_case
	// Fix says what to do about a Config verdict.
	Fix string
	// After is how long the provider wants us to wait.
	After      time.Duration
	ProviderID string
}

// What a provider may have written down of its words, in bytes.
const (
	maxProviderID = 1 << 10
	maxReason     = 500
)

// Fit is the verdict as it may be written down. A provider says what it likes, and Web Push lets anybody name one; records
// are UTF-8 and have limits. A reason is cut; an id is left out, as a part of it is none.
func (v Verdict) Fit() Verdict {
	v.Reason = strings.ToValidUTF8(v.Reason[:min(len(v.Reason), maxReason)], "")
	if len(v.ProviderID) > maxProviderID || !utf8.ValidString(v.ProviderID) {
		v.ProviderID = ""
	}
	return v
}

// Sender speaks one provider's protocol with the credentials of one app. Send makes exactly one request, or none if
// the push cannot be sent; it returns when ctx ends at the latest.
type Sender interface {
	Send(ctx context.Context, p *Push, now time.Time) Verdict
	Close()
}

// Reasons that are ours, not a provider's.
const (
	ReasonNoAnswer     = "no_answer"
	ReasonBadAnswer    = "bad_answer"
	ReasonNotConnected = "not_connected"
	ReasonTooLarge     = "payload_too_large"
	ReasonBadAddress   = "bad_address"
	ReasonBadPayload   = "bad_payload"
	ReasonCredentials  = "bad_credentials"
)

// Lost is the verdict on an attempt without an answer: the push may have been taken only if the request was written.
func Lost(written bool) Verdict {
	if written {
		return Verdict{Class: Ambiguous, Reason: ReasonNoAnswer}
	}
	return Verdict{Class: Retry, Reason: ReasonNotConnected}
}

// Refused is a push that no provider needs to be asked about.
type Refused struct {
	Reason string // one of ours
	Detail string
}

// Error says the reason and the detail, never the address.
func (r *Refused) Error() string { return r.Reason + ": " + r.Detail }

// Refuse makes a Refused.
func Refuse(reason, format string, args ...any) *Refused {
	return &Refused{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// TooLarge says by how much a payload is over its limit.
func TooLarge(provider string, size, limit int) *Refused {
	return Refuse(ReasonTooLarge, "%s payload is %d B, at most %d B", provider, size, limit)
}

// Refusal turns an error before the request into a verdict.
func Refusal(err error) Verdict {
	if r, ok := errors.AsType[*Refused](err); ok {
		class := Drop
		if r.Reason == ReasonBadAddress {
			class = Prune
		}
		return Verdict{Class: class, Reason: r.Error()}
	}
	return Verdict{Class: Drop, Reason: ReasonBadPayload + ": " + err.Error()}
}
