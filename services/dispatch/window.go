package dispatch

import (
	"context"
	"sync"
)

// window bounds the releases of a lane that are in memory and not parked. An app gets room as long as it has less than
// is free (a dynamic threshold, Choudhury and Hahne 1998): one app alone gets half, and there is always some left for
// the next one.
type window struct {
	limit int

	mu      sync.Mutex
	used    int
	apps    map[string]int
	changed chan struct{} // closed and renewed when room gets free
}

func newWindow(limit int) *window {
	return &window{limit: limit, apps: map[string]int{}, changed: make(chan struct{})}
}

// admit takes room for a release of the app, if there is some.
func (w *window) admit(app string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.apps[app] >= w.limit-w.used {
		return false
	}
	w.used++
	w.apps[app]++
	return true
}

// wait takes room as soon as there is some; false when ctx ends, or stopping is closed, first.
func (w *window) wait(ctx context.Context, stopping <-chan struct{}, app string) bool {
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if w.admit(app) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-stopping:
			return false
		case <-changed:
		}
	}
}

// release gives room back.
func (w *window) release(app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	if w.apps[app]--; w.apps[app] == 0 {
		delete(w.apps, app)
	}
	close(w.changed)
	w.changed = make(chan struct{})
}
