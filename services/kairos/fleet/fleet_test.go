package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/kairos/fleet"
)

// api is the HTTP API as far as a fleet can tell: it validates what it gets, and pushes every message at once.
type api struct {
	t    *testing.T
	mu   sync.Mutex
	seen map[string]int    // by path or kind
	user map[string]string // user → device
	push func(fleet.Push)
	fail int // so many calls to refuse first
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail > 0 {
		a.fail--
		return answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}), nil
	}
	if r.Header.Get("Authorization") != "Bearer demo" {
		return answer(http.StatusUnauthorized, nil), nil
	}
	a.take(r.Method, r.URL.Path, body)
	return answer(http.StatusAccepted, nil), nil
}

func answer(status int, h http.Header) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(bytes.NewReader(nil))}
}

func (a *api) take(method, path string, body []byte) {
	kind := strings.Split(path, "/")[2]
	check := func(data []byte, v event.Validator) {
		require.NoError(a.t, event.DecodeStrict(data, v), "%s %s: %s", method, path, data)
	}
	each := func(fn func([]byte)) {
		var list []json.RawMessage
		require.NoError(a.t, json.Unmarshal(body, &list))
		for _, b := range list {
			fn(b)
		}
	}
	switch kind {
	case "users":
		check(body, new(event.User))
	case "devices":
		d := new(event.Device)
		check(body, d)
		a.user[d.UserID] = d.DeviceID
	case "events":
		each(func(b []byte) { check(b, new(event.Event)) })
	case "signals":
		each(func(b []byte) {
			s := new(event.Signal)
			check(b, s)
			a.seen[s.Kind]++
		})
	case "receipts":
		each(func(b []byte) {
			r := new(event.Receipt)
			check(b, r)
			require.Equal(a.t, "token of "+r.MessageID, r.Token)
			a.seen[r.Kind]++
		})
	case "messages":
		if method == http.MethodDelete {
			break
		}
		m := new(event.Message)
		check(body, m)
		require.NotEmpty(a.t, a.user[m.UserID], "nobody is asked for a push before the device is there")
		a.push(fleet.Push{MessageID: m.MessageID, DeviceID: a.user[m.UserID], Token: "token of " + m.MessageID})
	}
	a.seen[kind]++
}

func TestFleetLivesThroughThePublicAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{t: t, seen: map[string]int{}, user: map[string]string{}, fail: 3}
		f, err := fleet.New(fleet.Config{
			Phones: 30, URL: "http://kairos", Key: "demo", Seed: 1, Client: &http.Client{Transport: a}, Log: zerolog.Nop(),
			Subscribe: func(string) (string, error) { return `{"endpoint":"https://push/x"}`, nil },
			Pushes:    func(fn func(fleet.Push)) func() { a.push = fn; return func() {} },
		})
		require.NoError(t, err)
		done := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { done <- f.Run(ctx) }()

		time.Sleep(time.Minute)
		synctest.Wait()
		a.mu.Lock()
		require.Equal(t, 30, a.seen["users"])
		require.Equal(t, 30, a.seen["devices"])
		require.Greater(t, a.seen["messages"], 15, "there is something to see within a minute")
		require.Greater(t, a.seen["unlocked"], 3)
		a.mu.Unlock()

		require.NoError(t, <-done)
		require.Greater(t, a.seen["locked"], 50)
		require.Greater(t, a.seen["delivered"], 300)
		require.Greater(t, a.seen["opened"], 50)
		require.Greater(t, a.seen["dismissed"], 10)
		require.Greater(t, a.seen["displayed"], a.seen["opened"])
		require.Less(t, a.seen["unlocked"], 30*30, "nobody picks up the phone without a pause")
	})
}

func TestSamePersonEveryTime(t *testing.T) {
	t.Parallel()
	live := func() (out []fleet.Request) {
		p, err := fleet.NewPhone(3, 7, nil)
		require.NoError(t, err)
		now := time.Date(2026, 5, 4, 18, 0, 0, 0, time.UTC)
		out = p.Join(now)
		for range 50 {
			now = p.Due()
			out = append(out, p.Step(now)...)
		}
		return out
	}
	first := live()
	require.Equal(t, first, live())
}

func TestPeopleSleepAtNight(t *testing.T) {
	t.Parallel()
	unlocks := func(hour int) (n int) {
		for i := range 20 {
			p, err := fleet.NewPhone(5*i+1, uint64(i), nil)
			require.NoError(t, err)
			zone, err := time.LoadLocation(p.Device.TimeZone)
			require.NoError(t, err)
			now := time.Date(2026, 5, 4, hour, 0, 0, 0, zone)
			p.Join(now)
			for end := now.Add(time.Hour); p.Due().Before(end); {
				now = p.Due()
				for _, r := range p.Step(now) {
					if s, ok := r.Body.([]event.Signal); ok && s[0].Kind == "screen_on" {
						n++
					}
				}
			}
		}
		return n
	}
	require.Greater(t, unlocks(19), 10*unlocks(3))
}
