package dispatch

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/kairos-push/kairos/pkg/event"
)

// TestOrder: whatever comes and ends when, a user's releases start in the order in which they came, one at a time, and
// nobody waits without a reason.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := order{}
		came, started := map[turn][]*live{}, map[turn][]*live{}
		trying := map[turn]bool{}
		keys := []turn{{"a|1", Bulk}, {"a|1", Urgent}, {"a|2", Bulk}}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			at := rapid.SampledFrom(keys).Draw(t, "turn")
			if trying[at] && rapid.Bool().Draw(t, "tried") {
				next := o.leave(at)
				if trying[at] = next != nil; next != nil {
					started[at] = append(started[at], next)
				}
				continue
			}
			l := &live{release: event.Release{ReleaseID: at.user}}
			came[at] = append(came[at], l)
			ok := o.enter(at, l)
			require.Equal(t, !trying[at], ok)
			if ok {
				trying[at] = true
				started[at] = append(started[at], l)
			}
		}
		for _, at := range keys {
			for trying[at] {
				next := o.leave(at)
				if trying[at] = next != nil; next != nil {
					started[at] = append(started[at], next)
				}
			}
			require.True(t, slices.Equal(came[at], started[at]))
		}
		require.Empty(t, o)
	})
}
