package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/dispatch/sandbox"
)

// TestTheInspectorOverHTTP: rules go in, what arrived comes out, and other sites' pages are kept away.
func TestTheInspectorOverHTTP(t *testing.T) {
	t.Parallel()
	g := start(t)
	h := g.Handler("/sandbox/")
	ask := func(method, path, body string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		require.NoError(t, err)
		return w.Code, string(text)
	}
	const rule = `{"gateway":"apns","address":"aa","latency":"5ms","status":503,"reason":"ServiceUnavailable","retry_after":"90s","times":1}`
	code, text := ask(http.MethodPost, "/sandbox/rules", rule)
	require.Equal(t, http.StatusCreated, code, text)
	_, text = ask(http.MethodGet, "/sandbox/rules", "")
	require.JSONEq(t, `[{"gateway":"apns","address":"aa","latency":"5ms","status":503,"reason":"ServiceUnavailable","retry_after":"1m30s","times":1}]`, text)

	token := strings.Repeat("aa", 32)
	resp := apnsRequest(t, g, func(r *http.Request) { r.URL.Path = "/3/device/" + token })
	require.Equal(t, http.StatusServiceUnavailable, resp.status)
	require.Equal(t, "90", resp.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, apnsRequest(t, g, func(r *http.Request) { r.URL.Path = "/3/device/" + token }).status, "once")

	var got []sandbox.Arrival
	list := func(query string) []sandbox.Arrival {
		code, text := ask(http.MethodGet, "/sandbox/pushes"+query, "")
		require.Equal(t, http.StatusOK, code, text)
		got = nil
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		return got
	}
	require.Len(t, list(""), 1)
	require.Equal(t, token, got[0].Address)
	require.Equal(t, "m", got[0].MessageID)
	require.WithinDuration(t, time.Now(), got[0].At, time.Minute)
	require.Len(t, list("?gateway=apns&message=m&device=d&after=0"), 1)
	require.Empty(t, list("?after=1"))
	require.Empty(t, list("?gateway=fcm"))
	require.Empty(t, list("?message=other"))

	code, _ = ask(http.MethodDelete, "/sandbox/rules", "")
	require.Equal(t, http.StatusNoContent, code)
	_, text = ask(http.MethodGet, "/sandbox/rules", "")
	require.JSONEq(t, `[]`, text)

	for body, says := range map[string]string{
		`{"gateway":"sms"}`: "gateway", `{"fault":"flood"}`: "fault", `{"status":99}`: "status", `{"latency":"soon"}`: "latency",
		`{"every":-1}`: "every", `{"speed":1}`: "speed", `{`: "unexpected EOF",
	} {
		code, text := ask(http.MethodPost, "/sandbox/rules", body)
		require.Equal(t, http.StatusBadRequest, code, body)
		require.Contains(t, text, says)
	}
	code, _ = ask(http.MethodGet, "/sandbox/pushes?after=x", "")
	require.Equal(t, http.StatusBadRequest, code)
	code, _ = ask(http.MethodPost, "/sandbox/rules", rule, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, code)
	code, text = ask(http.MethodGet, "/sandbox/", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "Sandbox gateways")
}
