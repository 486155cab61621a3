package stream_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kairos-push/kairos/pkg/pipetest"
	"github.com/kairos-push/kairos/pkg/stream"
	"github.com/kairos-push/kairos/pkg/topic"
)

func TestADeadLetterAlwaysFits(t *testing.T) {
	t.Parallel()
	f := start(t, pipetest.Embedded, topic.InEvents.DLQ())
	const size = 3 << 20
	large := strings.Repeat("\u00e9", size/2)
	headers := []stream.Header{{Key: "large", Value: []byte(large)}, {Key: "small", Value: []byte("x")}}
	for i := range 50_000 {
		headers = append(headers, stream.Header{Key: strconv.Itoa(i)})
	}
	dead := stream.DeadLetter(
		&stream.Record{Topic: topic.InEvents.Name, Partition: 2, Offset: 8, Key: []byte(large), Value: []byte(large), Headers: headers},
		"ingest", "x"+large)
	require.NoError(t, f.Publish(t.Context(), []stream.Record{dead}))
	require.Equal(t, topic.InEvents.DLQ().Name, dead.Topic)
	for name, want := range map[string]string{
		"small": "x", "large": "", topic.DeadTopic: topic.InEvents.Name, topic.DeadPartition: "2", topic.DeadOffset: "8",
		topic.DeadStage: "ingest", topic.DeadTruncated: strconv.Itoa(size),
	} {
		require.Equal(t, want, dead.Header(name), name)
	}
	require.Regexp(t, "^x\u00e9+$", dead.Header(topic.DeadReason), "cut between characters")

	whole := stream.Record{Topic: topic.InEvents.Name, Key: []byte("k"), Value: []byte("{")}
	dead = stream.DeadLetter(&whole, "ingest", "must be JSON")
	require.Equal(t, whole.Key, dead.Key)
	require.Equal(t, whole.Value, dead.Value)
	require.Empty(t, dead.Header(topic.DeadTruncated))
}
