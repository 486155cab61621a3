package dispatch

import (
	"container/heap"
	"maps"
	"slices"
)

// leastClean is how many offsets that are done with do not matter.
const leastClean = 1024

// watermark knows which releases of a partition are done with, and so up to where the log may be committed. Releases
// are done out of order; the log is not.
type watermark struct {
	next int64 // the offset behind the newest release taken
	open map[int64]struct{}
	heap offsets // of open, lazily cleaned
	// behind is where the backlog begins: from there on, releases were passed over. -1: there is none.
	behind int64
}

func newWatermark(next int64) *watermark {
	return &watermark{next: next, open: map[int64]struct{}{}, behind: -1}
}

// begin notes that the release at an offset is being worked on.
func (w *watermark) begin(offset int64) {
	w.open[offset] = struct{}{}
	heap.Push(&w.heap, offset)
	w.passed(offset)
}

// passed notes that the reader is behind an offset.
func (w *watermark) passed(offset int64) { w.next = max(w.next, offset+1) }

// done notes that the release needs to be read no more. While a backlog is worked off, its oldest release is never done for
// long, and what came after it piles up behind it.
func (w *watermark) done(offset int64) {
	delete(w.open, offset)
	if len(w.heap) > 2*len(w.open)+leastClean {
		w.heap = slices.Sorted(maps.Keys(w.open)) // sorted is a heap
	}
}

// mark is the offset of the first release that is not done with.
func (w *watermark) mark() int64 {
	mark := w.next
	if w.behind >= 0 {
		mark = w.behind
	}
	for len(w.heap) > 0 {
		if _, ok := w.open[w.heap[0]]; ok {
			return min(mark, w.heap[0])
		}
		heap.Pop(&w.heap)
	}
	return mark
}

// offsets is a min-heap.
type offsets []int64

func (h offsets) Len() int           { return len(h) }
func (h offsets) Less(i, j int) bool { return h[i] < h[j] }
func (h offsets) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *offsets) Push(x any) { *h = append(*h, x.(int64)) }

// Pop implements heap.Interface.
func (h *offsets) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
