//go:build failpoint

package fold

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/fold/failpoint"
)

// Control runs: with a guard switched off the same schedule must end wrong, or the test that passes with it proves
// nothing.
func TestControlRuns(t *testing.T) {
	for _, c := range []struct {
		guard  string
		script func(*world, string)
		want   string
	}{
		{failpoint.Fence, zombieRace, "was decided [cancelled released]"},
		{failpoint.Cause, repeated, "want 2 in order"},
		{failpoint.Echo, lateCancel, "was decided [cancelled released]"},
	} {
		require.NoError(t, scripted(t, c.script), c.guard)
		failpoint.Disable(c.guard, true)
		err := scripted(t, c.script)
		failpoint.Disable(c.guard, false)
		require.ErrorContains(t, err, c.want, c.guard)
	}
}
