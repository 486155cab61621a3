// Package clock is the only reader of the wall clock. Every decision takes now as an argument; the loops
// that need to read or wait take a Clock. It is a struct and not an interface on purpose: tests of behaviour
// over time run inside testing/synctest, where package time itself is virtual.
package clock

import (
	"context"
	"time"
)

// Clock reads the time and waits. The zero value is the system's clock.
type Clock struct {
	skew time.Duration
}

// Skewed is a clock that is off by skew, for tests of machines that disagree about the time.
func Skewed(skew time.Duration) Clock { return Clock{skew: skew} }

// Now is the current time in UTC.
func (c Clock) Now() time.Time { return time.Now().Add(c.skew).UTC() }

// Since is the time that has passed since t.
func (c Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Timer fires once after d.
func (c Clock) Timer(d time.Duration) *time.Timer { return time.NewTimer(d) }

// Ticker fires every d.
func (c Clock) Ticker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

// Sleep waits for d, or returns the context's error as soon as it is done.
func (c Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
