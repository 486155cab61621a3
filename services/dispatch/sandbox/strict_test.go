package sandbox_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

func start(t *testing.T) *sandbox.Gateways {
	t.Helper()
	g, err := sandbox.Start(t.Context(), sandbox.Options{Streams: 4})
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// answer of a gateway.
type answer struct {
	status int
	header http.Header
	text   string
	reason string // in the provider's form, if it has one
}

// client is a foreign one, with connections of its own.
func client(t *testing.T, g *sandbox.Gateways) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.CA, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(t *testing.T, c *http.Client, r *http.Request) answer {
	t.Helper()
	resp, err := c.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	var body struct {
		Reason string `json:"reason"`
		Error  struct {
			Status string `json:"status"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &body) == nil {
		a.reason = body.Reason + body.Error.Status
	}
	return a
}

func request(t *testing.T, target, body string, header map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	require.NoError(t, err)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return r
}

// bearer signs a provider token.
func bearer(t *testing.T, key []byte, keyID, teamID string, issued time.Time) string {
	t.Helper()
	k, err := jwt.ParseECPrivateKeyFromPEM(key)
	require.NoError(t, err)
	tok := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": teamID, "iat": issued.Unix()})
	tok.Header["kid"] = keyID
	s, err := tok.SignedString(k)
	require.NoError(t, err)
	return "bearer " + s
}

// good is a request to APNs that nothing is wrong with.
func good(t *testing.T, g *sandbox.Gateways) *http.Request {
	t.Helper()
	return request(t, g.APNsURL+"/3/device/"+strings.Repeat("ab", 32), `{"aps":{"alert":"x"},"kairos":{"message_id":"m","device_id":"d"}}`, map[string]string{
		"Authorization":  bearer(t, g.APNsKey, sandbox.KeyID, sandbox.TeamID, time.Now()),
		"Apns-Topic":     sandbox.Topic,
		"Apns-Push-Type": "alert",
		"Apns-Priority":  "10",
	})
}

func apnsRequest(t *testing.T, g *sandbox.Gateways, change func(r *http.Request)) answer {
	t.Helper()
	r := good(t, g)
	change(r)
	return ask(t, client(t, g), r)
}

// TestAPNsIsStrict: each breach of Apple's rules gets Apple's own answer.
func TestAPNsIsStrict(t *testing.T) {
	t.Parallel()
	g := start(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	path := func(p string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = p } }
	body := func(b string) func(*http.Request) {
		return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(b)), int64(len(b)) }
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": sandbox.TeamID, "iat": time.Now().Unix()}).SignedString(foreign)
	require.NoError(t, err)
	auth := func(keyID, teamID string, issued time.Time) func(*http.Request) {
		return set("Authorization", bearer(t, g.APNsKey, keyID, teamID, issued))
	}
	full := `{"aps":{},"x":"` + strings.Repeat("x", 4096-len(`{"aps":{},"x":""}`)) + `"}`
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
		reason string
	}{
		"nothing wrong":                 {func(*http.Request) {}, 200, ""},
		"GET":                           {func(r *http.Request) { r.Method = http.MethodGet }, 405, "MethodNotAllowed"},
		"another path":                  {path("/4/device/ab"), 404, "BadPath"},
		"no token":                      {path("/3/device/"), 400, "MissingDeviceToken"},
		"a token that is not hex":       {path("/3/device/xyz"), 400, "BadDeviceToken"},
		"no authorization":              {func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingProviderToken"},
		"a token signed by another key": {set("Authorization", "bearer "+signed), 403, "InvalidProviderToken"},
		"an unknown key id":             {auth("NOBODY", sandbox.TeamID, time.Now()), 403, "InvalidProviderToken"},
		"another team":                  {auth(sandbox.KeyID, sandbox.OtherTeamID, time.Now()), 403, "InvalidProviderToken"},
		"a token two hours old":         {auth(sandbox.KeyID, sandbox.TeamID, time.Now().Add(-2*time.Hour)), 403, "ExpiredProviderToken"},
		"no topic":                      {func(r *http.Request) { r.Header.Del("Apns-Topic") }, 400, "MissingTopic"},
		"a topic of somebody else":      {set("Apns-Topic", "com.example.else"), 400, "TopicDisallowed"},
		"a topic of another push type":  {set("Apns-Topic", sandbox.Topic+".voip"), 400, "BadTopic"},
		"a suffix that is missing":      {set("Apns-Push-Type", "voip"), 400, "TopicDisallowed"},
		"an unknown push type":          {set("Apns-Push-Type", "banner"), 400, "InvalidPushType"},
		"a priority between":            {set("Apns-Priority", "7"), 400, "BadPriority"},
		"an urgent background push":     {set("Apns-Push-Type", "background"), 400, "BadPriority"},
		"a collapse id of 65 B":         {set("Apns-Collapse-Id", strings.Repeat("x", 65)), 400, "BadCollapseId"},
		"an id that is no UUID":         {set("Apns-Id", "1"), 400, "BadMessageId"},
		"an expiration that is no time": {set("Apns-Expiration", "soon"), 400, "BadExpirationDate"},
		"a header twice":                {func(r *http.Request) { r.Header.Add("Apns-Topic", sandbox.Topic) }, 400, "DuplicateHeaders"},
		"no payload":                    {body(""), 400, "PayloadEmpty"},
		"a payload without aps":         {body(`{}`), 400, "PayloadEmpty"},
		"a payload that is not UTF-8":   {body("{\"aps\":{\"alert\":\"\xff\"}}"), 400, "PayloadEmpty"},
		"4096 B":                        {body(full), 200, ""},
		"4097 B":                        {body(full + " "), 413, "PayloadTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := apnsRequest(t, g, tt.change)
			require.Equal(t, tt.status, a.status)
			require.Equal(t, tt.reason, a.reason)
			require.NotEmpty(t, a.header.Get("Apns-Id"))
		})
	}
}

// TestAPNsWatchesTokensOnAConnection: one key, and no new token before 20 minutes have passed.
func TestAPNsWatchesTokensOnAConnection(t *testing.T) {
	t.Parallel()
	g := start(t)
	c := client(t, g)
	with := func(auth string) answer {
		r := good(t, g)
		r.Header.Set("Authorization", auth)
		return ask(t, c, r)
	}
	first := bearer(t, g.APNsKey, sandbox.KeyID, sandbox.TeamID, time.Now())
	require.Equal(t, 200, with(first).status)
	require.Equal(t, 200, with(first).status)
	require.Equal(t, "TooManyProviderTokenUpdates", with(bearer(t, g.APNsKey, sandbox.KeyID, sandbox.TeamID, time.Now().Add(time.Second))).reason)
	require.Equal(t, "UnrelatedKeyIdInToken", with(bearer(t, g.OtherAPNsKey, sandbox.OtherKeyID, sandbox.OtherTeamID, time.Now())).reason)
}

// TestAPNsSpeaksHTTP2: it says how many streams it takes, refuses those beyond, and HTTP/1.1 altogether.
func TestAPNsSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	g := start(t)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.CA, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	t.Cleanup(tr.CloseIdleConnections)
	require.Equal(t, http.StatusHTTPVersionNotSupported, ask(t, &http.Client{Transport: tr}, good(t, g)).status)

	u, err := url.Parse(g.APNsURL)
	require.NoError(t, err)
	nc, err := (&tls.Dialer{Config: &tls.Config{RootCAs: g.CA, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}}).DialContext(t.Context(), "tcp", u.Host)
	require.NoError(t, err)
	defer nc.Close()
	_, err = io.WriteString(nc, http2.ClientPreface)
	require.NoError(t, err)
	fr := http2.NewFramer(nc, nc)
	require.NoError(t, fr.WriteSettings())
	f, err := fr.ReadFrame()
	require.NoError(t, err)
	limit, ok := f.(*http2.SettingsFrame).Value(http2.SettingMaxConcurrentStreams)
	require.True(t, ok)
	require.Equal(t, uint32(4), limit)
	require.NoError(t, fr.WriteSettingsAck())
	require.NoError(t, fr.WritePing(false, [8]byte{}))
	for pong := false; !pong; { // from here on the gateway knows that the client knows its limit
		f, err := fr.ReadFrame()
		require.NoError(t, err)
		p, ok := f.(*http2.PingFrame)
		pong = ok && p.IsAck()
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	r := good(t, g)
	for id := uint32(1); id <= 2*limit+1; id += 2 { // none of them ends: one more than is allowed
		block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", u.Host}, {":path", r.URL.Path}} {
			require.NoError(t, enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
		}
		for name, v := range r.Header {
			require.NoError(t, enc.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: v[0]}))
		}
		require.NoError(t, fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}))
	}
	for {
		f, err := fr.ReadFrame()
		require.NoError(t, err)
		if r, ok := f.(*http2.RSTStreamFrame); ok && r.StreamID == 2*limit+1 {
			require.Equal(t, http2.ErrCodeProtocol, r.ErrCode)
			return
		}
	}
}

func TestFCMIsStrict(t *testing.T) {
	t.Parallel()
	g := start(t)
	c := client(t, g)
	send := func(auth, project, body string) answer {
		return ask(t, c, request(t, g.FCMURL+"/v1/projects/"+project+"/messages:send", body, map[string]string{"Authorization": auth}))
	}
	grant := func(change func(jwt.MapClaims)) answer {
		var account struct {
			Key   string `json:"private_key"`
			Email string `json:"client_email"`
			URI   string `json:"token_uri"`
		}
		require.NoError(t, json.Unmarshal(g.ServiceAccount, &account))
		key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(account.Key))
		require.NoError(t, err)
		claims := jwt.MapClaims{
			"iss": account.Email, "aud": account.URI, "scope": "https://www.googleapis.com/auth/firebase.messaging",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		change(claims)
		assertion, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
		require.NoError(t, err)
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
		return ask(t, c, request(t, account.URI, form.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}))
	}
	for name, change := range map[string]func(jwt.MapClaims){
		"audience": func(m jwt.MapClaims) { m["aud"] = "https://example.com" },
		"issuer":   func(m jwt.MapClaims) { m["iss"] = "x@example.com" },
		"expired":  func(m jwt.MapClaims) { m["exp"] = time.Now().Add(-time.Hour).Unix() },
		"scope":    func(m jwt.MapClaims) { m["scope"] = "email" },
	} {
		require.Equal(t, http.StatusBadRequest, grant(change).status, name)
	}
	granted := grant(func(jwt.MapClaims) {})
	require.Equal(t, http.StatusOK, granted.status)
	var token struct {
		Access string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(granted.text), &token))
	auth := "Bearer " + token.Access

	require.Equal(t, "UNAUTHENTICATED", send("Bearer made up", sandbox.Project, `{}`).reason)
	require.Equal(t, "PERMISSION_DENIED", send(auth, "another", `{}`).reason)
	full := func(n int) string {
		return `{"message":{"token":"t","data":{"k":"` + strings.Repeat("x", n-1) + `"}}}`
	}
	for body, status := range map[string]int{
		`{"message":{"token":"t","notification":{"title":"x"}}}`: 200,
		`{"message":{"fid":"f","data":{"k":"v"}}}`:               200,
		full(4096):                                                         200,
		full(4097):                                                         400,
		`{"message":`:                                                      400,
		`{"message":{}}`:                                                   400,
		`{"message":{"token":"t","fid":"f"}}`:                              400,
		`{"message":{"token":"a b"}}`:                                      400,
		`{"message":{"token":"t","tittle":""}}`:                            400,
		`{"message":{"token":"t"},"dry":true}`:                             400,
		`{"message":{"token":"t","data":{"k":1}}}`:                         400,
		`{"message":{"token":"t","data":{"google.x":"v"}}}`:                400,
		`{"message":{"token":"t","android":{"ttl":"1 hour"}}}`:             400,
		`{"message":{"token":"t","android":{"ttl":"2419201s"}}}`:           400,
		`{"message":{"token":"t","android":{"priority":"urgent"}}}`:        400,
		"{\"message\":{\"token\":\"t\",\"data\":{\"k\":\"\xff\"}}}":        400,
		`{"message":{"token":"t","apns":{"headers":{"apns-priority":5}}}}`: 400,
	} {
		require.Equal(t, status, send(auth, sandbox.Project, body).status, body[:min(len(body), 80)])
	}
}

func TestWebPushIsStrict(t *testing.T) {
	t.Parallel()
	g := start(t)
	c := client(t, g)
	text, err := g.Subscription("one")
	require.NoError(t, err)
	var sub struct {
		Endpoint string `json:"endpoint"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &sub))
	d, err := base64.RawURLEncoding.DecodeString(g.VAPIDPrivate)
	require.NoError(t, err)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	require.NoError(t, err)
	vapid := func(change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"aud": g.WebPushURL, "exp": time.Now().Add(time.Hour).Unix(), "sub": "mailto:ops@example.com"}
		change(claims)
		s, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
		require.NoError(t, err)
		return "vapid t=" + s + ", k=" + g.VAPIDPublic
	}
	fine := vapid(func(jwt.MapClaims) {})
	for name, tt := range map[string]struct {
		header map[string]string
		status int
	}{
		"no authorization":          {map[string]string{"Authorization": ""}, 401},
		"another audience":          {map[string]string{"Authorization": vapid(func(m jwt.MapClaims) { m["aud"] = "https://example.com" })}, 401},
		"a token for a week":        {map[string]string{"Authorization": vapid(func(m jwt.MapClaims) { m["exp"] = time.Now().AddDate(0, 0, 7).Unix() })}, 401},
		"a token for ever":          {map[string]string{"Authorization": vapid(func(m jwt.MapClaims) { delete(m, "exp") })}, 401},
		"nobody to write to":        {map[string]string{"Authorization": vapid(func(m jwt.MapClaims) { m["sub"] = "ops" })}, 401},
		"mailto: twice":             {map[string]string{"Authorization": vapid(func(m jwt.MapClaims) { m["sub"] = "mailto:mailto:a@example.com" })}, 401},
		"another app's key":         {map[string]string{"Authorization": strings.Replace(fine, "k=B", "k=C", 1)}, 403},
		"no TTL":                    {map[string]string{"TTL": ""}, 400},
		"an unknown urgency":        {map[string]string{"Urgency": "now"}, 400},
		"a topic of 33 characters":  {map[string]string{"Topic": strings.Repeat("x", 33)}, 400},
		"an old encoding":           {map[string]string{"Content-Encoding": "aesgcm"}, 400},
		"a body that is not sealed": {map[string]string{}, 400},
	} {
		header := map[string]string{"Authorization": fine, "TTL": "60", "Content-Encoding": "aes128gcm"}
		maps.Copy(header, tt.header)
		require.Equal(t, tt.status, ask(t, c, request(t, sub.Endpoint, strings.Repeat("x", 200), header)).status, name)
	}
	header := map[string]string{"Authorization": fine, "TTL": "60", "Content-Encoding": "aes128gcm"}
	require.Equal(t, 413, ask(t, c, request(t, sub.Endpoint, strings.Repeat("x", 4097), header)).status)
	require.Equal(t, 404, ask(t, c, request(t, g.WebPushURL+"/push/nobody", "", header)).status)
	g.Unsubscribe("one")
	require.Equal(t, 410, ask(t, c, request(t, sub.Endpoint, "", header)).status)
}
