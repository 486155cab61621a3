package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
)

// arrival makes the record of an accepted push.
func (g *Gateways) arrival(r *http.Request, gateway, address, id, collapse string, payload []byte) Arrival {
	a := Arrival{
		At: g.clock.Now(), Gateway: gateway, Address: address, ID: id, Collapse: collapse,
		Payload: json.RawMessage(payload), Headers: map[string]string{},
	}
	for name, v := range r.Header {
		switch name = strings.ToLower(name); {
		case strings.HasPrefix(name, "apns-"), name == "ttl", name == "urgency", name == "topic":
			a.Headers[name] = v[0]
		}
	}
	var body struct {
		Kairos struct {
			MessageID string `json:"message_id"`
			DeviceID  string `json:"device_id"`
			Token     string `json:"token"`
		} `json:"kairos"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(payload, &body) != nil {
		return a
	}
	a.MessageID, a.DeviceID, a.Token = body.Kairos.MessageID, body.Kairos.DeviceID, body.Kairos.Token
	if gateway == FCM {
		var data map[string]string
		if json.Unmarshal(body.Data, &data) == nil {
			a.MessageID, a.DeviceID, a.Token = data["kairos_message_id"], data["kairos_device_id"], data["kairos_token"]
		}
	}
	return a
}

// newUUID is a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
