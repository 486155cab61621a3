package fcm

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"firebase.google.com/go/v4/messaging"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Google's limits. "About FCM messages", firebase.google.com.
const (
	MaxPayload = 4096
	MaxTTL     = 28 * 24 * time.Hour
)

// label is Google's form of an analytics label.
var label = regexp.MustCompile(`^[a-zA-Z0-9-_.~%]{1,50}$`)

// plain is what the SDK is given to check when a message has no overrides: there is nothing in the body that was not
// checked when it was built. The address is never the SDK's to check: it does not know fid.
var plain = &messaging.Message{Token: "-"}

const (
	head         = `{"message":`
	tail         = `}`
	tailValidate = `,"validate_only":true}`
)

// build appends the request's body to buf, and gives the message as the SDK is to check it.
func (s *Sender) build(p *push.Push, now time.Time, buf []byte) ([]byte, *messaging.Message, error) {
	if p.Address == "" || len(p.Address) > 4096 || !utf8.ValidString(p.Address) {
		return buf, nil, push.Refuse(push.ReasonBadAddress, "an FCM address is text of 1 to 4096 B")
	}
	w := writer{b: append(buf, head...)}
	w.message(p, now)
	msg, size := plain, w.size
	if w.err == nil && !p.Message.FCM.IsZero() {
		msg, size, w.err = w.override(p)
	}
	switch {
	case w.err != nil:
		return w.b, nil, w.err
	case size > MaxPayload:
		return w.b, nil, push.TooLarge("FCM", size, MaxPayload)
	case s.validateOnly:
		return append(w.b, tailValidate...), msg, nil
	}
	return append(w.b, tail...), msg, nil
}

// message writes the message without its overrides.
func (w *writer) message(p *push.Push, now time.Time) {
	m := p.Message
	w.raw("{")
	w.data(p)
	if !p.Silent() {
		w.object("notification")
		w.text("title", m.Title)
		w.text("body", m.Body)
		w.text("image", m.ImageURL)
		w.raw("}")
	}
	if label.MatchString(m.CampaignID) {
		w.object("fcm_options")
		w.attr("analytics_label", m.CampaignID)
		w.raw("}")
	}
	switch p.Platform {
	case "ios":
		w.apple(p)
	case "web":
		w.web(p, now)
	default:
		w.android(p, now)
	}
	w.attr(addressField(p), p.Address)
	w.raw("}")
}

func addressField(p *push.Push) string { return pick(p.AddressType == "fid", "fid", "token") }

// data is what the app gets.
func (w *writer) data(p *push.Push) {
	w.object("data")
	if !p.Message.Data.IsZero() {
		w.own(p)
	}
	w.text("kairos_message_id", p.Message.MessageID)
	w.text("kairos_device_id", p.DeviceID)
	w.text("kairos_token", p.Token)
	w.text("deep_link", p.Message.DeepLink)
	if p.InApp {
		w.text("kairos_in_app", "true")
		w.text("kairos_title", p.Message.Title)
		w.text("kairos_body", p.Message.Body)
	}
	w.raw("}")
}

// android has one notification channel for each category; an app that has no channel of that name gets its default one.
// FCM keeps four collapse keys a device, so only messages that ask for one get one. The tag replaces what is shown
// already, and has no such limit.
func (w *writer) android(p *push.Push, now time.Time) {
	w.object("android")
	w.attr("ttl", strconv.FormatInt(p.TTL(now, MaxTTL), 10)+"s")
	w.attr("priority", pick(p.Urgent, "high", "normal"))
	w.attr("collapse_key", p.Message.CollapseKey)
	if !p.Silent() {
		w.object("notification")
		w.text("tag", p.CollapseID)
		w.text("channel_id", p.Message.Category)
		w.raw("}")
	}
	w.raw("}")
}

// apple is the same as package apns says to APNs itself.
func (w *writer) apple(p *push.Push) {
	w.object("apns")
	w.object("headers")
	w.attr("apns-push-type", pick(p.Silent(), "background", "alert"))
	w.attr("apns-expiration", strconv.FormatInt(max(p.Expires.Unix(), 0), 10))
	w.attr("apns-priority", pick(p.Urgent, "10", "5"))
	w.attr("apns-collapse-id", p.CollapseID)
	w.attr("apns-id", p.ID)
	w.raw("}")
	w.object("payload")
	w.object("aps")
	w.size += len("aps")
	if p.Silent() {
		w.number("content-available", "1")
	} else {
		w.number("mutable-content", "1")
		w.text("sound", "default")
		w.number("relevance-score", strconv.FormatFloat(math.Round(1000*max(0, min(1, p.Score)))/1000, 'f', -1, 64))
		w.text("thread-id", p.Message.Category)
		w.text("category", p.Message.Category)
	}
	w.raw("}}}")
}

func (w *writer) web(p *push.Push, now time.Time) {
	w.object("webpush")
	w.object("headers")
	w.attr("TTL", strconv.FormatInt(p.TTL(now, MaxTTL), 10))
	w.attr("Urgency", pick(p.Message.Priority == "promotional", "normal", "high"))
	w.raw("}")
	if !p.Silent() {
		w.object("notification")
		w.text("tag", p.CollapseID)
		w.raw("}")
	}
	w.raw("}")
}

// override merges the message's own parts on top of what was written. They may hold anything, so the SDK checks them
// by its types; what it does not know goes out all the same.
func (w *writer) override(p *push.Push) (*messaging.Message, int, error) {
	over, err := push.Object("fcm", p.Message.FCM)
	if err != nil {
		return nil, 0, err
	}
	base, err := push.Object("message", w.b[len(head):])
	if err != nil {
		return nil, 0, err
	}
	for _, k := range []string{"topic", "condition", "token", "fid"} { // the address is the target's
		delete(over, k)
	}
	msg := push.Merge(base, over)
	raw, err := push.Marshal(msg)
	if err != nil {
		return nil, 0, err
	}
	typed := new(messaging.Message)
	if err := json.Unmarshal(raw, typed); err != nil { // encoding/json: the SDK's types have its methods
		return nil, 0, push.Refuse(push.ReasonBadPayload, "fcm: %v", err)
	}
	typed.Token = plain.Token
	w.b = append(w.b[:len(head)], raw...)
	return typed, payloadSize(msg), nil
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
