package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/kairos-push/kairos/pkg/clock"
)

// Lifecycle runs named components: started in order, stopped last first, each stop bounded, all errors joined.
//
//	Go(a) → Go(b) → Wait ── ctx done, or one component ended ──► stop b → stop a
//
// It is not a supervisor: the first component that ends on its own stops the rest.
type Lifecycle struct {
	log   zerolog.Logger
	clock clock.Clock
	drain time.Duration

	mu    sync.Mutex
	parts []part
	ended chan struct{} // closed when any component has ended
	once  sync.Once
}

type part struct {
	name string
	stop func(context.Context) error
}

// NewLifecycle bounds the whole teardown by drain.
func NewLifecycle(log zerolog.Logger, clk clock.Clock, drain time.Duration) *Lifecycle {
	return &Lifecycle{log: log, clock: clk, drain: drain, ended: make(chan struct{})}
}

// Defer registers a teardown alone.
func (l *Lifecycle) Defer(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, part{name: name, stop: stop})
}

// Go starts run; its context ends when its turn in the teardown comes.
func (l *Lifecycle) Go(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = nil // it was asked to stop
		} else if err == nil && ctx.Err() == nil {
			err = errors.New("ended by itself")
		}
		done <- err
		l.once.Do(func() { close(l.ended) })
	}()
	l.Defer(name, func(stop context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-stop.Done():
			return errors.New("did not stop in time")
		}
	})
}

// Wait blocks until ctx is done or a component ends, then tears down.
func (l *Lifecycle) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-l.ended:
	}
	return l.Stop()
}

// Stop tears down everything that was registered, last first. A second call finds nothing left to stop.
func (l *Lifecycle) Stop() error {
	l.mu.Lock()
	parts := l.parts
	l.parts = nil
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), l.drain)
	defer cancel()
	var errs []error
	for _, part := range slices.Backward(parts) {
		begun := l.clock.Now()
		err := part.stop(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part.name, err))
		}
		l.log.Debug().Str("component", part.name).Dur("took_ms", l.clock.Since(begun)).Err(err).Msg("component stopped")
	}
	return errors.Join(errs...)
}
