package timing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/event"
	"github.com/kairos-push/kairos/pkg/profile"
	"github.com/kairos-push/kairos/services/timing"
)

func data(bytes int) func(*story, *event.Message) {
	return with(func(m *event.Message) { m.Data = event.Object(`{"a":"` + strings.Repeat("x", bytes-8) + `"}`) })
}

// packed is what the person takes in the journal.
func (s *story) packed() int {
	s.Helper()
	b, err := timing.EncodeHolds(s.local.State(user))
	require.NoError(s, err)
	return len(b)
}

// However many and large one person's messages are, the state fits into a record: what is beyond that ends at once.
func TestMessagesOfOnePersonAreBounded(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("m", 120)
	for name, c := range map[string]struct {
		bytes int
		held  []func(*story, *event.Message)
	}{
		"large, held":       {60_000, []func(*story, *event.Message){now, notBefore("13:00")}},
		"small, held":       {2_000, []func(*story, *event.Message){now, notBefore("13:00")}},
		"large, unanswered": {60_000, []func(*story, *event.Message){priority(event.Critical)}},
		"small, unanswered": {8, []func(*story, *event.Message){priority(event.Critical)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t, "")
			s.answer = ""
			for i := range profile.MaxDevices - 1 {
				s.profile.Devices = append(s.profile.Devices, phone(fmt.Sprint("device-", i)))
				s.profile.Devices[i].Address = strings.Repeat("a", 160)
			}
			s.at("2026-05-11 12:00")
			n := 0
			for ; s.count(event.OutcomeSuppressed, fmt.Sprint(id, n)) == 0; n++ {
				message(fmt.Sprint(id, n+1), append(slices.Clone(c.held), data(c.bytes), with(func(m *event.Message) { m.Devices = event.DevicesAll }))...)(s)
				require.Less(t, s.packed(), 900_000)
			}
			last := s.rows[len(s.rows)-1]
			require.Equal(t, "too_many_held", last.Reason)
			require.Equal(t, 1, s.count(event.OutcomeAccepted, last.MessageID))
			require.Greater(t, s.packed(), 400_000)
			t.Log(n, s.packed())
		})
	}
}

func TestWhatWaitsDoesNotShutOutACriticalMessage(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00")
	for i := range 11 {
		message(fmt.Sprint("m", i), now, notBefore("13:00"), data(60_000))(s)
	}
	s.expect("12:00:00 suppressed m9 too_many_held", "12:00:00 suppressed m10 too_many_held")
	s.at("12:01", message("urgent", priority(event.Critical), data(60_000))).expect("12:01:00 released urgent now")
	s.at("12:02", message("m9", now, notBefore("13:00"), data(60_000))).quiet() // known, and over
	s.at("12:03", cancel("m0"), message("room", now, notBefore("13:00"), data(50_000))).expect("12:03:00 cancelled m0 cancel")
}

// A revision takes the place of what it revises, so it needs room only for what it adds.
func TestARevisionThatGrowsNeedsRoom(t *testing.T) {
	t.Parallel()
	s := tell(t, "")
	s.at("2026-05-11 12:00")
	for i := range 9 {
		message(fmt.Sprint("m", i), now, notBefore("13:00"), data(60_000))(s)
	}
	for i := range 3 { // critical ones that have to wait fill the rest
		message(fmt.Sprint("urgent", i), priority(event.Critical), notBefore("14:00"), data(60_000))(s)
	}
	s.quiet()
	s.at("12:01", message("m0", revision(1), now, notBefore("13:00"), data(60_000))).expect("12:01:00 held m0 revised")
	s.at("12:02", message("m0", revision(2), now, notBefore("13:00"), data(61_000))).
		expect("12:02:00 held m0 revised", "12:02:00 suppressed m0 too_many_held")
	require.Less(t, s.packed(), 900_000)
}
