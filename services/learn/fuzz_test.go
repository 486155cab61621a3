package learn

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/score"
)

// Whatever lies on the topic: it is refused with an error, or learned on from, and what is written next is believed again.
func FuzzLoad(f *testing.F) {
	l := NewLearner(DefaultLimits())
	for _, r := range life("demo", 1, 1, 1) {
		l.apply(r)
	}
	out, err := l.Round(monday.AddDate(0, 0, 1), Offsets{"enriched.v1": {3, 4}})
	require.NoError(f, err)
	for _, s := range out {
		f.Add(s.Value)
	}
	byHand := score.Default()
	value, err := byHand.Encode(monday, nil)
	require.NoError(f, err)
	f.Add(value)
	f.Fuzz(func(t *testing.T, value []byte) {
		l, _, err := Load(DefaultLimits(), map[string][]byte{"": value})
		if err != nil {
			return
		}
		out, err := l.Round(monday, nil)
		require.NoError(t, err)
		_, _, err = Load(DefaultLimits(), map[string][]byte{"": out[0].Value})
		require.NoError(t, err)
	})
}
