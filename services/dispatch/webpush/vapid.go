package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A VAPID token lives at most 24 h (RFC 8292 §2).
const (
	vapidLife  = 12 * time.Hour
	vapidRenew = 6 * time.Hour
	maxOrigins = 1024
)

// vapid signs one token per push service and keeps it.
type vapid struct {
	key     *ecdsa.PrivateKey
	public  string
	subject string

	mu      sync.Mutex
	origins map[string]signed
}

type signed struct {
	header string
	at     time.Time
}

func newVAPID(public, private, subject string) (*vapid, error) {
	d, err := decode(private)
	if err != nil {
		return nil, fmt.Errorf("webpush: private_key: %w", err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		return nil, fmt.Errorf("webpush: private_key: %w", err)
	}
	pub, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("webpush: private_key: %w", err)
	}
	given, err := decode(public)
	if err != nil || string(given) != string(pub) {
		return nil, errors.New("webpush: public_key is not that of private_key")
	}
	switch {
	case subject == "":
		return nil, errors.New("webpush: subscriber (a mailto: or https: address of the app's operator) is missing")
	case !strings.HasPrefix(subject, "https:") && !strings.HasPrefix(subject, "mailto:"):
		subject = "mailto:" + subject
	}
	return &vapid{
		key: key, public: base64.RawURLEncoding.EncodeToString(pub), subject: subject, origins: map[string]signed{},
	}, nil
}

// header is the Authorization for a push service.
func (v *vapid) header(origin string, now time.Time) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, ok := v.origins[origin]; ok && now.Before(s.at.Add(vapidRenew)) && !now.Before(s.at) {
		return s.header, nil
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"aud": origin, "exp": now.Add(vapidLife).Unix(), "sub": v.subject,
	})
	text, err := t.SignedString(v.key)
	if err != nil {
		return "", err
	}
	if len(v.origins) >= maxOrigins { // origins are the subscribers' word
		clear(v.origins)
	}
	h := "vapid t=" + text + ", k=" + v.public
	v.origins[origin] = signed{header: h, at: now}
	return h, nil
}
