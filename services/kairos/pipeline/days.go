package pipeline

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/clock"
	"github.com/kairos-push/kairos/pkg/event"
)

// At lets time pass until a local time, "2006-01-02 15:04" or, of the same day, "15:04". The time is virtual: what is due
// until then happens at its own time.
func (s *Story) At(local string) *Story {
	s.Helper()
	at := s.Time(local)
	require.True(s.TB, s.virtual, "a story with a clock is told in virtual time")
	require.False(s.TB, at.Before(s.Now()), "the story goes back in time")
	require.NoError(s.TB, clock.Clock{}.Sleep(s.Context(), at.Sub(s.Now())))
	return s
}

// tick is what may pass between a moment and its effect, besides nothing at all.
const tick = time.Second

// Between waits for a row of a message, which must be of a local time from one moment to another, at most a tick late.
func (s *Story) Between(from, to, id, typ string) event.Outcome {
	s.Helper()
	first, last := s.Time(from), s.Time(to).Add(tick)
	row := s.Await(id, typ)
	require.False(s.TB, row.OccurredAt.Before(first), "%s %s at %s, before %s", id, typ, row.OccurredAt.In(s.Location()), from)
	require.False(s.TB, row.OccurredAt.After(last), "%s %s at %s, after %s", id, typ, row.OccurredAt.In(s.Location()), to)
	return row
}

// Time is an instant of local time.
func (s *Story) Time(local string) time.Time {
	s.Helper()
	if strings.Count(local, ":") == 1 {
		local += ":00"
	}
	if !strings.Contains(local, "-") {
		local = s.Now().In(s.Location()).Format("2006-01-02 ") + local
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", local, s.Location())
	require.NoError(s.TB, err)
	return at
}

// Location is Zone.
func (s *Story) Location() *time.Location {
	s.Helper()
	loc, err := time.LoadLocation(Zone)
	require.NoError(s.TB, err)
	return loc
}
