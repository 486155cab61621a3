package apns

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/sideshow/apns2"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// Apple's limits. "Sending notification requests to APNs", developer.apple.com.
const (
	MaxPayload     = 4096
	MaxPayloadVoIP = 5120
	MaxCollapseID  = 64
)

// build makes the notification of a push. Overrides of the message come last: its member "headers" goes to the
// request (apns-push-type, apns-topic, apns-priority, apns-collapse-id), everything else to the payload.
func (s *Sender) build(p *push.Push, buf []byte) (*apns2.Notification, []byte, error) {
	topic, token := splitAddress(p.Address)
	switch {
	case !hexToken(token):
		return nil, buf, push.Refuse(push.ReasonBadAddress, "an APNs token is 8 to 200 hexadecimal digits")
	case topic != "" && topic != s.topic:
		return nil, buf, unknownTopic(topic)
	}
	n := &apns2.Notification{
		DeviceToken: token, Topic: s.topic, ApnsID: p.ID, CollapseID: p.CollapseID,
		Expiration: p.Expires, Priority: apns2.PriorityLow, PushType: apns2.PushTypeAlert,
	}
	if p.Silent() {
		n.PushType = apns2.PushTypeBackground
	} else if p.Urgent {
		n.Priority = apns2.PriorityHigh
	}
	buf, err := appendPayload(buf, p)
	if err != nil {
		return nil, buf, err
	}
	if !p.Message.APNs.IsZero() {
		if buf, err = s.override(n, p, buf); err != nil {
			return nil, buf, err
		}
	}
	limit := MaxPayload
	if n.PushType == apns2.PushTypeVOIP {
		limit = MaxPayloadVoIP
	}
	switch {
	case len(buf) > limit:
		return nil, buf, push.TooLarge("APNs", len(buf), limit)
	case len(n.CollapseID) > MaxCollapseID:
		return nil, buf, push.Refuse(push.ReasonBadPayload, "apns-collapse-id is %d B, at most %d B", len(n.CollapseID), MaxCollapseID)
	case n.PushType == apns2.PushTypeBackground && n.Priority == apns2.PriorityHigh:
		return nil, buf, push.Refuse(push.ReasonBadPayload, "a background push has priority 5")
	}
	n.Payload = buf
	return n, buf, nil
}

func hexToken(s string) bool {
	if len(s) < 8 || len(s) > 200 || len(s)%2 != 0 {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendPayload writes the payload by hand: it is what a push costs most in.
func appendPayload(b []byte, p *push.Push) ([]byte, error) {
	m := p.Message
	var err error
	str := func(key, field, v string) {
		if err == nil && v != "" {
			b = append(b, key...)
			b, err = push.AppendString(b, field, v)
		}
	}
	b = append(b, `{"aps":{`...)
	if p.Silent() {
		b = append(b, `"content-available":1`...)
	} else {
		b = append(b, `"alert":{`...)
		str(`"title":`, "title", m.Title)
		if m.Title != "" && m.Body != "" {
			b = append(b, ',')
		}
		str(`"body":`, "body", m.Body)
		// mutable-content lets the app's extension load the image and confirm the delivery.
		b = append(b, `},"sound":"default","mutable-content":1,"relevance-score":`...)
		b = strconv.AppendFloat(b, max(0, min(1, p.Score)), 'f', 3, 64)
		str(`,"thread-id":`, "category", m.Category)
		str(`,"category":`, "category", m.Category) // of actions; one that the app does not have is like none
	}
	b = append(b, `},"kairos":{"message_id":`...)
	str("", "message_id", m.MessageID)
	str(`,"device_id":`, "device_id", p.DeviceID)
	str(`,"token":`, "token", p.Token)
	if p.InApp {
		b = append(b, `,"in_app":true`...)
		str(`,"title":`, "title", m.Title)
		str(`,"body":`, "body", m.Body)
	}
	b = append(b, '}')
	str(`,"deep_link":`, "deep_link", m.DeepLink)
	str(`,"image_url":`, "image_url", m.ImageURL)
	if err == nil && !m.Data.IsZero() {
		v := jsontext.Value(m.Data)
		if !v.IsValid() {
			return b, push.Refuse(push.ReasonBadPayload, "data is not valid JSON")
		}
		b = append(b, `,"data":`...)
		b = append(b, m.Data...)
	}
	return append(b, '}'), err
}

// override merges the message's own APNs parts on top.
func (s *Sender) override(n *apns2.Notification, p *push.Push, payload []byte) ([]byte, error) {
	over, err := push.Object("apns", p.Message.APNs)
	if err != nil {
		return payload, err
	}
	if h, ok := over["headers"]; ok {
		delete(over, "headers")
		if err := s.headers(n, h); err != nil {
			return payload, err
		}
	}
	if len(over) == 0 {
		return payload, nil
	}
	base, err := push.Object("payload", payload)
	if err != nil {
		return payload, err
	}
	out, err := push.Marshal(push.Merge(base, over))
	return append(payload[:0], out...), err
}

func (s *Sender) headers(n *apns2.Notification, v any) error {
	h, ok := v.(map[string]any)
	if !ok {
		return push.Refuse(push.ReasonBadPayload, "apns.headers is not an object")
	}
	for name, v := range h {
		text, isText := v.(string)
		num, isNum := v.(float64)
		switch {
		case name == "apns-push-type" && isText:
			n.PushType = apns2.EPushType(text)
			if suffix, ok := topicSuffix[n.PushType]; ok && h["apns-topic"] == nil {
				n.Topic = strings.TrimSuffix(n.Topic, suffix) + suffix
			}
			if n.PushType == apns2.PushTypeBackground {
				n.Priority = apns2.PriorityLow
			}
		case name == "apns-topic" && isText:
			if !Serves(s.topic, text) {
				return unknownTopic(text)
			}
			n.Topic = text
		case name == "apns-collapse-id" && isText:
			n.CollapseID = text
		case name == "apns-priority" && isNum && (num == 1 || num == 5 || num == 10):
			n.Priority = int(num)
		case name == "apns-priority" && (text == "1" || text == "5" || text == "10"):
			n.Priority, _ = strconv.Atoi(text)
		default:
			return push.Refuse(push.ReasonBadPayload,
				"apns.headers.%s: want apns-push-type, apns-topic, apns-collapse-id (strings) or apns-priority (1, 5, 10)", name)
		}
	}
	return nil
}
