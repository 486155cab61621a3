package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(tb, err)
	return loc
}

func TestLocalInstant(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for wall, want := range map[string]string{
		"2026-03-29T01:59:00": "2026-03-29T00:59:00Z",
		"2026-03-29T02:00:00": "2026-03-29T01:00:00Z", // the instant of the jump
		"2026-03-29T02:30:00": "2026-03-29T01:00:00Z", // does not exist
		"2026-03-29T03:00:00": "2026-03-29T01:00:00Z",
		"2026-10-25T01:30:00": "2026-10-24T23:30:00Z",
		"2026-10-25T02:30:00": "2026-10-25T00:30:00Z", // the first of two
		"2026-10-25T03:00:00": "2026-10-25T02:00:00Z",
		"2026-07-01T12:00:00": "2026-07-01T10:00:00Z",
	} {
		at, err := time.Parse("2006-01-02T15:04:05", wall)
		require.NoError(t, err)
		require.Equal(t, want, LocalInstant(at, berlin).Format(time.RFC3339), wall)
	}
	// A whole day that never was: Samoa crossed the date line at the end of 2011-12-29.
	require.Equal(t, "2011-12-30T10:00:00Z",
		LocalInstant(time.Date(2011, 12, 30, 15, 0, 0, 0, time.UTC), zone(t, "Pacific/Apia")).Format(time.RFC3339))
}

var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Cairo",
}

func anyGates(t *rapid.T, near time.Time) *Gates {
	loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	require.NoError(t, err)
	minute := rapid.Map(rapid.IntRange(0, 24*60-1), func(m int) event.LocalTime { return event.LocalTime(m) })
	g := &Gates{Loc: loc}
	if rapid.Bool().Draw(t, "quiet") {
		g.Quiet = &event.Window{Start: minute.Draw(t, "from"), End: minute.Draw(t, "to")}
	}
	if rapid.Bool().Draw(t, "window") {
		g.Window = &event.Window{Start: minute.Draw(t, "from"), End: minute.Draw(t, "to")}
	}
	for _, gate := range []Set{NotBefore, MinimumGap, PersonCap, DND} {
		if rapid.IntRange(0, 3).Draw(t, "until") == 0 {
			g.Forbid(gate, near.Add(time.Duration(rapid.Int64Range(-3600, 100000).Draw(t, "seconds"))*time.Second))
		}
	}
	return g
}

func anyTime(t *rapid.T) time.Time {
	base := rapid.SampledFrom([]string{
		"2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z", "2026-04-04T12:00:00Z", "2026-03-07T20:00:00Z", "2026-06-15T00:00:00Z",
	}).Draw(t, "near")
	at, err := time.Parse(time.RFC3339, base)
	require.NoError(t, err)
	return at.Add(time.Duration(rapid.Int64Range(0, 2*86400).Draw(t, "after")) * time.Second)
}

// Closings against a walk minute by minute, and in order.
func TestClosingsMissNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime(t)
		g := anyGates(t, at)
		to := at.Add(time.Duration(rapid.IntRange(0, 36*60).Draw(t, "minutes")) * time.Minute)
		spans := g.Closings(at, to)
		for i, s := range spans {
			require.True(t, s.From.Before(s.To))
			require.True(t, i == 0 || spans[i-1].To.Before(s.From), "two that touch are one")
			require.False(t, s.From.Before(at) || s.To.After(to))
		}
		for x := at; x.Before(to); x = x.Add(time.Minute) {
			in := slices.ContainsFunc(spans, func(s event.Span) bool { return !x.Before(s.From) && x.Before(s.To) })
			require.Equal(t, g.Closed(x) != 0, in, "at %s", x)
		}
	})
	all := Gates{Loc: time.UTC, Window: &event.Window{}}
	from := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	require.Equal(t, []event.Span{{From: from, To: from.AddDate(0, 0, 9)}}, all.Closings(from, from.AddDate(1, 0, 0)), "no further than nine days")
}

