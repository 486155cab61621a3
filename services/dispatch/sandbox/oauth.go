package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	clientEmail = "sender@" + Project + ".iam.gserviceaccount.com"
	oauthScope  = "https://www.googleapis.com/auth/firebase.messaging"
	oauthLife   = time.Hour
)

// oauth is Google's token endpoint for one service account.
type oauth struct {
	key *rsa.PrivateKey

	mu     sync.Mutex
	issued map[string]time.Time // access token → expiry
}

func newOAuth() (*oauth, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return &oauth{key: key, issued: map[string]time.Time{}}, err
}

// account is the JSON that the Firebase console would give.
func (o *oauth) account(base string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(o.key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": Project, "private_key_id": "1", "client_email": clientEmail, "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   base + "/token",
	})
}

// serve answers a JWT bearer grant (RFC 7523) with an access token.
func (o *oauth) serve(w http.ResponseWriter, r *http.Request, now time.Time) {
	answer := func(status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	if err := o.check(r, now); err != nil {
		answer(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	token := "sandbox." + rand.Text()
	o.mu.Lock()
	o.issued[token] = now.Add(oauthLife)
	o.mu.Unlock()
	answer(http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(oauthLife / time.Second)})
}

func (o *oauth) check(r *http.Request, now time.Time) error {
	if r.Method != http.MethodPost || r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return errors.New("want a POST with a JWT bearer grant")
	}
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(time.Minute),
		jwt.WithIssuer(clientEmail), jwt.WithAudience("https://"+r.Host+"/token"), jwt.WithExpirationRequired(),
	).ParseWithClaims(r.PostFormValue("assertion"), claims, func(*jwt.Token) (any, error) { return &o.key.PublicKey, nil })
	if err != nil {
		return err
	}
	if scope, _ := claims["scope"].(string); !strings.Contains(scope, oauthScope) && !strings.Contains(scope, "cloud-platform") {
		return errors.New("scope does not allow to send messages")
	}
	return nil
}

func (o *oauth) valid(r *http.Request, now time.Time) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	o.mu.Lock()
	defer o.mu.Unlock()
	return ok && now.Before(o.issued[token])
}
