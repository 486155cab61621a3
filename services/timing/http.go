package timing

import (
	"context"
	"fmt"
	"net/http"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/pkg/state"
)

// Moments is the score curve of a person of an app, by the models in use and the profile as enrich stored it; not known
// if there is none.
func (t *Timing) Moments(ctx context.Context, app, user string) (c Curve, known bool, err error) {
	data, err := state.Read(ctx, t.redis, "enrich", event.Key(app, user))
	if err != nil || data == nil {
		return Curve{}, false, err
	}
	p, err := profile.Decode(data)
	if err != nil {
		return Curve{}, false, fmt.Errorf("timing: profile: %w", err)
	}
	return t.engine.Moments(app, p, t.clock.Now()), true, nil
}

// ServeHTTP answers GET /moments?app_id=&user_id= for other services; it belongs on an internal network.
func (t *Timing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != "/moments" {
		http.Error(w, "want GET /moments?app_id=&user_id=", http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	c, known, err := t.Moments(r.Context(), q.Get("app_id"), q.Get("user_id"))
	if err != nil {
		t.log.Warn().Err(err).Msg("moments_not_read")
		http.Error(w, "the profile could not be read", http.StatusServiceUnavailable)
		return
	}
	if !known {
		http.Error(w, "no such person", http.StatusNotFound)
		return
	}
	body, err := event.Encode(c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}