// NextOpen and NextClose against a walk minute by minute.
func TestNextOpenAndNextCloseMissNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime(t)
		g := anyGates(t, at)
		open := g.NextOpen(at)
		if !open.IsZero() {
			require.Zero(t, g.Closed(open), "not open at its opening")
			require.False(t, open.Before(at))
		}
		for x := at; x.Before(at.Add(36 * time.Hour)); x = x.Truncate(time.Minute).Add(time.Minute) {
			if !open.IsZero() && !x.Before(open) {
				break
			}
			require.NotZero(t, g.Closed(x), "open at %s, before its opening at %s", x, open)
		}
		if open.IsZero() {
			return
		}
		shut := g.NextClose(open)
		for x := open; x.Before(open.Add(36 * time.Hour)); x = x.Truncate(time.Minute).Add(time.Minute) {
			if !shut.IsZero() && !x.Before(shut) {
				require.NotZero(t, g.Closed(shut))
				break
			}
			require.Zero(t, g.Closed(x), "shut at %s, before its closing at %s", x, shut)
		}
	})
}

func TestLastOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := anyTime(t)
		g := anyGates(t, from)
		to := from.Add(time.Duration(rapid.Int64Range(0, 3*86400).Draw(t, "span")) * time.Second)
		last := g.LastOpen(from, to, 30*time.Second)
		if last.IsZero() {
			for x := from; !x.After(to); x = x.Add(time.Minute) {
				require.NotZero(t, g.Closed(x))
			}
			return
		}
		require.Zero(t, g.Closed(last))
		require.False(t, last.Before(from) || last.After(to))
		for x := last.Add(time.Minute); !x.After(to); x = x.Add(time.Minute) {
			require.NotZero(t, g.Closed(x), "open at %s after the last opening %s", x, last)
		}
	})
}

func TestBarredUntilAnInput(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	g := Gates{Loc: time.UTC}
	g.Bar(NoDevice)
	g.Forbid(MinimumGap, now.Add(time.Minute))
	require.True(t, g.NextOpen(now).IsZero())
	require.Equal(t, []string{"no_device", "minimum_gap"}, g.Closed(now).Names())
	require.Equal(t, "no_device", g.Closed(now).First())
	only := g.Only(MinimumGap)
	require.Equal(t, now.Add(time.Minute), only.NextOpen(now))
	inside := Gates{Loc: time.UTC, Quiet: &event.Window{Start: 0, End: 12 * 60}, Window: &event.Window{Start: 60, End: 120}}
	require.True(t, inside.NextOpen(now).IsZero(), "a window inside the quiet hours never opens")
	require.Empty(t, Set(0).First())
	require.Nil(t, Set(0).Names())
}

func TestCapsRoll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		caps := []Cap{{Max: rapid.IntRange(1, 4).Draw(t, "max"), Per: event.Duration(time.Hour)}, {Max: 5, Per: event.Duration(24 * time.Hour)}}
		sends := rapid.SliceOfN(rapid.Map(rapid.Int64Range(-90000, 0), func(s int64) time.Time {
			return now.Add(time.Duration(s) * time.Second)
		}), 0, 12).Draw(t, "sends")
		allowed := func(at time.Time) bool {
			for _, c := range caps {
				n := 0
				for _, s := range sends {
					if at.Sub(s) < time.Duration(c.Per) {
						n++
					}
				}
				if n >= c.Max {
					return false
				}
			}
			return true
		}
		open := CapOpens(caps, sends, now)
		require.True(t, allowed(open))
		if open.After(now) {
			require.False(t, allowed(open.Add(-time.Second)))
		}
		require.Equal(t, allowed(now), CapLeft(caps, sends, now) > 0)
		require.Equal(t, 24*time.Hour, Longest(caps))
		require.Equal(t, -1, CapLeft(nil, sends, now))
	})
}
