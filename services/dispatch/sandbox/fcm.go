package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	fcmMaxPayload = 4096
	fcmMaxTTL     = 28 * 24 * time.Hour
	fcmErrorType  = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
)

var fcmStatus = map[string]int{
	"UNSPECIFIED_ERROR": 500, "INVALID_ARGUMENT": 400, "UNREGISTERED": 404, "SENDER_ID_MISMATCH": 403, "QUOTA_EXCEEDED": 429,
	"UNAVAILABLE": 503, "INTERNAL": 500, "THIRD_PARTY_AUTH_ERROR": 401,
}

// canonical are the statuses of google.rpc.Code that FCM answers with when there is no errorCode.
var canonical = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
	500: "INTERNAL", 503: "UNAVAILABLE",
}

func (g *Gateways) fcm() http.Handler {
	var seq atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) { g.oauth.serve(w, r, g.clock.Now()) })
	mux.HandleFunc("POST /v1/projects/{project}/messages:send", func(w http.ResponseWriter, r *http.Request) {
		g.serveFCM(w, r, fmt.Sprintf("projects/%s/messages/0:%d", Project, seq.Add(1)))
	})
	return mux
}

func (g *Gateways) serveFCM(w http.ResponseWriter, r *http.Request, name string) {
	switch {
	case !g.oauth.valid(r, g.clock.Now()):
		fcmError(w, http.StatusUnauthorized, "UNAUTHENTICATED", "", "no valid access token")
		return
	case r.PathValue("project") != Project:
		fcmError(w, http.StatusForbidden, "PERMISSION_DENIED", "", "no such project of this account")
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	var req struct {
		ValidateOnly bool           `json:"validate_only"`
		Message      map[string]any `json:"message"`
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&req); err == nil && !utf8.Valid(raw) {
		err = fmt.Errorf("request is not UTF-8")
	}
	var address string
	if err == nil {
		address, err = checkMessage(req.Message)
	}
	if err != nil {
		fcmError(w, http.StatusBadRequest, "INVALID_ARGUMENT", "INVALID_ARGUMENT", err.Error())
		return
	}
	accept := func() {
		if req.ValidateOnly {
			return
		}
		payload, _ := json.Marshal(req.Message)
		android, _ := req.Message["android"].(map[string]any)
		collapse, _ := android["collapse_key"].(string)
		g.arrived(g.arrival(r, FCM, address, name, collapse, payload))
	}
	if g.play(w, r, FCM, address, func(rule Rule) { refuseFCM(w, rule) }, accept) {
		return
	}
	accept()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"name": name})
}

func refuseFCM(w http.ResponseWriter, rule Rule) {
	if status, ok := fcmStatus[rule.Reason]; ok && status == rule.Status {
		fcmError(w, status, canonical[status], rule.Reason, "scripted")
		return
	}
	fcmError(w, rule.Status, rule.Reason, "", "scripted")
}

func fcmError(w http.ResponseWriter, status int, code, errorCode, text string) {
	e := map[string]any{"code": status, "message": text, "status": code}
	if errorCode != "" {
		e["details"] = []any{map[string]any{"@type": fcmErrorType, "errorCode": errorCode}}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
}

// What the API knows; it refuses unknown names.
var (
	messageFields = []string{"data", "notification", "android", "webpush", "apns", "fcm_options", "token", "fid", "topic", "condition"}
	androidFields = []string{
		"collapse_key", "priority", "ttl", "restricted_package_name", "data", "notification", "fcm_options", "direct_boot_ok",
		"bandwidth_constrained_ok", "restricted_satellite_ok",
	}
	ttlForm      = regexp.MustCompile(`^(\d+)(\.\d{1,9})?s$`)
	reservedData = regexp.MustCompile(`^(from|message_type|google\..*|gcm\..*)$`)
)

// checkMessage applies the rules of projects.messages and returns the address.
func checkMessage(m map[string]any) (string, error) {
	if m == nil {
		return "", fmt.Errorf("message is missing")
	}
	var address string
	targets := 0
	for _, k := range []string{"token", "fid", "topic", "condition"} {
		if s, ok := m[k].(string); ok && s != "" {
			address = s
			targets++
		}
	}
	if targets != 1 {
		return "", fmt.Errorf("exactly one of token, fid, topic and condition is wanted")
	}
	if err := known(m, messageFields, "message"); err != nil {
		return "", err
	}
	if strings.ContainsAny(address, " \t\n") {
		return "", fmt.Errorf("the registration token is not a valid FCM registration token")
	}
	if err := stringMap(m["data"], "message.data"); err != nil {
		return "", err
	}
	size := bytesOf(m["data"]) + bytesOf(m["notification"])
	if a, ok := m["android"].(map[string]any); ok {
		if err := checkAndroid(a); err != nil {
			return "", err
		}
		size += bytesOf(a["data"]) + bytesOf(a["notification"])
	}
	for _, k := range []string{"apns", "webpush"} {
		if part, ok := m[k].(map[string]any); ok {
			size += bytesOf(part["payload"]) + bytesOf(part["data"]) + bytesOf(part["notification"])
			if err := stringMap(part["headers"], k+".headers"); err != nil {
				return "", err
			}
		}
	}
	if size > fcmMaxPayload {
		return "", fmt.Errorf("message is too big: %d B", size)
	}
	return address, nil
}

func checkAndroid(a map[string]any) error {
	if err := known(a, androidFields, "message.android"); err != nil {
		return err
	}
	if p, ok := a["priority"]; ok && p != "normal" && p != "high" && p != "NORMAL" && p != "HIGH" {
		return fmt.Errorf("message.android.priority: %v", p)
	}
	if v, ok := a["ttl"]; ok {
		s, _ := v.(string)
		m := ttlForm.FindStringSubmatch(s)
		if m == nil {
			return fmt.Errorf("message.android.ttl: %v", v)
		}
		if n, err := strconv.ParseInt(m[1], 10, 64); err != nil || n > int64(fcmMaxTTL/time.Second) {
			return fmt.Errorf("message.android.ttl: more than four weeks")
		}
	}
	return stringMap(a["data"], "message.android.data")
}

func known(m map[string]any, fields []string, where string) error {
	for k := range m {
		if !slices.Contains(fields, k) {
			return fmt.Errorf("unknown name %q at %q", k, where)
		}
	}
	return nil
}

func stringMap(v any, where string) error {
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		return fmt.Errorf("%s: not an object", where)
	}
	for k, v := range m {
		if _, ok := v.(string); !ok {
			return fmt.Errorf("%s[%q]: not a string", where, k)
		}
		if strings.HasSuffix(where, "data") && reservedData.MatchString(k) {
			return fmt.Errorf("%s[%q]: a reserved name", where, k)
		}
	}
	return nil
}

// bytesOf counts names and values.
func bytesOf(v any) (n int) {
	switch v := v.(type) {
	case string:
		return len(v)
	case map[string]any:
		for k, e := range v {
			n += len(k) + bytesOf(e)
		}
	case []any:
		for _, e := range v {
			n += bytesOf(e)
		}
	case nil:
	default:
		n = len(fmt.Sprint(v))
	}
	return n
}
