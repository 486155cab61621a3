package dispatch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/dispatch/push"
)

// route is an app as it is served now.
type route struct {
	app      App
	version  string
	limiter  *rate.Limiter
	circuits map[string]*circuit // by way
	faults   map[string]error
}

// routes are the apps, renewed while dispatch runs.
type routes struct {
	load    Loader
	dial    Dialer
	clock   clock.Clock
	log     zerolog.Logger
	metrics *metrics

	mu      sync.RWMutex
	apps    map[string]*route
	retired []retired
}

// retired is a route that has been replaced, and when nobody uses it any more.
type retired struct {
	route *route
	at    time.Time
}

// retireAfter is how long a replaced sender may finish what it has under way.
const retireAfter = time.Minute

// reload builds what has changed. An app that cannot be read keeps what it had.
func (r *routes) reload() error {
	apps, err := r.load()
	if err != nil {
		return err
	}
	r.mu.RLock()
	next := maps.Clone(r.apps)
	r.mu.RUnlock()
	if next == nil {
		next = map[string]*route{}
	}
	var old []*route
	for id, a := range apps {
		was := next[id]
		if was != nil && was.version == a.version {
			continue
		}
		if a.Err != nil {
			r.log.Error().Err(a.Err).Str("app_id", id).Msg("app_unreadable")
			if was != nil {
				was.version = a.version // said once
				continue
			}
		}
		next[id] = r.build(id, a)
		if was != nil {
			old = append(old, was)
			r.log.Info().Str("app_id", id).Msg("app_reloaded")
		}
	}
	for id, was := range next {
		if _, ok := apps[id]; !ok {
			delete(next, id)
			old = append(old, was)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = next
	now := r.clock.Now()
	for _, was := range old {
		r.retired = append(r.retired, retired{was, now.Add(retireAfter)})
	}
	r.retired = slices.DeleteFunc(r.retired, func(x retired) bool {
		if now.Before(x.at) {
			return false
		}
		x.route.close()
		return true
	})
	return nil
}

func (r *routes) build(id string, a App) *route {
	senders, faults := a.senders(r.dial, r.clock)
	out := &route{app: a, version: a.version, circuits: map[string]*circuit{}, faults: faults}
	if a.Rate.PerSecond > 0 {
		out.limiter = rate.NewLimiter(rate.Limit(a.Rate.PerSecond), max(a.Rate.Burst, 1))
	}
	for way, s := range senders {
		r.metrics.circuit.WithLabelValues(id, way).Set(0)
		out.circuits[way] = newCircuit(way, s, func(_ string, open bool, last push.Verdict) {
			r.changed(id, way, open, last)
		})
	}
	for way, err := range faults {
		r.metrics.circuit.WithLabelValues(id, way).Set(1)
		r.log.Error().Err(err).Str("app_id", id).Str("channel", way).Msg("credentials_wrong")
	}
	return out
}

func (r *routes) changed(id, channel string, open bool, last push.Verdict) {
	if !open {
		r.metrics.circuit.WithLabelValues(id, channel).Set(0)
		r.log.Info().Str("app_id", id).Str("channel", channel).Msg("circuit_half_open_or_closed")
		return
	}
	r.metrics.circuit.WithLabelValues(id, channel).Set(1)
	e := r.log.Warn().Str("app_id", id).Str("channel", channel).Str("class", last.Class.String()).Str("reason", last.Reason)
	if last.Fix != "" {
		e = e.Str("fix", last.Fix)
	}
	e.Msg("circuit_opened")
}

func (r *routes) app(id string) *route {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.apps[id]
}

// circuit is what a push of an app leaves through, or why there is nothing that may be tried now.
func (r *routes) circuit(id string, to event.Target, m *event.Message) (*circuit, string) {
	a := r.app(id)
	if a == nil {
		return nil, "unknown app"
	}
	way := a.app.way(to, m)
	switch {
	case a.faults[way] != nil:
		return nil, "credentials: " + a.faults[way].Error()
	case a.circuits[way] == nil:
		return nil, "the app has no credentials for " + way
	case !a.circuits[way].closed():
		return nil, "circuit open: " + a.circuits[way].reason()
	}
	return a.circuits[way], ""
}

// limiter of an app, nil for none.
func (r *routes) limiter(id string) *rate.Limiter {
	if a := r.app(id); a != nil {
		return a.limiter
	}
	return nil
}

func (r *routes) secret(id string) []byte {
	if a := r.app(id); a != nil {
		return a.app.ReceiptSecret
	}
	return nil
}

// watch reloads every so often until ctx ends.
func (r *routes) watch(ctx context.Context, every time.Duration) {
	failed := ""
	for r.clock.Sleep(ctx, every) == nil {
		err := r.reload() //nolint:contextcheck // what a sender fetches is for all its pushes
		if err != nil && err.Error() != failed {
			failed = err.Error()
			r.log.Error().Err(err).Msg("apps_unreadable")
		} else if err == nil {
			failed = ""
		}
	}
}

func (r *routes) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.apps {
		a.close()
	}
	for _, x := range r.retired {
		x.route.close()
	}
}

func (a *route) close() {
	for _, c := range a.circuits {
		c.sender.Close()
	}
}
