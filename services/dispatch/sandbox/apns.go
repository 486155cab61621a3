package sandbox

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Apple's rules. "Sending notification requests to APNs" and "Establishing a token-based connection to APNs".
const (
	apnsTokenLife    = time.Hour
	apnsTokenRenewal = 20 * time.Minute
	apnsMaxPayload   = 4096
	apnsMaxVoIP      = 5120
	apnsMaxCollapse  = 64
)

var (
	uuid      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	pushTypes = map[string]string{ // and what each wants behind the bundle id
		"alert": "", "background": "", "mdm": "", "location": ".location-query", "voip": ".voip", "pushtotalk": ".voip-ptt",
		"complication": ".complication", "fileprovider": ".pushkit.fileprovider", "liveactivity": ".push-type.liveactivity",
		"controls": ".push-type.controls", "widgets": ".push-type.widgets",
	}
)

// refusal of APNs.
type refusal struct {
	status int
	reason string
}

func (r refusal) Error() string { return r.reason }

func (g *Gateways) serveAPNs(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("apns-id")
	if id == "" {
		id = newUUID()
	}
	w.Header().Set("apns-id", id)
	token := strings.TrimPrefix(r.URL.Path, "/3/device/")
	refuse := func(status int, reason string) {
		body := map[string]any{"reason": reason}
		if status == http.StatusGone {
			body["timestamp"] = g.clock.Now().UnixMilli()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	payload, err := g.checkAPNs(r, token)
	if e, ok := errors.AsType[refusal](err); ok {
		refuse(e.status, e.reason)
		return
	} else if err != nil {
		return // the request broke off
	}
	accept := func() { g.arrived(g.arrival(r, APNs, token, id, r.Header.Get("apns-collapse-id"), payload)) }
	if g.play(w, r, APNs, token, func(rule Rule) { refuse(rule.Status, rule.Reason) }, accept) {
		return
	}
	accept()
	w.WriteHeader(http.StatusOK)
}

// checkAPNs applies Apple's rules in Apple's order: method, path, authentication, headers, payload.
func (g *Gateways) checkAPNs(r *http.Request, token string) ([]byte, error) {
	if r.ProtoMajor != 2 {
		return nil, refusal{http.StatusHTTPVersionNotSupported, "HTTP/2 only"}
	}
	if r.Method != http.MethodPost {
		return nil, refusal{http.StatusMethodNotAllowed, "MethodNotAllowed"}
	}
	if !strings.HasPrefix(r.URL.Path, "/3/device/") {
		return nil, refusal{http.StatusNotFound, "BadPath"}
	}
	if token == "" {
		return nil, refusal{http.StatusBadRequest, "MissingDeviceToken"}
	}
	if raw, err := hex.DecodeString(token); err != nil || len(raw) < 32 || len(raw) > 100 {
		return nil, refusal{http.StatusBadRequest, "BadDeviceToken"}
	}
	topic, err := g.authenticate(r)
	if err != nil {
		return nil, err
	}
	pushType, err := checkHeaders(r.Header, topic)
	if err != nil {
		return nil, err
	}
	limit := apnsMaxPayload
	if pushType == "voip" {
		limit = apnsMaxVoIP
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(payload) == 0:
		return nil, refusal{http.StatusBadRequest, "PayloadEmpty"}
	case len(payload) > limit:
		return nil, refusal{http.StatusRequestEntityTooLarge, "PayloadTooLarge"}
	}
	return payload, checkPayload(pushType, payload)
}

func checkPayload(pushType string, payload []byte) error {
	// Apple has no reason for a payload that is no JSON; it says BadMessageId or drops it. We refuse loudly.
	var body struct {
		APS map[string]any `json:"aps"`
	}
	bare := pushType == "mdm" || pushType == "voip" || pushType == "fileprovider"
	if !utf8.Valid(payload) || json.Unmarshal(payload, &body) != nil || body.APS == nil && !bare {
		return refusal{http.StatusBadRequest, "PayloadEmpty"}
	}
	return nil
}

// checkHeaders of a sender who may push to a bundle id.
func checkHeaders(h http.Header, bundleID string) (pushType string, err error) {
	for name, v := range h {
		if strings.HasPrefix(strings.ToLower(name), "apns-") && len(v) > 1 {
			return "", refusal{http.StatusBadRequest, "DuplicateHeaders"}
		}
	}
	pushType = h.Get("apns-push-type")
	suffix, known := pushTypes[pushType]
	topic := h.Get("apns-topic")
	priority := h.Get("apns-priority")
	expiration := h.Get("apns-expiration")
	switch {
	case !known:
		return "", refusal{http.StatusBadRequest, "InvalidPushType"}
	case topic == "":
		return "", refusal{http.StatusBadRequest, "MissingTopic"}
	case topic == bundleID && suffix != "", !strings.HasPrefix(topic, bundleID) && pushType != "mdm":
		return "", refusal{http.StatusBadRequest, "TopicDisallowed"}
	case strings.HasPrefix(topic, bundleID) && topic != bundleID+suffix:
		return "", refusal{http.StatusBadRequest, "BadTopic"}
	case priority != "" && priority != "1" && priority != "5" && priority != "10",
		pushType == "background" && priority == "10":
		return "", refusal{http.StatusBadRequest, "BadPriority"}
	case len(h.Get("apns-collapse-id")) > apnsMaxCollapse:
		return "", refusal{http.StatusBadRequest, "BadCollapseId"}
	case h.Get("apns-id") != "" && !uuid.MatchString(h.Get("apns-id")):
		return "", refusal{http.StatusBadRequest, "BadMessageId"}
	}
	if expiration != "" {
		if n, err := strconv.ParseInt(expiration, 10, 64); err != nil || n < 0 {
			return "", refusal{http.StatusBadRequest, "BadExpirationDate"}
		}
	}
	return pushType, nil
}

// authenticate checks the client's certificate or the provider token: ES256, a known key and its team, issued within
// the last hour, and not renewed on this connection more often than every 20 minutes. It returns the bundle id that the
// sender may push to.
func (g *Gateways) authenticate(r *http.Request) (bundleID string, err error) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		cert := r.TLS.PeerCertificates[0]
		if cert.CheckSignatureFrom(g.ca) != nil {
			return "", refusal{http.StatusForbidden, "BadCertificate"}
		}
		return cert.Subject.CommonName, nil
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("authorization"), "bearer ")
	if !ok {
		return "", refusal{http.StatusForbidden, "MissingProviderToken"}
	}
	now := g.clock.Now()
	c := connectionOf(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if bearer == c.bearer && now.Sub(c.since) < apnsTokenRenewal {
		return c.bundleID, nil
	}
	bundleID, issued, err := g.verifyProvider(bearer)
	switch {
	case err != nil:
		return "", refusal{http.StatusForbidden, "InvalidProviderToken"}
	case now.Sub(issued) > apnsTokenLife, issued.Sub(now) > apnsTokenLife:
		return "", refusal{http.StatusForbidden, "ExpiredProviderToken"}
	case c.bearer != "" && bundleID != c.bundleID:
		return "", refusal{http.StatusForbidden, "UnrelatedKeyIdInToken"}
	case c.bearer != "" && bearer != c.bearer && now.Sub(c.since) < apnsTokenRenewal:
		return "", refusal{http.StatusTooManyRequests, "TooManyProviderTokenUpdates"}
	}
	if bearer != c.bearer {
		c.bearer, c.since, c.bundleID = bearer, now, bundleID
	}
	return bundleID, nil
}

func (g *Gateways) verifyProvider(bearer string) (bundleID string, issued time.Time, err error) {
	claims := jwt.MapClaims{}
	var by team
	_, err = jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(
		bearer, claims, func(t *jwt.Token) (any, error) {
			id, _ := t.Header["kid"].(string)
			if by = g.teams[id]; by.key == nil {
				return nil, errors.New("an unknown key id")
			}
			return by.key, nil
		})
	if err != nil {
		return "", time.Time{}, err
	}
	iat, err := claims.GetIssuedAt()
	if err != nil || iat == nil || claims["iss"] != by.id {
		return "", time.Time{}, errors.New("claims")
	}
	return by.topic, iat.Time, nil
}
