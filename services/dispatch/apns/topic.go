package apns

import (
	"strings"

	"github.com/sideshow/apns2"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// ReasonUnknownTopic is why a push was not sent that wants a topic without credentials.
const ReasonUnknownTopic = "unknown_topic"

// topicSuffix is what Apple wants behind the bundle id for some push types.
var topicSuffix = map[apns2.EPushType]string{
	apns2.PushTypeLocation: ".location-query", apns2.PushTypeVOIP: ".voip", apns2.PushTypeComplication: ".complication",
	apns2.PushTypeFileProvider: ".pushkit.fileprovider", apns2.PushTypeLiveActivity: ".push-type.liveactivity",
	apns2.PushTypePushToTalk: ".voip-ptt", "controls": ".push-type.controls", "widgets": ".push-type.widgets",
}

// TopicOf is the topic that a push asks for, "" if it leaves the choice to the app. A token belongs to one bundle id,
// so the device's word comes first: an address may be written "bundle id/token". Without one, the message's override
// apns.headers.apns-topic decides.
func TopicOf(address string, m *event.Message) string {
	if topic, _ := splitAddress(address); topic != "" {
		return topic
	}
	return topicOverride(m)
}

// Serves says whether credentials for a bundle id may push to a topic: the bundle id, or it and the suffix of a push
// type.
func Serves(bundleID, topic string) bool {
	rest, ok := strings.CutPrefix(topic, bundleID)
	if !ok || rest == "" {
		return ok
	}
	for _, suffix := range topicSuffix {
		if rest == suffix {
			return true
		}
	}
	return false
}

func splitAddress(address string) (topic, token string) {
	if i := strings.LastIndexByte(address, '/'); i > 0 {
		return address[:i], address[i+1:]
	}
	return "", address
}

func topicOverride(m *event.Message) string {
	if m.APNs.IsZero() {
		return ""
	}
	over, err := push.Object("apns", m.APNs)
	if err != nil {
		return "" // refused when the payload is built
	}
	headers, _ := over["headers"].(map[string]any)
	topic, _ := headers["apns-topic"].(string)
	return topic
}

func unknownTopic(topic string) *push.Refused {
	return push.Refuse(ReasonUnknownTopic, "the app has no APNs credentials for topic %.200q", topic)
}
