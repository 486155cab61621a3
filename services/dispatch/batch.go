package dispatch

import (
	"context"
	"sync"
)

// batch gathers calls that come together, from many workers, into one round trip. Nobody waits for a batch to fill:
// what queues up while the others are under way leaves together.
type batch[T, R any] struct {
	most  int
	calls chan batched[T, R]
	run   func(ctx context.Context, in []T) ([]R, error)
}

type batched[T, R any] struct {
	in  T
	out chan<- answered[R]
}

type answered[R any] struct {
	out R
	err error
}

func newBatch[T, R any](most int, run func(ctx context.Context, in []T) ([]R, error)) *batch[T, R] {
	return &batch[T, R]{most: most, calls: make(chan batched[T, R], most), run: run}
}

// serve runs n round trips side by side until ctx ends.
func (b *batch[T, R]) serve(ctx context.Context, n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case first := <-b.calls:
					b.trip(ctx, first)
				}
			}
		})
	}
	wg.Wait()
}

func (b *batch[T, R]) trip(ctx context.Context, first batched[T, R]) {
	calls := []batched[T, R]{first}
	for len(calls) < b.most {
		select {
		case c := <-b.calls:
			calls = append(calls, c)
			continue
		default:
		}
		break
	}
	in := make([]T, len(calls))
	for i, c := range calls {
		in[i] = c.in
	}
	out, err := b.run(ctx, in)
	for i, c := range calls {
		a := answered[R]{err: err}
		if err == nil {
			a.out = out[i]
		}
		c.out <- a
	}
}

// do is one call.
func (b *batch[T, R]) do(ctx context.Context, in T) (R, error) {
	out := make(chan answered[R], 1)
	var zero R
	select {
	case b.calls <- batched[T, R]{in: in, out: out}:
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
	select {
	case a := <-out:
		return a.out, a.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}
