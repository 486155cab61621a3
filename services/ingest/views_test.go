package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLookupAndMomentsAnswerForTheApp(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(c *Config) {
		c.Lookup = func(_ context.Context, app, user, message string) (any, error) {
			if message != "m1" {
				return nil, ErrNotFound
			}
			return map[string]string{"app": app, "user": user}, nil
		}
		c.Moments = func(context.Context, string, string) (any, error) { return nil, errors.New("down") }
	})
	w := b.do(t, request{method: "GET", path: "/v1/messages/m1?user_id=u1"})
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"app":"shop","user":"u1"}`, w.Body.String())
	require.Equal(t, http.StatusNotFound, b.do(t, request{method: "GET", path: "/v1/messages/m2"}).Code)
	w = b.do(t, request{method: "GET", path: "/v1/users/u1/moments"})
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "down")
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Contains(t, b.logs.String(), "down", "the cause is in the log")
}

// As processes of their own: ingest asks the console and timing at their addresses.
func TestViewsOfOtherServices(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	status, body := http.StatusOK, `{"state":"held"}`
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.URL.Query().Encode()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	b := newBundle(t, func(c *Config) {
		var err error
		c.Lookup, err = MessagesAt(other.URL + "/")
		require.NoError(t, err)
		c.Moments, err = MomentsAt(other.URL)
		require.NoError(t, err)
	})
	message := request{method: "GET", path: "/v1/messages/a%2Fb%20%3F?user_id=u%261"}
	w := b.do(t, message)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, body, w.Body.String())
	require.Equal(t, "/console/message app_id=shop&message_id=a%2Fb+%3F&user_id=u%261", <-asked)
	w = b.do(t, request{method: "GET", path: "/v1/users/%2E%2E/moments"})
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, body, w.Body.String())
	require.Equal(t, "/moments app_id=shop&user_id=..", <-asked)

	for _, c := range []struct {
		status int
		body   string
		want   int
		log    string
	}{
		{404, "no such message", 404, ""},
		{503, "not now", 503, "answered 503"},
		{200, "<html>", 503, "not JSON"},
	} {
		status, body = c.status, c.body
		w = b.do(t, message)
		<-asked
		require.Equal(t, c.want, w.Code)
		require.Contains(t, b.logs.String(), c.log)
	}
	other.Close()
	w = b.do(t, message)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Contains(t, b.logs.String(), "connection refused")
	require.NotContains(t, b.logs.String(), "message_id", "ids are in no log")

	for _, bad := range []string{"console:8080", "ftp://console", "http://", "%"} {
		_, err := MessagesAt(bad)
		require.ErrorContains(t, err, "console-url: want http://HOST:PORT", bad)
		_, err = MomentsAt(bad)
		require.ErrorContains(t, err, "timing-url: want http://HOST:PORT", bad)
	}
}
