package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/faults/verify"
)

// A control that breaks another gate than the one its guard keeps proves nothing.
func TestControlsShowWhatTheirGuardPrevents(t *testing.T) {
	t.Parallel()
	for _, f := range controls() {
		slow := Result{Control: true, Report: &verify.Report{Accepted: 1, Recovery: time.Hour, Illegal: 1, Unasked: 1}}
		slow.judge(&f)
		require.NotEmpty(t, slow.Broken, f.Name)
		require.False(t, slow.OK(), f.Name)

		shown := Result{Control: true, Report: &verify.Report{Accepted: 1, Lost: 1, CancelledYetSent: 1, Duplicates: 1, Unexplained: 1}}
		shown.judge(&f)
		require.True(t, shown.OK(), f.Name)
	}
}

func TestMemoryIsJudged(t *testing.T) {
	t.Parallel()
	f := Fault{Megabytes: 100}
	r := Result{Report: &verify.Report{Accepted: 1}, Megabytes: map[string]float64{"timing": 101, "enrich": 99}}
	r.judge(&f)
	require.Equal(t, []string{"timing had 101 MB, not 100"}, r.Broken)
	require.False(t, r.OK())
}
