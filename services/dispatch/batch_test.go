package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

// TestWhatKafkaRefusesFailsAlone: ends of many pushes leave together. One that the log will never take is no failure of the
// others, which are in it.
func TestWhatKafkaRefusesFailsAlone(t *testing.T) {
	t.Parallel()
	d := &Dispatch{kafka: pipetest.Start(t, pipetest.Embedded).Stream(t), cfg: Config{PublishTimeout: time.Minute}}
	require.NoError(t, d.kafka.Apply(t.Context(), []topic.Topic{topic.Facts}, 1, 1))
	end := func(sizes ...int) (recs []stream.Record) {
		for _, n := range sizes {
			recs = append(recs, stream.Record{Topic: topic.Facts.Name, Key: []byte("demo|u"), Value: make([]byte, n)})
		}
		return recs
	}
	said, err := d.publish(t.Context(), [][]stream.Record{end(1, 1), end(1, 2_000_000), end(1)})
	require.NoError(t, err)
	require.NoError(t, said[0])
	require.ErrorIs(t, said[1], stream.ErrTooLarge)
	require.NoError(t, said[2])
	ranges, err := d.kafka.Offsets(t.Context(), topic.Facts)
	require.NoError(t, err)
	require.Equal(t, int64(4), ranges[0].High)
}
