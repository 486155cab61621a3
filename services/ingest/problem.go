package ingest

import (
	"net/http"
	"strconv"

	"github.com/kairos-push/kairos/pkg/event"
)

// problem is an answer of RFC 9457, "Problem Details for HTTP APIs". Type is about:blank, which means that the status
// says it all; Errors and Items are the extension members.
type problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitzero"`
	Errors []fault      `json:"errors,omitzero"` // of the one record of the request
	Items  []itemAnswer `json:"items,omitzero"`  // of an array

	retryAfter int   // seconds; 0: no header
	cause      error // for the log, not for the client
}

// fault is one broken rule.
type fault struct {
	Field string `json:"field,omitzero"`
	Rule  string `json:"rule"`
	Value string `json:"value,omitzero"`
}

func faults(err error) []fault {
	var out []fault
	for _, f := range event.Faults(err) {
		out = append(out, fault(f))
	}
	return out
}

func (p *problem) write(w http.ResponseWriter) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	reply(w, p.Status, "application/problem+json", p)
}

func reply(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := event.Encode(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"type":"about:blank","title":"Internal Server Error","status":500}`)
		contentType = "application/problem+json"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
