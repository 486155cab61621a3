package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/topic"
)

// handler answers one route for the app that the API key belongs to.
type handler func(w http.ResponseWriter, r *http.Request, app App) *problem

func (s *Ingest) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"POST /v1/messages":          s.post(topic.InMessages),
		"POST /v1/events":            s.post(topic.InEvents),
		"POST /v1/signals":           s.post(topic.InSignals),
		"POST /v1/receipts":          s.post(topic.InReceipts),
		"PUT /v1/devices/{id}":       s.withBody(s.putDevice),
		"PUT /v1/users/{id}":         s.withBody(s.putUser),
		"DELETE /v1/users/{id}":      s.eraseUser,
		"DELETE /v1/messages/{id}":   s.cancelMessage,
		"GET /v1/messages/{id}":      s.getMessage,
		"GET /v1/users/{id}/moments": s.getMoments,
	} {
		mux.Handle(pattern, s.authenticated(h))
	}
	return mux
}

// authenticated finds the app by "Authorization: Bearer KEY".
func (s *Ingest) authenticated(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		a, ok := s.cfg.Apps.ByKey(strings.TrimSpace(key))
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="kairos"`)
			(&problem{Status: http.StatusUnauthorized, Detail: `want "Authorization: Bearer KEY" with an API key of an app`}).write(w)
			return
		}
		p := h(w, r, appOf(a))
		if p != nil {
			p.write(w)
		}
		if l, ok := w.(*recorder); ok {
			l.app = a.AppID
			if p != nil {
				l.cause = p.cause
			}
		}
	})
}

// ServeHTTP answers the API, and logs and counts each request once. Bodies, ids and keys are in no log.
func (s *Ingest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := s.deps.Clock.Now()
	_, route := s.mux.Handler(r)
	if route == "" {
		route = "none"
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := s.deps.Tracer.Start(ctx, route, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()

	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	r = r.WithContext(ctx)
	if route == "none" {
		s.noRoute(rec, r)
	} else {
		s.mux.ServeHTTP(rec, r) // sets the path values
	}

	took := s.deps.Clock.Since(begun)
	s.metrics.requests.WithLabelValues(route, strconv.Itoa(rec.status)).Inc()
	s.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
	level := zerolog.DebugLevel
	if rec.status >= http.StatusInternalServerError {
		level = zerolog.WarnLevel
	}
	s.deps.Log.WithLevel(level).Str("route", route).Int("status", rec.status).Str("app_id", rec.app).Int64("bytes_in", r.ContentLength).
		Dur("took_ms", took).Str("trace_id", traceID(ctx)).AnErr("error", rec.cause).Msg("http_request")
}

func traceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// noRoute says 404 or 405 as the mux would, in problem+json.
func (s *Ingest) noRoute(w http.ResponseWriter, r *http.Request) {
	probe := &recorder{ResponseWriter: discard{http.Header{}}}
	s.mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.Header().Get("Allow"))
	} else {
		probe.status = http.StatusNotFound
	}
	(&problem{Status: probe.status, Detail: r.Method + " is not offered at this path"}).write(w)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	app    string
	cause  error // of a problem that is ours
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// cancelMessage takes back a message that is not released yet.
func (s *Ingest) cancelMessage(w http.ResponseWriter, r *http.Request, app App) *problem {
	return s.one(w, r, app, topic.InMessages, &event.Cancel{
		Type: event.KindCancel, UserID: r.URL.Query().Get("user_id"), MessageID: r.PathValue("id"),
	})
}

// eraseUser forgets a person.
func (s *Ingest) eraseUser(w http.ResponseWriter, r *http.Request, app App) *problem {
	return s.one(w, r, app, topic.InUsers, &event.User{UserID: r.PathValue("id"), Erase: true})
}

// one accepts a record that the API itself wrote; it passes the same checks as any other.
func (s *Ingest) one(w http.ResponseWriter, r *http.Request, app App, in topic.Topic, v any) *problem {
	data, err := event.Encode(v)
	if err != nil {
		return &problem{Status: http.StatusBadRequest, Detail: err.Error()}
	}
	return s.take(w, r, app, []input{{in: in, data: data}}, false)
}

func (s *Ingest) getMessage(w http.ResponseWriter, r *http.Request, app App) *problem {
	if s.cfg.Lookup == nil {
		return &problem{Status: http.StatusServiceUnavailable, Detail: "where messages stand is for the console to say: start ingest with --console-url"}
	}
	v, err := s.cfg.Lookup(r.Context(), app.ID, r.URL.Query().Get("user_id"), r.PathValue("id"))
	return answer(w, v, err, "the console could not be asked; send the same request again")
}

func (s *Ingest) getMoments(w http.ResponseWriter, r *http.Request, app App) *problem {
	if s.cfg.Moments == nil {
		return &problem{Status: http.StatusServiceUnavailable, Detail: "scores are for timing to say: start ingest with --timing-url"}
	}
	v, err := s.cfg.Moments(r.Context(), app.ID, r.PathValue("id"))
	return answer(w, v, err, "timing could not be asked; send the same request again")
}

func answer(w http.ResponseWriter, v any, err error, away string) *problem {
	switch {
	case errors.Is(err, ErrNotFound):
		return &problem{Status: http.StatusNotFound, Detail: "not known here; what ended long ago is forgotten"}
	case err != nil:
		return &problem{Status: http.StatusServiceUnavailable, Detail: away, retryAfter: 1, cause: err}
	}
	reply(w, http.StatusOK, "application/json", v)
	return nil
}
