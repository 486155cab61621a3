package fcm

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// tokens keeps the OAuth token of a service account fresh. One refresh runs at a time, in the background, so that a
// token endpoint which does not answer holds up no attempt for longer than the attempt's own deadline.
type tokens struct {
	fetch func() (*oauth2.Token, error)

	mu      sync.Mutex
	token   *oauth2.Token
	header  string // Authorization, with token
	err     error
	tried   time.Time
	running chan struct{} // closed when the refresh under way ends
}

const (
	renewBefore = 5 * time.Minute
	tokenRetry  = 5 * time.Second
)

// get returns the Authorization of a request, waiting for a refresh only when there is no valid token.
func (t *tokens) get(ctx context.Context, now time.Time) (string, error) {
	for {
		t.mu.Lock()
		valid := t.token != nil && now.Before(t.token.Expiry)
		if (!valid || now.Add(renewBefore).After(t.token.Expiry)) && t.running == nil {
			if t.err != nil && now.Sub(t.tried) < tokenRetry && !valid {
				defer t.mu.Unlock()
				return "", t.err
			}
			if t.err == nil || now.Sub(t.tried) >= tokenRetry {
				t.refresh(now)
			}
		}
		if valid {
			defer t.mu.Unlock()
			return t.header, nil
		}
		running := t.running
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-running:
		}
	}
}

// refresh starts a fetch; t.mu is held.
func (t *tokens) refresh(now time.Time) {
	running := make(chan struct{})
	t.running, t.tried = running, now
	go func() {
		tok, err := t.fetch()
		if err == nil && (tok.AccessToken == "" || !now.Before(tok.Expiry)) { // else it would be asked again at once
			err = errors.New("the token endpoint gave no token that is valid for a time")
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err == nil {
			t.token, t.header = tok, "Bearer "+tok.AccessToken
		}
		t.err, t.running = err, nil
		close(running)
	}()
}
