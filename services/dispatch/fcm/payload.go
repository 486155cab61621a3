package fcm

import (
	"encoding/json"
	"fmt"
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

var label = regexp.MustCompile(`^[a-zA-Z0-9-_.~%]{1,50}$`)

// object is a part of the request; the message's overrides merge into it.
type object = map[string]any

// build makes the request's body, and the message as the SDK knows it, for the SDK to validate. The body goes out as
// built here: it may hold what the SDK does not know (fid addresses, new fields of overrides).
func (s *Sender) build(p *push.Push, now time.Time) (body []byte, m *messaging.Message, err error) {
	if p.Address == "" || len(p.Address) > 4096 || !utf8.ValidString(p.Address) {
		return nil, nil, push.Refuse(push.ReasonBadAddress, "an FCM address is text of 1 to 4096 B")
	}
	msg, err := message(p, now)
	if err != nil {
		return nil, nil, err
	}
	if size := payloadSize(msg); size > MaxPayload {
		return nil, nil, push.TooLarge("FCM", size, MaxPayload)
	}
	for _, k := range []string{"topic", "condition", "token", "fid"} { // the address is the target's
		delete(msg, k)
	}
	msg[pick(p.AddressType == "fid", "fid", "token")] = p.Address
	m = new(messaging.Message)
	raw, err := push.Marshal(msg)
	if err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(raw, m); err != nil { // encoding/json: the SDK's types have its methods
		return nil, nil, push.Refuse(push.ReasonBadPayload, "fcm: %v", err)
	}
	m.Token = "-" // the address is not the SDK's to check
	body = append([]byte(`{"message":`), raw...)
	if s.validateOnly {
		body = append(body, `,"validate_only":true`...)
	}
	return append(body, '}'), m, nil
}

func message(p *push.Push, now time.Time) (object, error) {
	m := p.Message
	data, err := dataOf(p)
	if err != nil {
		return nil, err
	}
	msg := object{"data": data}
	if !p.Silent() {
		n := object{}
		put(n, "title", m.Title)
		put(n, "body", m.Body)
		put(n, "image", m.ImageURL)
		msg["notification"] = n
	}
	if label.MatchString(m.CampaignID) {
		msg["fcm_options"] = object{"analytics_label": m.CampaignID}
	}
	switch p.Platform {
	case "ios":
		msg["apns"] = apple(p)
	case "web":
		msg["webpush"] = object{"headers": object{
			"TTL": strconv.FormatInt(p.TTL(now, MaxTTL), 10), "Urgency": pick(m.Priority == "promotional", "normal", "high"),
		}}
	default:
		msg["android"] = android(p, now)
	}
	over, err := push.Object("fcm", m.FCM)
	if err != nil {
		return nil, err
	}
	return push.Merge(msg, over), nil
}

func android(p *push.Push, now time.Time) object {
	a := object{
		"ttl":      strconv.FormatInt(p.TTL(now, MaxTTL), 10) + "s",
		"priority": pick(p.Urgent, "high", "normal"),
	}
	// FCM keeps four collapse keys a device, so only messages that ask for one get one. The tag replaces what is
	// shown already, and has no such limit.
	put(a, "collapse_key", p.Message.CollapseKey)
	if !p.Silent() {
		a["notification"] = object{"tag": p.CollapseID}
	}
	return a
}

func apple(p *push.Push) object {
	aps := object{}
	if p.Silent() {
		aps["content-available"] = 1.0
	} else {
		aps["mutable-content"] = 1.0
		aps["sound"] = "default"
		put(aps, "thread-id", p.Message.Category)
		aps["relevance-score"] = max(0, min(1, p.Score))
	}
	return object{
		"headers": object{
			"apns-expiration":  strconv.FormatInt(max(p.Expires.Unix(), 0), 10),
			"apns-priority":    pick(p.Urgent, "10", "5"),
			"apns-collapse-id": p.CollapseID,
			"apns-id":          p.ID,
		},
		"payload": object{"aps": aps},
	}
}

// dataOf is what the app gets: FCM takes strings only, so other values of data travel as JSON text.
func dataOf(p *push.Push) (object, error) {
	in, err := push.Object("data", p.Message.Data)
	if err != nil {
		return nil, err
	}
	out := make(object, len(in)+7)
	for k, v := range in {
		s, ok := v.(string)
		if !ok {
			b, err := push.Marshal(v)
			if err != nil {
				return nil, err
			}
			s = string(b)
		}
		out[k] = s
	}
	put(out, "kairos_message_id", p.Message.MessageID)
	put(out, "kairos_device_id", p.DeviceID)
	put(out, "kairos_token", p.Token)
	put(out, "deep_link", p.Message.DeepLink)
	if p.InApp {
		out["kairos_in_app"] = "true"
		put(out, "kairos_title", p.Message.Title)
		put(out, "kairos_body", p.Message.Body)
	}
	return out, nil
}

// payloadSize counts the bytes of names and values of what the device gets: data and notification.
func payloadSize(msg object) int {
	n := weigh(msg["data"]) + weigh(msg["notification"])
	for _, k := range []string{"android", "apns", "webpush"} {
		if part, ok := msg[k].(object); ok {
			n += weigh(part["data"]) + weigh(part["notification"]) + weigh(part["payload"])
		}
	}
	return n
}

func weigh(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return len(v)
	case object:
		n := 0
		for k, e := range v {
			n += len(k) + weigh(e)
		}
		return n
	case []any:
		n := 0
		for _, e := range v {
			n += weigh(e)
		}
		return n
	default:
		return len(fmt.Sprint(v))
	}
}

func put(m object, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
