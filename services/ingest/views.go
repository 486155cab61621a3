package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// What is not ingest's to know, and who knows it.
type (
	// Lookup says where a message of an app stands: any value that encodes as JSON, or ErrNotFound. user may be empty.
	Lookup func(ctx context.Context, app, user, message string) (any, error)
	// Moments is the score curve of a person, likewise.
	Moments func(ctx context.Context, app, user string) (any, error)
)

// ErrNotFound is what a Lookup and a Moments return for what they do not know.
var ErrNotFound = errors.New("not found")

// MessagesAt is a Lookup that asks the console at base, for example http://console:8080.
func MessagesAt(base string) (Lookup, error) {
	u, err := baseURL(base)
	if err != nil {
		return nil, fmt.Errorf("console-url: %w", err)
	}
	u = u.JoinPath("console/message")
	return func(ctx context.Context, app, user, message string) (any, error) {
		return ask(ctx, *u, url.Values{"app_id": {app}, "user_id": {user}, "message_id": {message}})
	}, nil
}

// MomentsAt is a Moments that asks timing at base, for example http://timing:8082.
func MomentsAt(base string) (Moments, error) {
	u, err := baseURL(base)
	if err != nil {
		return nil, fmt.Errorf("timing-url: %w", err)
	}
	u = u.JoinPath("moments")
	return func(ctx context.Context, app, user string) (any, error) {
		return ask(ctx, *u, url.Values{"app_id": {app}, "user_id": {user}})
	}, nil
}

func baseURL(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("want http://HOST:PORT, got %.200q", base)
	}
	return u, nil
}

// askWithin bounds a question to another service: both answer from memory, or one round trip to Redis.
const askWithin = 5 * time.Second

// ask reads what another service says about something. Its errors hold no ids.
func ask(ctx context.Context, at url.URL, about url.Values) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	host := at.Host
	at.RawQuery = about.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", host, withoutURL(err))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", host, withoutURL(err))
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, ErrNotFound
	default:
		return nil, fmt.Errorf("ask %s: answered %s", host, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", host, withoutURL(err))
	}
	if v := jsontext.Value(body); v.IsValid() {
		return v, nil
	}
	return nil, fmt.Errorf("ask %s: the answer is not JSON", host)
}

func withoutURL(err error) error {
	if of := (*url.Error)(nil); errors.As(err, &of) {
		return of.Err
	}
	return err
}
