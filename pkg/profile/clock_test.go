package profile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	for name, c := range map[string]struct {
		lags   []time.Duration // over and over
		behind time.Duration
	}{
		"right":                      {[]time.Duration{1 * s, 2 * s, 1 * s}, 0},
		"right, on a bad network":    {[]time.Duration{1 * s, 5 * m, 2 * s, 9 * m}, 0},
		"three minutes behind":       {[]time.Duration{181 * s, 183 * s, 190 * s}, 181 * s},
		"and on a bad network":       {[]time.Duration{182 * s, 9 * m, 181 * s, 7 * m}, 181 * s},
		"three minutes ahead":        {[]time.Duration{-179 * s, -178 * s}, 0},
		"a little behind":            {[]time.Duration{12 * s, 13 * s}, 0},
		"an hour behind, or batches": {[]time.Duration{time.Hour}, 0},
		"anything":                   {[]time.Duration{0, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m}, 0},
		"absurd":                     {[]time.Duration{1 << 62, -1 << 62}, 0},
	} {
		var l Lags
		for i := range 40 {
			l.Heard(c.lags[i%len(c.lags)])
			if i < lags-1 {
				require.Zero(t, l.Behind(), name)
			}
		}
		require.Equal(t, c.behind, l.Behind(), name)
	}
}

func TestAClockThatIsSetRight(t *testing.T) {
	t.Parallel()
	var l Lags
	for range 20 {
		l.Heard(3 * time.Minute)
	}
	require.Equal(t, 3*time.Minute, l.Behind())
	for range lags / 2 {
		l.Heard(time.Second)
	}
	require.Zero(t, l.Behind())
}

func TestLagsArePacked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l, back Lags
		for _, s := range rapid.SliceOfN(rapid.IntRange(-1000, 1000), 0, 40).Draw(t, "seconds") {
			l.Heard(time.Duration(s) * time.Second)
		}
		data, err := l.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalBinary(data))
		require.Equal(t, l, back)
	})
	var l Lags
	for _, bad := range [][]byte{nil, make([]byte, 33), append(make([]byte, 32), 16, 0), append(make([]byte, 32), 0, 17)} {
		require.Error(t, l.UnmarshalBinary(bad))
	}
}
