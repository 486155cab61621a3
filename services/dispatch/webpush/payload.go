package webpush

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/SherClockHolmes/webpush-go"
	"github.com/go-json-experiment/json"

	"github.com/kairos-push/kairos/services/dispatch/push"
)

// MaxPayload is what fits into the one encrypted record of 4,096 B that every push service takes (RFC 8291 §4):
// less its header (86), the tag (16) and the padding delimiter (1).
const MaxPayload = 4096 - 86 - 16 - 1

// subscription is where a browser gets its pushes, and what they are sealed with.
type subscription struct {
	endpoint *url.URL
	key      *ecdh.PublicKey
	auth     []byte
}

// subscriptionOf reads a PushSubscription as browsers give it. Whatever is wrong with it will stay wrong.
func subscriptionOf(address string) (*subscription, error) {
	var sub webpush.Subscription
	if err := json.Unmarshal([]byte(address), &sub); err != nil {
		return nil, push.Refuse(push.ReasonBadAddress, "a Web Push address is a PushSubscription in JSON")
	}
	u, err := url.Parse(sub.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, push.Refuse(push.ReasonBadAddress, "endpoint is not an https URL")
	}
	pub, err := decode(sub.Keys.P256dh)
	if err != nil {
		return nil, push.Refuse(push.ReasonBadAddress, "keys.p256dh is not base64")
	}
	key, err := ecdh.P256().NewPublicKey(pub)
	if err != nil {
		return nil, push.Refuse(push.ReasonBadAddress, "keys.p256dh is not a point on P-256")
	}
	auth, err := decode(sub.Keys.Auth)
	if err != nil || len(auth) != 16 {
		return nil, push.Refuse(push.ReasonBadAddress, "keys.auth is not 16 bytes of base64")
	}
	return &subscription{endpoint: u, key: key, auth: auth}, nil
}

// decode takes base64 of either alphabet, padded or not.
func decode(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	return base64.RawURLEncoding.DecodeString(s)
}

// payload is what the service worker gets. The message's overrides merge last; their member "headers" is the
// request's: Topic, Urgency.
func payload(p *push.Push, h *headers) ([]byte, error) {
	m := p.Message
	kairos := nonEmpty("message_id", m.MessageID, "device_id", p.DeviceID, "token", p.Token)
	out := nonEmpty("image", m.ImageURL, "deep_link", m.DeepLink)
	text := out
	if p.InApp {
		kairos["in_app"], text = true, kairos
	}
	maps.Copy(text, nonEmpty("title", m.Title, "body", m.Body))
	if !p.Silent() {
		out["tag"] = p.CollapseID
	}
	out["kairos"] = kairos
	data, err := push.Object("data", m.Data)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		out["data"] = data
	}
	over, err := push.Object("webpush", m.WebPush)
	if err != nil {
		return nil, err
	}
	if v, ok := over["headers"]; ok {
		delete(over, "headers")
		if err := h.override(v); err != nil {
			return nil, err
		}
	}
	b, err := push.Marshal(push.Merge(out, over))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxPayload {
		return nil, push.TooLarge("Web Push", len(b), MaxPayload)
	}
	return b, nil
}

// headers of the request.
type headers struct {
	topic   string
	urgency webpush.Urgency
}

func (h *headers) override(v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return push.Refuse(push.ReasonBadPayload, "webpush.headers is not an object")
	}
	for k, v := range m {
		text, isText := v.(string)
		switch {
		case strings.EqualFold(k, "topic") && isText && validTopic(text):
			h.topic = text
		case strings.EqualFold(k, "urgency") && (text == "very-low" || text == "low" || text == "normal" || text == "high"):
			h.urgency = webpush.Urgency(text)
		default:
			return push.Refuse(push.ReasonBadPayload,
				"webpush.headers.%s: want Topic (at most 32 characters of the URL-safe base64 alphabet) or Urgency", k)
		}
	}
	return nil
}

func validTopic(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return s != "" && len(s) <= 32 && strings.Trim(s, alphabet) == ""
}

// topicOf makes a Topic of a collapse id: 32 characters of base64 (RFC 8030 §5.4).
func topicOf(collapseID string) string {
	sum := sha256.Sum256([]byte(collapseID))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func nonEmpty(pairs ...string) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			m[pair[0]] = pair[1]
		}
	}
	return m
}
