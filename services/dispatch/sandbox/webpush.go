package sandbox

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	urgencies = map[string]bool{"": true, "very-low": true, "low": true, "normal": true, "high": true}
)

// subscriptions are the browsers that the gateway knows.
type subscriptions struct {
	mu   sync.Mutex
	byID map[string]*browser
}

type browser struct {
	key  *ecdh.PrivateKey
	auth []byte
	gone bool
}

func newSubscriptions() *subscriptions { return &subscriptions{byID: map[string]*browser{}} }

// Subscription of a browser: the PushSubscription in JSON, which is the device's address. The same id is the same
// subscription for as long as the gateways run.
func (g *Gateways) Subscription(id string) (string, error) {
	g.subs.mu.Lock()
	defer g.subs.mu.Unlock()
	b := g.subs.byID[id]
	if b == nil {
		key, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			return "", err
		}
		b = &browser{key: key, auth: make([]byte, 16)}
		_, _ = rand.Read(b.auth)
		g.subs.byID[id] = b
	}
	sub, err := json.Marshal(map[string]any{
		"endpoint": g.WebPushURL + "/push/" + id,
		"keys": map[string]string{
			"p256dh": base64.RawURLEncoding.EncodeToString(b.key.PublicKey().Bytes()),
			"auth":   base64.RawURLEncoding.EncodeToString(b.auth),
		},
	})
	return string(sub), err
}

// Unsubscribe makes the subscription answer 410 from now on.
func (g *Gateways) Unsubscribe(id string) {
	g.subs.mu.Lock()
	defer g.subs.mu.Unlock()
	if b := g.subs.byID[id]; b != nil {
		b.gone = true
	}
}

func (g *Gateways) serveWebPush(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutPrefix(r.URL.Path, "/push/")
	g.subs.mu.Lock()
	b := g.subs.byID[id]
	gone := b != nil && b.gone
	g.subs.mu.Unlock()
	switch {
	case r.Method != http.MethodPost:
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	case !ok || b == nil:
		http.Error(w, "no such subscription", http.StatusNotFound)
		return
	case gone:
		http.Error(w, "unsubscribed", http.StatusGone)
		return
	}
	if status, err := g.checkVAPID(r); err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4097))
	if err != nil {
		return
	}
	if len(body) > 4096 {
		http.Error(w, "more than 4096 B", http.StatusRequestEntityTooLarge)
		return
	}
	payload, err := checkPush(r.Header, b, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	endpoint := g.WebPushURL + r.URL.Path
	location := g.WebPushURL + "/message/" + rand.Text()
	accept := func() { g.arrived(g.arrival(r, WebPush, endpoint, location, r.Header.Get("Topic"), payload)) }
	refuse := func(rule Rule) { http.Error(w, rule.Reason, rule.Status) }
	if g.play(w, r, WebPush, endpoint, refuse, accept) {
		return
	}
	accept()
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusCreated)
}

// checkVAPID verifies the application server's token (RFC 8292).
func (g *Gateways) checkVAPID(r *http.Request) (status int, err error) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "vapid ")
	if !ok {
		return http.StatusUnauthorized, errors.New("no VAPID authorization")
	}
	var token, key string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			token = value
		case "k":
			key = value
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return http.StatusUnauthorized, errors.New("k is not base64url")
	}
	if !bytes.Equal(raw, g.vapid) {
		return http.StatusForbidden, errors.New(
			"the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions")
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return http.StatusUnauthorized, errors.New("k is no P-256 key")
	}
	now := g.clock.Now()
	claims := jwt.MapClaims{}
	_, err = jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return now }),
		jwt.WithAudience(g.WebPushURL), jwt.WithExpirationRequired(),
	).ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return pub, nil })
	if err != nil {
		return http.StatusUnauthorized, err
	}
	exp, _ := claims.GetExpirationTime()
	sub, _ := claims["sub"].(string)
	switch {
	case exp.Sub(now) > 24*time.Hour:
		return http.StatusUnauthorized, errors.New("exp is more than 24 h away")
	case !strings.HasPrefix(sub, "mailto:") && !strings.HasPrefix(sub, "https:"), strings.HasPrefix(sub, "mailto:mailto:"):
		return http.StatusUnauthorized, errors.New("sub is neither a mailto: nor an https: address")
	}
	return 0, nil
}

// checkPush applies the rules of RFC 8030 and decrypts the body.
func checkPush(h http.Header, b *browser, body []byte) ([]byte, error) {
	ttl, err := strconv.ParseInt(h.Get("TTL"), 10, 64)
	switch {
	case err != nil || ttl < 0:
		return nil, errors.New("TTL is missing or no number")
	case !urgencies[h.Get("Urgency")]:
		return nil, errors.New("unknown Urgency")
	case h.Get("Topic") != "" && !topicForm.MatchString(h.Get("Topic")):
		return nil, errors.New("topic is not 1 to 32 characters of URL-safe base64")
	case h.Get("Content-Encoding") != "aes128gcm":
		return nil, errors.New("Content-Encoding is not aes128gcm")
	}
	payload, err := decrypt(b, body)
	if err == nil && !json.Valid(payload) {
		err = errors.New("the payload is not JSON")
	}
	return payload, err
}

// decrypt is the browser's side of RFC 8291: one aes128gcm record (RFC 8188).
func decrypt(b *browser, body []byte) ([]byte, error) {
	bad := errors.New("the payload cannot be decrypted")
	if len(body) < 21 {
		return nil, bad
	}
	salt, size, keyLen := body[:16], binary.BigEndian.Uint32(body[16:20]), int(body[20])
	if keyLen != 65 || len(body) < 21+keyLen+17 || uint32(len(body)-21-keyLen) > size {
		return nil, bad
	}
	sender, record := body[21:21+keyLen], body[21+keyLen:]
	pub, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, bad
	}
	secret, err := b.key.ECDH(pub)
	if err != nil {
		return nil, bad
	}
	info := "WebPush: info\x00" + string(b.key.PublicKey().Bytes()) + string(sender)
	ikm, err1 := hkdf.Key(sha256.New, secret, b.auth, info, 32)
	key, err2 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, err3 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, bad
	}
	plain = bytes.TrimRight(plain, "\x00")
	if len(plain) == 0 || plain[len(plain)-1] != 2 {
		return nil, bad
	}
	return plain[:len(plain)-1], nil
}
