package stream

import (
	"strconv"
	"strings"

	"github.com/kairos-push/kairos/pkg/topic"
)

// Room in a dead letter, which has to fit where the record itself, as a broker took it compressed, may not.
const (
	deadValueMax   = 900_000
	deadHeadersMax = 32_000
	deadKeyMax     = 32_000
	deadReasonMax  = 8_000
)

// DeadLetter keeps a record that a stage refused: its bytes, key and headers, and what was wrong with it. What does not fit
// into a record is cut off; topic.DeadTruncated then tells how long the value was.
func DeadLetter(r *Record, stage, reason string) Record {
	out := Record{Topic: topic.Topic{Name: r.Topic}.DLQ().Name, Key: r.Key, Value: r.Value, Time: r.Time}
	size := 0
	for _, h := range r.Headers {
		if n := h.size(); size+n <= deadHeadersMax {
			size += n
			out.Headers = append(out.Headers, h)
		}
	}
	add := func(key, value string) { out.Headers = append(out.Headers, Header{Key: key, Value: []byte(value)}) }
	add(topic.DeadTopic, r.Topic)
	add(topic.DeadPartition, strconv.Itoa(r.Partition))
	add(topic.DeadOffset, strconv.FormatInt(r.Offset, 10))
	add(topic.DeadStage, stage)
	add(topic.DeadReason, strings.ToValidUTF8(reason[:min(len(reason), deadReasonMax)], ""))
	if len(r.Value) > deadValueMax {
		out.Value = r.Value[:deadValueMax]
		add(topic.DeadTruncated, strconv.Itoa(len(r.Value)))
	}
	if len(r.Key) > deadKeyMax {
		out.Key = r.Key[:deadKeyMax]
	}
	return out
}
