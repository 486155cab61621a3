package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/services/console/arms"
	"github.com/kairos-push/kairos/services/console/ledger"
)

//go:embed web
var files embed.FS

const (
	snapshotRows = 150 // of each list, when a page opens
	updateRows   = 300 // in one update; beyond it the page is sent a new snapshot
	pace         = 250 * time.Millisecond
	heartbeat    = 15 * time.Second
)

// update is one message of the event stream.
type update struct {
	// Reset says that the page must forget what it shows.
	Reset    bool         `json:"reset,omitzero"`
	Now      time.Time    `json:"now"`
	Total    ledger.Row   `json:"total"`
	Rows     []ledger.Row `json:"rows"`
	Arms     []arms.Row   `json:"arms"`
	Messages []Message    `json:"messages"`
}

func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	web, err := fs.Sub(files, "web")
	if err != nil {
		panic(err) // the folder is embedded
	}
	static := http.FileServerFS(web)
	for _, path := range []string{"GET /{$}", "GET /console.js", "GET /console.css", "GET /icon.svg"} {
		mux.Handle(path, static)
	}
	mux.HandleFunc("GET /console/events", c.events)
	mux.HandleFunc("GET /console/message", c.message)
	return mux
}

// ServeHTTP answers the page and its data.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	c.mux.ServeHTTP(w, r)
}

func (c *Console) message(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d, ok := c.Lookup(q.Get("app_id"), q.Get("user_id"), q.Get("message_id"))
	if !ok {
		http.Error(w, "no such message among the newest; `kairos why` searches the whole topic", http.StatusNotFound)
		return
	}
	body, err := event.Encode(d)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}

// events sends a snapshot and then, at most every pace, what has changed. It ends with the request or the console.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil {
		return
	}
	var seq uint64
	for first := true; ; first = false {
		u, next, changed := c.update(seq, first)
		seq = next
		data, err := event.Encode(u)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil || rc.Flush() != nil {
			return
		}
		if !c.wait(r, changed, w, rc) {
			return
		}
	}
}

// wait returns when something has changed and pace has passed; false when the stream is over.
func (c *Console) wait(r *http.Request, changed <-chan struct{}, w http.ResponseWriter, rc *http.ResponseController) bool {
	for {
		beat := c.deps.Clock.Timer(heartbeat)
		select {
		case <-changed:
			beat.Stop()
			select {
			case <-c.done:
				return false
			default:
				return c.deps.Clock.Sleep(r.Context(), pace) == nil
			}
		case <-beat.C:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil || rc.Flush() != nil {
				return false
			}
		case <-c.done:
			beat.Stop()
			return false
		case <-r.Context().Done():
			beat.Stop()
			return false
		}
	}
}

func (c *Console) update(seq uint64, reset bool) (u update, next uint64, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u.Now = c.deps.Clock.Now()
	u.Rows = c.view.book.Rows()
	u.Total = ledger.Total(u.Rows)
	u.Arms = c.view.arms.Rows()
	if !reset {
		u.Messages = c.view.since(seq, updateRows+1)
		reset = len(u.Messages) > updateRows
	}
	if reset {
		u.Reset = true
		u.Messages = c.view.snapshot(snapshotRows)
	}
	return u, c.view.seq, c.changed
}
