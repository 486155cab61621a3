package fold

import (
	"container/heap"
	"time"
)

// dues is when each user's wake-up is due: an indexed heap in the order of time, then key, so that equal times fire in
// the same order everywhere. Times are whole milliseconds, as in Redis, rounded up: nothing fires early.
type dues struct {
	items []dueItem
	at    map[string]int // key → place in items
}

type dueItem struct {
	key string
	ms  int64
}

func newDues() *dues { return &dues{at: map[string]int{}} }

// millis rounds a due time up to the millisecond at which it fires; 0 is never.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(1, t.Add(time.Millisecond-1).UnixMilli())
}

// set moves a key to ms; 0 takes it out.
func (d *dues) set(key string, ms int64) {
	i, ok := d.at[key]
	switch {
	case ms == 0 && ok:
		heap.Remove((*dueHeap)(d), i)
	case ms == 0:
	case ok:
		d.items[i].ms = ms
		heap.Fix((*dueHeap)(d), i)
	default:
		heap.Push((*dueHeap)(d), dueItem{key, ms})
	}
}

// next is the earliest item.
func (d *dues) next() (dueItem, bool) {
	if len(d.items) == 0 {
		return dueItem{}, false
	}
	return d.items[0], true
}

// take removes up to n items that are due at now.
func (d *dues) take(now time.Time, n int) []dueItem {
	var out []dueItem
	for len(out) < n && len(d.items) > 0 && d.items[0].ms <= now.UnixMilli() {
		out = append(out, heap.Pop((*dueHeap)(d)).(dueItem))
	}
	return out
}

// hasten brings everything forward to within spread of now, evenly.
func (d *dues) hasten(now time.Time, spread time.Duration) {
	for i := range d.items {
		at := now.Add(spread * time.Duration(i) / time.Duration(len(d.items)))
		d.items[i].ms = min(d.items[i].ms, at.UnixMilli())
	}
	heap.Init((*dueHeap)(d))
}

// dueHeap gives container/heap its methods without showing them on dues.
type dueHeap dues

func (h *dueHeap) Len() int { return len(h.items) }

func (h *dueHeap) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	return a.ms < b.ms || a.ms == b.ms && a.key < b.key
}

func (h *dueHeap) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.at[h.items[i].key], h.at[h.items[j].key] = i, j
}

func (h *dueHeap) Push(x any) {
	item := x.(dueItem)
	h.at[item.key] = len(h.items)
	h.items = append(h.items, item)
}

func (h *dueHeap) Pop() any {
	item := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	delete(h.at, item.key)
	return item
}
