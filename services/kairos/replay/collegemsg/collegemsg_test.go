package collegemsg_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/services/kairos/replay"
	"github.com/kairos-push/kairos/services/kairos/replay/collegemsg"
)

func TestReadRefusesWhatIsNotALog(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"two fields":   {"1 2\n", "line 1: want"},
		"a word":       {"1 2 x\n", "line 1"},
		"time is back": {"src dst time\n1 2 20\n2 1 10\n", "line 3: time goes back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := collegemsg.Read(strings.NewReader(tc.in))
			require.ErrorContains(t, err, tc.want)
		})
	}
	log, err := collegemsg.Read(strings.NewReader("src dst time\n1 2 1082040961\n"))
	require.NoError(t, err)
	require.Equal(t, []collegemsg.Message{{Src: 1, Dst: 2, At: time.Unix(1082040961, 0).UTC()}}, log)
}

func TestOpenSaysWhatToSetWhenThereIsNoLog(t *testing.T) {
	t.Setenv(collegemsg.Env, t.TempDir())
	_, err := collegemsg.Open()
	require.ErrorIs(t, err, collegemsg.ErrNoData)
	require.ErrorContains(t, err, "set KAIROS_DATA")
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv(collegemsg.Env), collegemsg.File), []byte("3 4 5\n"), 0o600))
	log, err := collegemsg.Open()
	require.NoError(t, err)
	require.Len(t, log, 1)
}

// The stand-in is only good if it has the shape of the real log, so both are held to the same bounds.
func TestTheStandInHasTheShapeOfTheLog(t *testing.T) {
	t.Parallel()
	logs := map[string][]collegemsg.Message{"synthetic": collegemsg.Synthetic(1, 1899, 59835)}
	if theLog, err := collegemsg.Open(); err == nil {
		logs["real"] = theLog
	} else {
		require.ErrorIs(t, err, collegemsg.ErrNoData)
	}
	zone, err := time.LoadLocation(collegemsg.Zone)
	require.NoError(t, err)
	for name, log := range logs {
		require.Len(t, log, 59835, name)
		received, night, answered := map[int]int{}, 0, 0
		last := map[[2]int]time.Time{}
		for _, m := range log {
			received[m.Dst]++
			if h := m.At.In(zone).Hour(); h >= 3 && h < 9 {
				night++
			}
			if at, ok := last[[2]int{m.Dst, m.Src}]; ok && m.At.Sub(at) < 24*time.Hour {
				answered++
			}
			last[[2]int{m.Src, m.Dst}] = m.At
		}
		n := float64(len(log))
		require.InDelta(t, 1800, len(received), 250, "%s: people who receive", name)
		require.Less(t, float64(night)/n, 0.25, "%s: share at night", name)
		require.Greater(t, float64(answered)/n, 0.2, "%s: share with a message the other way within a day", name)
	}
}

func TestConvertWritesLinesThatReplayReads(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := collegemsg.Synthetic(7, 50, 200)
	require.NoError(t, collegemsg.Convert(&b, log, collegemsg.Options{Hold: time.Hour}))
	count, at := map[string]int{}, time.Time{}
	for l := range strings.Lines(b.String()) {
		line, err := replay.ParseLine([]byte(l))
		require.NoError(t, err)
		require.False(t, line.At.Before(at))
		at = line.At
		count[line.Topic]++
	}
	require.Equal(t, 200, count["messages"])
	require.Equal(t, 200, count["events"])
	require.Equal(t, count["users"], count["devices"])
}
