package learn

import (
	"cmp"
	"container/heap"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// span is a stretch of one partition: offsets [from, to).
type span struct {
	topic     topic.Topic
	partition int
	from, to  int64
}

// read hands the records of a span to fn, in order.
type read func(ctx context.Context, s span, fn func([]stream.Record) error) error

// merge hands the records of all spans to fn, one at a time, by their time; those of one partition stay in order, and
// equal times go by topic and partition. Records that keep refuses are left out before they take memory.
func merge(ctx context.Context, spans []span, from read, keep func(*stream.Record) bool, fn func(*stream.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	defer func() { _ = g.Wait() }() // whatever fn comes to, no reader outlives the merge
	defer cancel()
	var heads heads
	for _, s := range spans {
		out := make(chan []stream.Record)
		g.Go(func() error {
			defer close(out)
			return from(ctx, s, func(recs []stream.Record) error {
				kept := make([]stream.Record, 0, len(recs))
				for i := range recs {
					if keep(&recs[i]) {
						kept = append(kept, recs[i])
					}
				}
				if len(kept) == 0 {
					return nil
				}
				select {
				case out <- kept:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
		heads = append(heads, &head{out: out})
	}
	live := heads[:0]
	for _, h := range heads {
		if h.advance() {
			live = append(live, h)
		}
	}
	heads = live
	heap.Init(&heads)
	for len(heads) > 0 {
		h := heads[0]
		if err := fn(&h.recs[0]); err != nil {
			return err
		}
		if h.recs = h.recs[1:]; h.advance() {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return g.Wait()
}

// head is the next record of a span.
type head struct {
	out  <-chan []stream.Record
	recs []stream.Record
}

// advance makes sure that there is a record; false at the end.
func (h *head) advance() bool {
	if len(h.recs) == 0 {
		h.recs = <-h.out
	}
	return len(h.recs) > 0
}

type heads []*head

func (h heads) Len() int      { return len(h) }
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h heads) Less(i, j int) bool {
	a, b := &h[i].recs[0], &h[j].recs[0]
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition)) < 0
}

// Push is for container/heap.
func (h *heads) Push(x any) { *h = append(*h, x.(*head)) } //nolint:forcetypeassert // the heap holds nothing else

// Pop is for container/heap.
func (h *heads) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
