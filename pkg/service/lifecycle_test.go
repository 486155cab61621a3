package service_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/service"
)

func lifecycle() *service.Lifecycle {
	return service.NewLifecycle(zerolog.Nop(), clock.Clock{}, 5*time.Second)
}

func TestTeardownIsLastFirstAndJoinsErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		bad := errors.New("bad flush")
		l := lifecycle()
		l.Defer("kafka", func(context.Context) error { order = append(order, "kafka"); return bad })
		for _, name := range []string{"fold", "http"} {
			l.Go(name, func(ctx context.Context) error {
				<-ctx.Done()
				order = append(order, name)
				return ctx.Err()
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := l.Wait(ctx)
		require.ErrorIs(t, err, bad)
		require.EqualError(t, err, "kafka: bad flush")
		require.Equal(t, []string{"http", "fold", "kafka"}, order)
		require.NoError(t, l.Stop())
	})
}

func TestOneEndEndsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle()
		broken := errors.New("broken")
		l.Go("a", func(ctx context.Context) error { <-ctx.Done(); return nil })
		l.Go("b", func(context.Context) error { return broken })
		require.ErrorIs(t, l.Wait(t.Context()), broken)

		l = lifecycle()
		l.Go("c", func(context.Context) error { return nil })
		require.ErrorContains(t, l.Wait(t.Context()), "c: ended by itself")
	})
}

func TestTeardownIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := lifecycle()
		release := make(chan struct{})
		stopped := false
		l.Defer("first", func(context.Context) error { stopped = true; return nil })
		l.Go("stuck", func(context.Context) error { <-release; return nil })
		start := time.Now()
		require.ErrorContains(t, l.Stop(), "stuck: did not stop in time")
		require.Equal(t, 5*time.Second, time.Since(start))
		require.True(t, stopped, "the rest is torn down all the same")
		close(release)
		synctest.Wait()
	})
}
